# What happens around a run: before the first job, and after a dry run.

import atexit

from sftstudy import hooks


onstart:
    hooks.before_first_job(workflow, site)


# Snakemake has no hook for the end of a dry run.
atexit.register(hooks.after_dry_run, workflow)
