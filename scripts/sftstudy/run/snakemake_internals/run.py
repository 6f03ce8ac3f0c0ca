"""A run of Snakemake as its hooks see it, and the marks that runs leave in their folder."""

import base64
import binascii
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sftstudy.cluster.requests import Request

Kind = tuple[str, str]  # of jobs: the student (empty where there is none) and the rule
FOLDER = ".snakemake"  # in the folder where Snakemake runs
TIMESTAMP = ".snakemake_timestamp"  # in a folder that is an output: its time for Snakemake


class Run:
    """A run of Snakemake as its hooks see it."""

    def __init__(self, workflow: Any) -> None:
        self._workflow = workflow

    @property
    def folder(self) -> Path:
        """Snakemake's own folder."""
        return Path(self._workflow.persistence.path)

    @property
    def is_main(self) -> bool:
        """Whether this process plans: not one of a job, and further than the command line."""
        return self._workflow.is_main_process and self._workflow.persistence is not None

    @property
    def is_dry(self) -> bool:
        """Whether it only says what it would execute."""
        return self._workflow.dryrun

    @property
    def has_plan(self) -> bool:
        """Whether it got as far as to know its jobs."""
        return bool(self._workflow.dag)

    @property
    def is_on_cluster(self) -> bool:
        """Whether jobs are submitted to Slurm, as the profile says."""
        return "slurm_partition" in (self._workflow.resource_settings.default_resources or {})

    @property
    def holds_lock(self) -> bool:
        """Whether this run has locked its folder."""
        return bool(self._workflow.persistence._lockfile)

    def is_locked_out(self) -> bool:
        """Whether another run's locks are in the way. Every file of the plan is looked at."""
        return self._workflow.persistence.locked

    @property
    def had_nothing_to_do(self) -> bool:
        """Whether it was to execute jobs, and all that it was asked for is up to date."""
        return self._workflow.scheduler is not None and not len(self._workflow.dag)

    def outputs(self) -> set[str]:
        """Return the outputs of all jobs of the plan, whether they are to be run or not."""
        return {str(file) for job in self._workflow.dag.jobs for file in job.output}

    def inputs(self) -> set[str]:
        """Return the inputs of all jobs that are to be run."""
        return {str(file) for job in self._jobs() for file in job.input}

    def kinds(self) -> Counter[Kind]:
        """Return how many jobs of each kind are to be run."""
        return Counter((job.wildcards.get("student", ""), job.rule.name) for job in self._jobs())

    def requests(self) -> list[Request]:
        """Return what the jobs that are to be submitted ask the cluster for."""
        return [_request(job) for job in self._submitted()]

    def slurm_comments(self) -> set[str]:
        """Return the comments under which the Slurm executor (2.8) submits these jobs."""
        found = set()
        for job in self._submitted():
            values = "_".join(job.wildcards).replace("/", "_")
            found.add(f"rule_{job.rule.name}" + (f"_wildcards_{values}" if values else ""))
        return found

    def hold_back(self, rule: str, until: Iterable[str]) -> None:
        """Have each planned job of a rule wait for those of other rules for the same student, and
        for those that are for all.

        It orders jobs of this run and plans none. Inputs marked `ancient` cannot do that: Snakemake
        does not look at jobs behind them for changes (issue 4166). A job that ``--until`` names is
        not waited for: Snakemake tells nobody behind it that it has finished.
        """
        dag, jobs = self._workflow.dag, list(self._jobs())
        awaited: dict[str | None, list[Any]] = {}  # by student
        names = set(until)
        for job in jobs:
            if job.rule.name in names and not dag.in_until(job):
                awaited.setdefault(job.wildcards.get("student"), []).append(job)
        for job in [job for job in jobs if job.rule.name == rule]:
            mine = awaited.get(job.wildcards.student, [])
            for other in mine + awaited.get(None, []):
                if other not in dag.dependencies[job]:
                    # Of no file. On both sides: Snakemake counts anew after a checkpoint.
                    dag.depending[other][job] = set()
                    dag.dependencies[job][other] = set()
                    dag._n_until_ready[job] += 1
                    dag.ready_jobs.discard(job)

    def incomplete(self, outputs: Iterable[str]) -> set[str]:
        """Return the outputs that a run has begun and no run has recorded, as it is now."""
        self._workflow.persistence._clear_cache()
        return self._workflow.persistence._filter_incomplete_keys(outputs)

    def forced(self) -> list[Path]:
        """Return the first output of each job that runs because its user says so.

        Snakemake also forces outputs that an earlier run has begun and not recorded: those are left
        out, for that job goes on. Nothing runs where files are only touched.
        """
        if self._workflow.touch:
            return []
        dag = self._workflow.dag
        jobs = [job for job in self._jobs() if job.output and dag.reason(job).forced]
        begun = self.incomplete(str(job.output[0]) for job in jobs)
        return [
            Path(job.output[0])
            for job in jobs
            if job.rule in dag.forcerules or str(job.output[0]) not in begun
        ]

    def forced_by_rule(self, jobs: Iterable[Mapping[str, str]]) -> list[Path]:
        """Return the first output that each forced rule makes for jobs that are not planned yet.

        A job is told by its wildcards; rules with other wildcards make nothing for it. An output
        may be one that no job of the study makes.
        """
        if self._workflow.touch:
            return []
        by_wildcards: dict[frozenset[str], list[Any]] = {}
        for rule in self._workflow.dag.forcerules:
            by_wildcards.setdefault(frozenset(rule.wildcard_names), []).append(rule)
        return [
            Path(rule.expand_output(wildcards)[0][0])
            for wildcards in jobs
            for rule in by_wildcards.get(frozenset(wildcards), ())
        ]

    def untold_table(self) -> str:
        """Return the table of planned jobs where Snakemake prints none, else nothing.

        With a bare ``--quiet`` it ends before it formats the text of every job, which takes a third
        of a dry run of a large grid, but it does not print its table either.
        """
        quiet = {str(kind) for kind in self._workflow.output_settings.quiet or ()}
        return self._workflow.dag.stats()[0] if quiet == {"progress", "rules"} else ""

    def _jobs(self) -> Iterator[Any]:
        return self._workflow.dag.needrun_jobs(exclude_finished=not self.is_dry)

    def _submitted(self) -> Iterator[Any]:
        """Yield the jobs that are not local.

        In a dry run Snakemake calls every job local, so its list of local rules is asked instead.
        """
        local = self._workflow._localrules
        return (j for j in self._jobs() if not (j.rule.norun or j.rule.name in local))


def _request(job: Any) -> Request:
    return Request(
        what=f"{job.rule.name} of {getattr(job.wildcards, 'student', 'all')}",
        partition=job.resources.get("slurm_partition", ""),
        gpus=job.resources.get("gpu", 0),
        model=job.resources.get("gpu_model"),
        constraint=job.resources.get("constraint"),
        cpus=job.threads,
        mem_mb=job.resources.get("mem_mb", 0),
        minutes=job.resources.get("runtime", 0),
    )


def given(workflow: Any) -> tuple[list[Path], list[str]]:
    """Return ``--configfile`` and ``--config`` as they were given, by Snakemake itself to a job."""
    return list(workflow.overwrite_configfiles), list(workflow.config_settings.config_args)


def locks(folder: Path) -> list[Path]:
    """Return the locks of all runs in Snakemake's own `folder`."""
    return list(folder.glob("locks/*.lock"))


def begun(folder: Path) -> set[str]:
    """Return the outputs that a run has begun; none while no run holds a lock.

    A marker's name is the output's path in URL-safe base64, which continues in folders named
    ``@...`` where it is too long for a file name.
    """
    if not locks(folder):
        return set()
    root = folder / "incomplete"
    markers = (file.relative_to(root) for file in root.rglob("*") if file.is_file())
    names = ("".join(part.removeprefix("@") for part in marker.parts) for marker in markers)
    return {_decoded(name) for name in names}


def _decoded(name: str) -> str:
    try:
        return base64.urlsafe_b64decode(name).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""  # another file of Snakemake's, no marker
