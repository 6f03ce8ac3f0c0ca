# Reads the study file and names what all stages share: the grid, the roots, the wildcards.

import gc
import sys

# Snakemake's plan of a large grid is millions of objects that stay. Python looks through them for
# garbage again and again while the plan grows: a fifth of the time of a dry run of 5,000 cells.
gc.set_threshold(100_000)

sys.path.insert(0, "scripts")

from pathlib import Path

from sftstudy.cli import prefer_own_environment
from sftstudy.cluster.site import read_site
from sftstudy.figures.names import figures
from sftstudy.records import kept
from sftstudy.run.code import code_version, template_files
from sftstudy.run.snakemake_internals.errors import tell_plainly
from sftstudy.run.snakemake_internals.run import given
from sftstudy.sources import lock
from sftstudy.study import jobs, lm_eval_controls, targets
from sftstudy.study.jobs import as_json
from sftstudy.study.names import TRIAL, one_of
from sftstudy.study.options import given_study
from sftstudy.study.plan import choice_plan, recommendation_plan, study_plan
from sftstudy.tables.schema import NAMES
from sftstudy.tasks.lm_eval_yaml import installed_version
from sftstudy.tasks.registry import judge_module, lesson_files, module_files

prefer_own_environment()
tell_plainly()

# Not Snakemake's `config`, which no longer knows what stood in which file. Without a study file of its
# own a run is the smoke study.
study = given_study(*given(workflow))
locked = lock.read(Path("config/sources.lock.yaml"))
site = read_site()
if workflow.is_main_process:  # not in every job again
    lm_eval_controls.require(study)


pathvars:
    results=study.root,
    logs=f"{study.root}/logs",
    records=f"{study.root}/records",


wildcard_constraints:
    student=one_of(study.models),
    task=one_of(study.tasks),
    control=one_of(study.own_controls),
    dataset=one_of(study.tasks + study.controls),
    trial=TRIAL,
    variant=rf"base|{one_of(study.tasks)}/{TRIAL}",
    split="val|test",
