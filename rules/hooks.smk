# What happens around a run: before the first job, at its end, and after one that did nothing.

import atexit

from sftstudy.prediction import journal
from sftstudy.run import hooks
from sftstudy.run.snakemake_internals.log import shorten

# Before Snakemake plans, which it tells of.
shorten(workflow)


onstart:
    hooks.before_first_job(workflow, site, study)
    journal.generate_anew(hooks.forced_outputs(workflow))


onsuccess:
    hooks.forget_finished(workflow, study.root)


onerror:
    hooks.forget_finished(workflow, study.root)


# Snakemake has no hook for the end of a dry run, nor for a folder that is locked.
atexit.register(hooks.at_exit, workflow)
