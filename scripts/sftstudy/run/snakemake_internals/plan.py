"""What Snakemake would do for a study, and having it accept outputs as they are."""

import ast
import json
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sftstudy.errors import StudyError
from sftstudy.files.reading import read_text
from sftstudy.files.repository import ROOT
from sftstudy.files.temporaries import beside
from sftstudy.files.writing import permit, sync
from sftstudy.run.snakemake_internals.errors import unwrapped
from sftstudy.run.snakemake_internals.run import Run


@dataclass(frozen=True)
class PlannedJob:
    """A job of a study, what Snakemake has recorded of its outputs, and what holds now."""

    rule: str
    outputs: tuple[str, ...]
    inputs: frozenset[str]  # names of kinds, as the rule calls them
    before: frozenset[str]  # parameters of which it was made, and are no more
    now: frozenset[str]  # those that are new
    parameters: tuple[str, ...]
    command_changed: bool  # of the rule, before parameters are filled in
    inputs_changed: bool  # which files it reads
    is_recorded: bool


class Plan:
    """What Snakemake would do for a study, from the same inquiries, without doing it."""

    def __init__(self, workflow: Any) -> None:
        self.run = Run(workflow)
        self._workflow = workflow
        self._persistence = workflow.persistence
        self._recorded = self._persistence._read_record
        self._jobs: dict[PlannedJob, Any] = {
            self._planned(job): job for job in workflow.dag.jobs if job.output
        }

    def jobs(self) -> list[PlannedJob]:
        """Return all jobs of the study that make something, whether they are to be run or not."""
        return list(self._jobs)

    def accept(self, accepted: Iterable[PlannedJob]) -> None:
        """Plan again as if these outputs had been made as their jobs would make them now."""
        as_now = dict(self._records(accepted))
        # Which jobs would be run is found from these records, by `update_needrun`.
        self._persistence._read_record = lambda key: as_now.get(key) or self._recorded(key)
        for job in self._workflow.dag.jobs:
            self._workflow.dag.reason(job).clear()
        self._workflow.async_run(self._workflow.dag.update_needrun())

    def extend(self) -> bool:
        """Plan what lies behind checkpoints that need not run, now; return whether there was any.

        Jobs that have other inputs for that take the place of those that had not.
        """
        dag, known = self._workflow.dag, self._workflow.checkpoints.created_output
        made = [
            job
            for job in dag.jobs
            if job.is_checkpoint
            and not dag.needrun(job)
            and not known.issuperset(job.output)
            and all(Path(file).exists() for file in job.output)
        ]
        if not made:
            return False
        self._workflow.async_run(dag.update_checkpoint_dependencies(made))
        before = {job: planned for planned, job in self._jobs.items()}
        accepting = self._persistence._read_record
        self._persistence._read_record = self._recorded  # of new jobs nothing is accepted
        self._jobs = {before.get(job) or self._planned(job): job for job in dag.jobs if job.output}
        self._persistence._read_record = accepting
        return True

    def why(self, planned: PlannedJob) -> str | None:
        """Return why a job would be run, in Snakemake's words; None if it would not."""
        job = self._jobs[planned]
        if not self._workflow.dag.needrun(job):
            return None
        return ", ".join(self._workflow.dag.reason(job).get_names())

    def record(self, accepted: Iterable[PlannedJob]) -> None:
        """Have Snakemake know these outputs as made with what holds now; file by file, atomically.

        Only parameters and command are put in the place of what was recorded.
        """
        for key, record in self._records(accepted):
            file = Path(self._persistence._record_path(self._persistence._metadata_path, key))
            # Not `write_json`, which looks through the whole folder, here of every output there is.
            temporary = beside(file, "tmp")
            temporary.write_text(json.dumps(dict(record.items())), encoding="utf-8")
            permit(temporary, stat.S_IMODE(file.stat().st_mode))
            sync(temporary)
            temporary.replace(file)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold Snakemake's lock of the study's files, so that no run begins."""
        with self._persistence.lock():
            yield

    def _planned(self, job: Any) -> PlannedJob:
        persistence = self._persistence
        changed = persistence.params_changed(job)
        return PlannedJob(
            rule=job.rule.name,
            outputs=tuple(map(str, job.output)),
            inputs=frozenset(job.input.keys()),
            before=frozenset(map(_value, changed.only_old)),
            now=frozenset(map(_value, changed.only_new)),
            parameters=tuple(map(_value, persistence._params(job))),
            command_changed=any(persistence.code_changed(job)),
            inputs_changed=any(persistence.input_changed(job)),
            is_recorded=persistence.has_metadata(job)
            and not persistence.has_outdated_metadata(job),
        )

    def _records(self, accepted: Iterable[PlannedJob]) -> Iterator[tuple[str, Any]]:
        persistence = self._persistence
        for planned in accepted:
            job = self._jobs[planned]
            now = {"params": persistence._params(job), "code": persistence._code(job.rule)}
            for output in job.output:
                record = persistence.metadata(output).model_copy(update=now)
                yield persistence._get_key(output), record


def _value(recorded: str) -> str:
    """Return a parameter that was text as this text, any other as Snakemake records it."""
    value = ast.literal_eval(recorded) if recorded[:1] in "'\"" else recorded
    return value if isinstance(value, str) else recorded


@contextmanager
def planned(
    configfiles: Iterable[Path], config: list[str], folder: Path, profile: Path
) -> Iterator[Plan]:
    """Plan a study, given as ``--configfile``, ``--config`` and ``--directory`` of Snakemake.

    What makes a job run again is said by a profile. Nothing is executed.
    """
    from snakemake.api import SnakemakeApi
    from snakemake.cli import parse_config
    from snakemake.exceptions import WorkflowError
    from snakemake.settings.enums import Quietness, RerunTrigger
    from snakemake.settings.types import (
        ConfigSettings,
        DAGSettings,
        OutputSettings,
        ResourceSettings,
    )

    said = yaml.safe_load(read_text(profile))
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        try:
            opened = api.workflow(
                ResourceSettings(cores=1),
                ConfigSettings(
                    config=parse_config(config), configfiles=list(configfiles), config_args=config
                ),
                snakefile=ROOT / "Snakefile",
                workdir=folder,
            )
            triggers = RerunTrigger.parse_choices_set(said["rerun-triggers"])
            opened.dag(
                DAGSettings(
                    force_incomplete=True,
                    rerun_triggers=triggers,
                    max_checksum_file_size=said["max-checksum-file-size"],
                )
            )
            workflow = opened._workflow
            # As Snakemake's own inquiries (`--summary`) do it.
            workflow._prepare_dag(forceall=False, ignore_incomplete=False, lock_warn_only=False)
            workflow._build_dag()
        except WorkflowError as error:
            cause = unwrapped(error)  # the Snakefile calls `tell_plainly`
            if isinstance(cause, StudyError):
                raise cause from None
            raise StudyError(f"Snakemake cannot plan this study: {error}") from None
        yield Plan(workflow)
