# What happens around a run: before the first job, at its end, and after one that did nothing.

import atexit
from functools import partial

from sftstudy.prediction import journal
from sftstudy.recommendation import headline
from sftstudy.run import hooks
from sftstudy.run.snakemake_internals.log import shorten
from sftstudy.study.layout import Layout

layout = Layout(Path(study.root))
tell_verdicts = partial(headline.tell, study)

# Before Snakemake plans, which it tells of.
shorten(workflow)


onstart:
    hooks.before_first_job(workflow, site, study)
    journal.generate_anew(hooks.forced_outputs(workflow, study))


onsuccess:
    hooks.forget_finished(workflow, study.root)
    if hooks.has_part(workflow, layout.report):
        atexit.register(tell_verdicts)  # after Snakemake's last words


onerror:
    hooks.forget_finished(workflow, study.root)


# Snakemake has no hook for the end of a dry run, nor for a folder that is locked.
atexit.register(hooks.at_exit, workflow, layout, study, tell_verdicts)
