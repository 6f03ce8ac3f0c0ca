"""Keeping results across an update: accepting those whose only reason to run again is code.

Snakemake plans the study. What it would run for code alone is planned again, as if the present code
had made it. What then is not to be run is kept: neither parameters nor inputs have changed, and
nothing that it rests on is made anew. All else runs, as a dry run says.
"""

import atexit
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sftstudy.errors import StudyError
from sftstudy.files.repository import ROOT
from sftstudy.pages.columns import aligned
from sftstudy.records import kept
from sftstudy.records.lineage import Lineage
from sftstudy.run import holders, hooks
from sftstudy.run.code import is_code_version
from sftstudy.run.snakemake_internals.plan import Plan, PlannedJob, planned
from sftstudy.run.snakemake_internals.run import FOLDER
from sftstudy.run.stages import CHECKPOINTS

PROFILE = ROOT / "profiles/local/config.yaml"  # all profiles say the same of what reruns a job
TELLING = "kept"  # name of the input by which a rule says that it tells what was kept
NO_RECORD = "code has changed, and no record says which code made it"


@dataclass(frozen=True)
class Outcome:
    """What becomes of the jobs of a study that were to be run."""

    kept: list[str]  # their rules, a job each; so below
    spared: list[str]  # they would have run after those only
    run: list[tuple[str, str]]  # and why


def keep_results(
    configfiles: Iterable[Path],
    config: list[str],
    folder: Path,
    root: str,
    accept: Callable[[Path], None],
    dry: bool,
) -> Outcome:
    """Keep what can be kept of a study, unless `dry`.

    The first three are ``--configfile``, ``--config`` and ``--directory``, `root` is the folder of
    the study's results. `accept` is called for the first output of each kept job, so that what lies
    beside it and tells versions (a journal) is kept with it. What lies behind a checkpoint of
    Snakemake is looked at where that need not run. Raises `StudyError` while Snakemake runs in this
    folder.
    """
    _refuse_beside_another(folder / FOLDER)
    with planned(configfiles, config, folder, PROFILE) as plan:
        atexit.unregister(hooks.at_exit)  # which the Snakefile asks for: this is no run
        if dry:
            return _kept(plan, Path(root), accept, dry)
        with _alone(plan):
            return _kept(plan, Path(root), accept, dry)


def _kept(plan: Plan, results: Path, accept: Callable[[Path], None], dry: bool) -> Outcome:
    records = Lineage(results).records
    due, stay, unrecorded = _settled(plan, records)
    if stay and not dry:
        versions = {output: _versions(job) for job in stay for output in job.outputs}
        kept.add(results, records, versions)
        for job in stay:
            accept(Path(job.outputs[0]))
        plan.record(stay)  # last: killed in between, they run, and end what was written of them
    outcome = Outcome([], [], [])
    for job in plan.jobs():
        why = plan.why(job)
        if job in stay:
            outcome.kept.append(job.rule)
        elif stay and TELLING in job.inputs:
            outcome.run.append((job.rule, "it tells what was kept"))
        elif why:
            outcome.run.append((job.rule, NO_RECORD if job in unrecorded else why))
        elif job.outputs in due:
            outcome.spared.append(job.rule)
    return outcome


def _settled(
    plan: Plan, records: Container[str]
) -> tuple[set[tuple[str, ...]], set[PlannedJob], set[PlannedJob]]:
    """Return the outputs of jobs that were to be run, and of these the jobs that stay, and those
    that would if they were recorded; the plan is then that of the others.

    What lies behind a checkpoint that stays is looked at once that is known, so in rounds.
    """
    due: set[tuple[str, ...]] = set()
    accepted: set[PlannedJob] = set()
    unrecorded: set[PlannedJob] = set()
    more = True
    while more:
        found = {job for job in plan.jobs() if plan.why(job)}
        due |= {job.outputs for job in found}
        for_code = {job for job in found if _is_for_code_alone(job)}
        unrecorded |= {job for job in for_code if not all(out in records for out in job.outputs)}
        accepted = (accepted | for_code - unrecorded) & set(plan.jobs())
        plan.accept(accepted)
        more = plan.extend()
    return due, {job for job in accepted if plan.why(job) is None}, unrecorded


def _is_for_code_alone(job: PlannedJob) -> bool:
    """Return whether a job's own reasons to run are another version of its code, or its command."""
    changed = job.before | job.now
    return (
        (bool(changed) or job.command_changed)
        and all(map(is_code_version, changed))
        and any(map(is_code_version, job.parameters))
        and not job.inputs_changed
        and job.is_recorded
        and TELLING not in job.inputs
    )


def _versions(job: PlannedJob) -> tuple[str, str]:
    """Return the versions of a job's code that made its outputs, and that would make them now."""
    now = next(filter(is_code_version, job.parameters))
    return ", ".join(sorted(job.before)) or now, now


def _refuse_beside_another(folder: Path) -> None:
    if holders.is_locked(folder):
        raise StudyError(f"nothing was kept: Snakemake runs here. {holders.holders(folder)}")


@contextmanager
def _alone(plan: Plan) -> Iterator[None]:
    """Keep Snakemake from running while the block does; its users are told who holds the lock."""
    folder = plan.run.folder
    _refuse_beside_another(folder)
    holders.begin(folder)
    try:
        with plan.locked():
            yield
    finally:
        holders.end(folder)


def table(outcome: Outcome) -> str:
    """Return, rule by rule, how many jobs were kept and how many run, and why."""
    kept_jobs, run = Counter(outcome.kept), Counter(rule for rule, _ in outcome.run)
    rules = sorted({*kept_jobs, *run})
    rows = [(rule, f"{kept_jobs[rule]:,}", f"{run[rule]:,}") for rule in rules]
    why = [_told(Counter(why for name, why in outcome.run if name == rule)) for rule in rules]
    lines = aligned([("rule", "kept", "to run"), *rows])
    lines[1:] = [f"{line}  {text}".rstrip() for line, text in zip(lines[1:], why, strict=True)]
    if outcome.spared:
        lines.append(f"{len(outcome.spared):,} more need not run: what they rest on stays.")
    if any(run[rule] for rule in CHECKPOINTS):
        lines.append("Replicates of a choice that is made again are not counted: it may change.")
    return "\n".join(lines if rules else ["Nothing would run."])


def _told(reasons: Counter[str]) -> str:
    several = len(reasons) > 1
    return "; ".join(f"{why} ({n:,})" if several else why for why, n in reasons.items())
