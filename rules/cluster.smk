# What happens around a run with profiles/slurm: before the first job, and after a dry run.

import atexit

from sftstudy.cluster import hooks


onstart:
    hooks.before_first_job(workflow, site)


# Snakemake has no hook for the end of a dry run.
atexit.register(hooks.after_dry_run, workflow)
