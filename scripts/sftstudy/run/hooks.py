"""What happens around a run of Snakemake."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sftstudy.cautions import crowded
from sftstudy.cluster import checks, leftovers, requests
from sftstudy.cluster.site import Site
from sftstudy.device import available_cores
from sftstudy.records.record import unknown_commit
from sftstudy.run import clock, finished, holders
from sftstudy.run.snakemake_internals.run import Run
from sftstudy.run.stages import CHECKPOINTS
from sftstudy.study import targets
from sftstudy.study.grid import Study
from sftstudy.study.layout import Layout

# What trainings wait for: they say of rows that these are too long, or have no source.
AWAITED = ("lengths", "fits", "fits_control", "prepare_lm_eval", "fits_lm_eval")


def before_first_job(workflow: Any, site: Site, study: Study) -> None:
    """Leave the name of this run for others, warn if git does not tell the commit, bring inputs
    back from the future, forget copies of finished trainings that Snakemake has recorded, and have
    trainings wait until all rows are known to fit; on a cluster, compare the jobs with it, and end
    those that a killed run has left behind; elsewhere, warn if there are fewer cores than threads.

    Raises `StudyError` for what the cluster cannot run. Hooks are for the main process only: jobs
    are started with ``--no-hooks``.
    """
    run = Run(workflow)
    holders.begin(run.folder)
    if warning := unknown_commit():
        print(warning, file=sys.stderr)
    if ahead := clock.bring_back(run.inputs()):
        print(
            f"{len(ahead)} inputs were from the future (the clock has jumped, or another machine's "
            f"is ahead), {ahead[0]} for example; their time is now",
            file=sys.stderr,
        )
    forget_finished(workflow, study.root)
    # Rows that are too long are an error before anything is trained, whatever split they are of,
    # and so is a source of which lm-eval cannot make its task.
    run.hold_back("train", until=AWAITED)
    if run.is_on_cluster:
        checks.require(site, run.requests())
        leftovers.stop(run.slurm_comments(), Path.cwd(), site.warn_seconds)
    else:
        cpus = {student: study.student(student)["cpus"] for student in study.students}
        if warning := crowded(cpus, available_cores()):
            print(f"warning: {warning}", file=sys.stderr)


def forced_outputs(workflow: Any, study: Study) -> list[Path]:
    """Return the first output of each job that is forced to run.

    Jobs of replicates are not planned while their student's choice is to be made, so that those of
    every configuration are among them.
    """
    run = Run(workflow)
    to_come = [
        {"student": student, "variant": variant}
        for student in _undecided(run)
        for variant in study.possible_replicates(student)
    ]
    of_controls = [{**job, "control": control} for job in to_come for control in study.controls]
    return run.forced() + run.forced_by_rule([*to_come, *of_controls])


def _undecided(run: Run) -> list[str]:
    """Return the students whose configuration this run is to choose."""
    return [student for student, rule in run.kinds() if rule in CHECKPOINTS]


def forget_finished(workflow: Any, root: str) -> None:
    """Remove copies of finished trainings, but for those that Snakemake does not know of."""
    finished.forget_recorded(Layout(Path(root)).scratch, Run(workflow).incomplete)


def has_part(workflow: Any, output: Path) -> bool:
    """Whether this run was to bring an output up to date, for itself or for something else."""
    return str(output) in Run(workflow).outputs()


def at_exit(workflow: Any, results: Layout, study: Study, tell: Callable[[], None]) -> None:
    """After a dry run, print what Snakemake does not; if the folder was locked, print by whom.

    Where there was nothing to be done Snakemake calls no other hook, and the report is `tell`'s.
    """
    run = Run(workflow)
    if not run.is_main:
        return
    if not run.is_dry:
        if run.had_nothing_to_do and has_part(workflow, results.report):
            tell()
        began = holders.end(run.folder)
        foreign = not began and not run.holds_lock and holders.is_locked(run.folder)
        # Asked last: Snakemake compares the locks with every file of the plan.
        if foreign and run.is_locked_out():
            print(holders.holders(run.folder), file=sys.stderr)
    elif run.has_plan:
        if table := run.untold_table():
            print(table)
        if coming := targets.replicates_to_come(study, _undecided(run)):
            print(coming)
        if run.is_on_cluster:
            print(requests.summary(run.requests()))
