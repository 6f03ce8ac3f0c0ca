"""How far a study is, read from the files that it has made so far; nothing is asked or started.

A job is

- *done* when its outputs are there and Snakemake has not marked them as begun;
- *running* when Snakemake has marked them as begun and holds its lock (on a cluster this includes
  waiting in the queue). A killed Snakemake leaves its lock behind: until the next run or
  ``snakemake --unlock`` its jobs are shown as running, which an old time of the log gives away;
- *failed* when it has written a log, but is neither done nor running;
- *missing* when it has not begun.

A row of the table is a trial, or a student as published, with all jobs that belong to it. It is
failed or running if one of its jobs is, and done when all of them are.
"""

import base64
import binascii
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from sftstudy.documents.metrics import read_headline
from sftstudy.pages.columns import aligned, widths
from sftstudy.records.lineage import Lineage
from sftstudy.study.grid import Study
from sftstudy.study.jobs import judgements
from sftstudy.study.layout import Layout
from sftstudy.study.variants import BASE, task_of, trial_of

State = Literal["failed", "running", "missing", "done"]
STATES: tuple[State, ...] = ("failed", "running", "missing", "done")  # the first found is a row's
REPORTED: tuple[State, ...] = ("done", "running", "failed", "missing")
BAR_WIDTH = 40
NOTE_WIDTH = 60
PROBLEMS_SHOWN = 20


@dataclass(frozen=True)
class Job:
    """The outputs of a job and what it prints."""

    outputs: tuple[Path, ...]
    log: Path


@dataclass(frozen=True)
class Row:
    """One line of the table. `score` and `baseline` are of the primary metric on val."""

    student: str
    task: str
    trial: str
    states: tuple[State, ...]  # of its jobs, in the order in which they run
    score: str
    baseline: str
    note: str

    @property
    def state(self) -> State:
        """The state of the row."""
        return next(state for state in STATES if state in self.states)


def rows(study: Study, folder: Path) -> Iterator[Row]:
    """Yield a row per student as published and per trial; `folder` is where Snakemake runs."""
    running = _begun(folder / ".snakemake")
    results = Layout(folder / study.root)
    for student in study.students:
        for variant in study.variants(student):
            found = jobs(study, student, variant, results)
            states = tuple(_state(job, running, folder) for job in found)
            task, trial = task_of(variant), trial_of(variant)
            score, baseline = (
                _score(results.metrics(student, each, f"{task}.val")) if trial else ""
                for each in (variant, BASE)
            )
            yield Row(
                student,
                task,
                trial or BASE,
                states,
                score,
                baseline=baseline.partition(" [")[0],
                note=_note(found, states),
            )


def jobs(study: Study, student: str, variant: str, results: Layout) -> list[Job]:
    """Return the jobs of a variant in the order in which they run, as the rules declare them."""
    select = "select" if variant == BASE else f"{task_of(variant)}.select"
    suites = {
        select: study.select_evalsets(variant),
        "controls": study.controls,
        "confirm": study.confirm_evalsets,
    }
    found = [_job(results, results.checkpoint(student, variant))]
    for suite, evalsets in suites.items():
        replies = tuple(results.predictions(student, variant, each) for each in evalsets)
        log = results.log(results.predictions(student, variant, suite))
        found += [Job(replies, log)] if replies else []
    for control in study.controls:
        for stage in ("questions", "replies") if judgements(study, control) else ():
            found.append(_job(results, results.judgements(student, variant, control, stage)))
    for evalset in study.evalsets(variant):
        found.append(_job(results, results.metrics(student, variant, evalset)))
    return found


def _job(results: Layout, output: Path) -> Job:
    return Job((output,), results.log(output))


def table(found: list[Row]) -> str:
    """Return the rows as aligned text, with a progress bar and counts below."""
    header = ("student", "task", "trial", "state", "jobs", "val score", "baseline", "")
    lines: list[tuple[str, ...]] = [header]
    for row in found:
        done = f"{row.states.count('done')}/{len(row.states)}"
        where = (row.student, row.task, row.trial)
        lines.append((*where, row.state, done, row.score, row.baseline, row.note))
    text = aligned(lines, left=len(header))
    rule = "  ".join("-" * width for width in widths(lines)[:-1])
    return "\n".join([text[0], rule, *text[1:], "", bar(found)])


def attention(study: Study, folder: Path) -> str:
    """Return the files that are edited or stale, one a line; empty where there is none."""
    outputs = [
        output.as_posix()
        for student in study.students
        for variant in study.variants(student)
        for job in jobs(study, student, variant, Layout(Path(study.root)))
        for output in job.outputs
    ]
    problems = Lineage(folder / study.root, folder).problems(outputs)
    if not problems:
        return ""
    lines = [f"  {problem.file}: {problem.reason}" for problem in problems[:PROBLEMS_SHOWN]]
    if len(problems) > PROBLEMS_SHOWN:
        lines.append(f"  and {len(problems) - PROBLEMS_SHOWN:,} more")
    head = f"{len(problems):,} files are not what their jobs made of what is there now"
    return "\n".join([f"{head} (make explain FILE=...):", *lines])


def bar(found: list[Row]) -> str:
    """Return one line: how many jobs are done, and how many trials are in which state."""
    states = [state for row in found for state in row.states]
    done = states.count("done")
    filled = BAR_WIDTH * done // len(states)
    trials = Counter(row.state for row in found if row.task)
    counts = ", ".join(f"{trials[state]} {state}" for state in REPORTED)
    return (
        f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {done:,} of {len(states):,} jobs; "
        f"{trials.total():,} trials: {counts}"
    )


def _begun(snakemake: Path) -> set[str]:
    """Return the outputs that a run of Snakemake has begun; none while no run holds the lock.

    A marker's name is the output's path in URL-safe base64, which continues in folders named
    ``@...`` where it is too long for a file name (snakemake.persistence.file, 9.27).
    """
    if not any((snakemake / "locks").glob("*.lock")):
        return set()
    folder = snakemake / "incomplete"
    markers = (file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    names = ("".join(part.removeprefix("@") for part in marker.parts) for marker in markers)
    return {_decoded(name) for name in names}


def _decoded(name: str) -> str:
    try:
        return base64.urlsafe_b64decode(name).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""  # another file of Snakemake's, no marker


def _state(job: Job, begun: set[str], folder: Path) -> State:
    if any(output.relative_to(folder).as_posix() in begun for output in job.outputs):
        return "running"
    if all(output.exists() for output in job.outputs):
        return "done"
    return "failed" if job.log.exists() else "missing"


def _score(file: Path) -> str:
    """Return the primary metric with its interval, or nothing where it is not there yet."""
    if not file.is_file():
        return ""
    document = read_headline(file)
    primary = document["metrics"][document["primary"]]
    if primary["value"] is None:
        return f"{document['primary']} -"
    interval = f"[{primary['low']:.3f}, {primary['high']:.3f}]"
    return f"{document['primary']} {primary['value']:.3f} {interval}"


def _note(found: list[Job], states: tuple[State, ...]) -> str:
    """Return which job failed (its log), or what the first running one printed last, and when."""
    for state in ("failed", "running"):
        if state in states:
            job = found[states.index(state)]
            return str(job.log) if state == "failed" else _last_line(job.log)
    return ""


def _last_line(log: Path) -> str:
    if not log.is_file():
        return "has printed nothing yet"
    with log.open("rb") as handle:
        handle.seek(max(0, log.stat().st_size - 4096))
        lines = handle.read().decode(errors="replace").split("\n")
    text = next((line for line in reversed(lines) if line.strip()), "")
    text = "".join(c if c.isprintable() else " " for c in text).strip()
    age = timedelta(seconds=max(0, round(time.time() - log.stat().st_mtime)))
    return f"{text[:NOTE_WIDTH]} ({age} ago)"
