"""What happens around a run of Snakemake: most of it on a cluster only."""

import sys
from pathlib import Path
from typing import Any

from sftstudy import clock
from sftstudy.cluster import checks, leftovers, requests
from sftstudy.cluster.site import Site


def before_first_job(workflow: Any, site: Site) -> None:
    """Bring inputs back from the future; on a cluster, compare the jobs with it, and end those that
    a killed run has left behind.

    Raises `StudyError` for what the cluster cannot run. Hooks are for the main process only: jobs
    are started with ``--no-hooks``.
    """
    jobs = list(workflow.dag.needrun_jobs())
    if ahead := clock.bring_back(str(file) for job in jobs for file in job.input):
        print(
            f"{len(ahead)} inputs were from the future (the clock has jumped, or another machine's "
            f"is ahead), {ahead[0]} for example; their time is now",
            file=sys.stderr,
        )
    if _on_cluster(workflow):
        jobs = _submitted(workflow, jobs)
        checks.require(site, requests.of_jobs(jobs))
        leftovers.stop(leftovers.comments(jobs), Path.cwd(), site.warn_seconds)


def after_dry_run(workflow: Any) -> None:
    """Print what each partition would be asked for."""
    if workflow.dryrun and _on_cluster(workflow) and workflow.dag:
        jobs = _submitted(workflow, workflow.dag.needrun_jobs(exclude_finished=False))
        print(requests.summary(requests.of_jobs(jobs)))


def _on_cluster(workflow: Any) -> bool:
    return "slurm_partition" in (workflow.resource_settings.default_resources or {})


def _submitted(workflow: Any, jobs: Any) -> list[Any]:
    """Return the jobs that are not local.

    In a dry run Snakemake calls every job local, so its list of local rules is asked instead.
    """
    return [j for j in jobs if not (j.rule.norun or j.rule.name in workflow._localrules)]
