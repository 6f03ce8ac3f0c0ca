"""What happens around a run of Snakemake."""

import sys
from pathlib import Path
from typing import Any

from sftstudy.cluster import checks, leftovers, requests
from sftstudy.cluster.site import Site
from sftstudy.run import clock, finished, holders


def before_first_job(workflow: Any, site: Site, root: str) -> None:
    """Leave the name of this run for others, bring inputs back from the future, and forget copies
    of finished trainings that Snakemake has recorded; on a cluster, compare the jobs with it, and
    end those that a killed run has left behind. `root` is the folder of the study's results.

    Raises `StudyError` for what the cluster cannot run. Hooks are for the main process only: jobs
    are started with ``--no-hooks``.
    """
    holders.begin(workflow.persistence.path)
    jobs = list(workflow.dag.needrun_jobs())
    if ahead := clock.bring_back(str(file) for job in jobs for file in job.input):
        print(
            f"{len(ahead)} inputs were from the future (the clock has jumped, or another machine's "
            f"is ahead), {ahead[0]} for example; their time is now",
            file=sys.stderr,
        )
    forget_finished(workflow, root)
    if _on_cluster(workflow):
        jobs = _submitted(workflow, jobs)
        checks.require(site, requests.of_jobs(jobs))
        leftovers.stop(leftovers.comments(jobs), Path.cwd(), site.warn_seconds)


def forget_finished(workflow: Any, root: str) -> None:
    """Remove copies of finished trainings, but for those that Snakemake does not know of."""
    workflow.persistence._clear_cache()  # another run may have begun jobs since this one looked
    marked = workflow.persistence._filter_incomplete_keys  # there is no public way to ask
    finished.forget_recorded(Path(root, "scratch"), lambda output: bool(marked([output])))


def at_exit(workflow: Any) -> None:
    """After a dry run, print what Snakemake does not; if the folder was locked, print by whom."""
    persistence = workflow.persistence
    if persistence is None or not workflow.is_main_process:
        return
    if not workflow.dryrun:
        began = holders.end(persistence.path)
        foreign = not began and not persistence._lockfile and holders.is_locked(persistence.path)
        # Asked last: Snakemake compares the locks with every file of the plan.
        if foreign and persistence.locked:
            print(holders.holders(persistence.path), file=sys.stderr)
    elif workflow.dag:
        _after_dry_run(workflow)


def _after_dry_run(workflow: Any) -> None:
    """Print the table of jobs where nothing else does, and what each partition would be asked for.

    With a bare ``--quiet`` Snakemake ends before it formats the text of every job, which takes a
    third of a dry run of a large grid, but it does not print its table either.
    """
    if {str(kind) for kind in workflow.output_settings.quiet or ()} == {"progress", "rules"}:
        print(workflow.dag.stats()[0])
    if _on_cluster(workflow):
        jobs = _submitted(workflow, workflow.dag.needrun_jobs(exclude_finished=False))
        print(requests.summary(requests.of_jobs(jobs)))


def _on_cluster(workflow: Any) -> bool:
    return "slurm_partition" in (workflow.resource_settings.default_resources or {})


def _submitted(workflow: Any, jobs: Any) -> list[Any]:
    """Return the jobs that are not local.

    In a dry run Snakemake calls every job local, so its list of local rules is asked instead.
    """
    return [j for j in jobs if not (j.rule.norun or j.rule.name in workflow._localrules)]
