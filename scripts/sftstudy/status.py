"""How far a study is, read from the files that it has made so far; nothing is asked or started.

A job is

- *done* when its outputs are there and Snakemake has not marked them as begun;
- *running* when Snakemake has marked them as begun and holds its lock (on a cluster this includes
  waiting in the queue). A killed Snakemake leaves its lock behind: until the next run or
  ``snakemake --unlock`` its jobs are shown as running, which an old time of the log gives away;
- *failed* when it has written a log, but is neither done nor running;
- *waiting* when it has not begun.

A row is a trial, a replicate, or a student as published, with all jobs that belong to it. Rows, and
students, are failed or running if one of their jobs is, done when all are, and *partly* done when
some are.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal

from sftstudy.costs.left import mean_seconds, time_left
from sftstudy.documents.choice import read_choice
from sftstudy.documents.metrics import read_headline
from sftstudy.errors import StudyError
from sftstudy.pages.columns import aligned, widths
from sftstudy.pages.numbers import MISSING, counted, percent
from sftstudy.records.lineage import Lineage
from sftstudy.run.snakemake_internals.run import FOLDER, begun
from sftstudy.study.faults import did_you_mean
from sftstudy.study.grid import Study
from sftstudy.study.jobs import judgements
from sftstudy.study.layout import Layout
from sftstudy.study.names import trial_and_number
from sftstudy.study.targets import replicates_to_come
from sftstudy.study.variants import BASE, task_of, trial_of

State = Literal["done", "running", "failed", "waiting"]
RowState = Literal["done", "partly", "running", "failed", "waiting"]
STATES: tuple[RowState, ...] = ("done", "running", "partly", "failed", "waiting")
STAGES = ("train", "predict", "score")
BAR_WIDTH = 40
NOTE_WIDTH = 160
RUNNING_SHOWN = 5
PROBLEMS_SHOWN = 20
COUNTED = (
    "A job is one training, one suite of replies, or one score (a cell). Snakemake's steps are\n"
    "these and those that make data, recipes and the report."
)


@dataclass(frozen=True)
class Job:
    """A job of a variant: what it makes and where it prints.

    `kind` names what takes about as long for one student: ``base``, ``train``, a suite, ``score``.
    """

    stage: str
    kind: str
    outputs: tuple[Path, ...]
    log: Path
    record: Path


@dataclass(frozen=True)
class Score:
    """The primary metric of an eval set; None where no row could be measured."""

    metric: str
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Row:
    """A trial, a replicate, or a student as published.

    Scores are those on val of the task, where there are.
    """

    student: str
    task: str
    trial: str
    jobs: tuple[Job, ...]  # in the order in which they run
    states: tuple[State, ...]  # of these
    score: Score | None
    baseline: Score | None  # of the student as published

    @property
    def state(self) -> RowState:
        """The state of the row."""
        return together(self.states)

    def those(self, state: State) -> list[Job]:
        """Return its jobs in this state."""
        return [job for job, found in zip(self.jobs, self.states, strict=True) if found == state]


def together(states: Sequence[State]) -> RowState:
    """Return the state of what has jobs in these states."""
    if "failed" in states:
        return "failed"
    if "running" in states:
        return "running"
    if "waiting" not in states:
        return "done"
    return "partly" if "done" in states else "waiting"


def rows(study: Study, folder: Path) -> Iterator[Row]:
    """Yield a row per student as published, per trial and, once something is chosen, per replicate.

    `folder` is where Snakemake runs.
    """
    running = begun(folder / FOLDER)
    results = Layout(folder / study.root)
    for student in study.students:
        base = {task: _score(results.metrics(student, BASE, f"{task}.val")) for task in study.tasks}
        for variant in (*study.variants(student), *_replicates(study, student, results)):
            found = tuple(jobs(study, student, variant, results))
            task, trial = task_of(variant), trial_of(variant)
            yield Row(
                student,
                task,
                trial or BASE,
                found,
                tuple(_state(job, running, folder) for job in found),
                _score(results.metrics(student, variant, f"{task}.val")) if trial else None,
                base.get(task),
            )


def _replicates(study: Study, student: str, results: Layout) -> list[str]:
    """Return the replicates of a student: none before its configuration is chosen."""
    file = results.choice(student)
    if not study.replicates or not file.is_file():
        return []
    return study.replicates_of(read_choice(file, enter=False)["chosen"])


def of_student(found: list[Row], student: str) -> list[Row]:
    """Return the rows of one student.

    Raises:
        StudyError: if the study has none of that name.
    """
    students = dict.fromkeys(row.student for row in found)
    if student not in students:
        raise StudyError(
            f"{student!r} is no student of this study; it has {', '.join(students)}."
            f"{did_you_mean(student, students)}"
        )
    return [row for row in found if row.student == student]


def jobs(study: Study, student: str, variant: str, results: Layout) -> list[Job]:
    """Return the jobs of a variant in the order in which they run, as the rules declare them."""
    select = "select" if variant == BASE else f"{task_of(variant)}.select"
    suites = {
        "select": (select, study.select_evalsets(variant)),
        "controls": ("controls", study.own_controls),
        "confirm": ("confirm", study.confirm_evalsets),
        **{control: (control, [control]) for control in study.lm_eval_controls},
    }

    def job(stage: str, kind: str, output: Path) -> Job:
        return Job(stage, kind, (output,), results.log(output), results.record(output))

    checkpoint = results.checkpoint(student, variant)
    of_base = ("data", "base", checkpoint)
    found = [job(*of_base) if variant == BASE else job("train", "train", checkpoint)]
    for kind, (suite, evalsets) in suites.items():
        replies = tuple(results.predictions(student, variant, each) for each in evalsets)
        place = results.predictions(student, variant, suite)
        if replies:
            found.append(Job("predict", kind, replies, results.log(place), results.record(place)))
    for control in study.controls:
        for stage in ("questions", "replies") if judgements(study, control) else ():
            judged = results.judgements(student, variant, control, stage)
            found.append(job("predict", f"judge's {stage}", judged))
    for evalset in study.evalsets(variant):
        found.append(job("score", "score", results.metrics(student, variant, evalset)))
    return found


def overview(found: list[Row]) -> str:
    """Return one line per student: its state, the jobs done of each stage, its scores on val."""
    tasks = list(dict.fromkeys(row.task for row in found if row.task))
    header = ("student", "state", *STAGES, *tasks)
    lines: list[tuple[str, ...]] = [header]
    for student in dict.fromkeys(row.student for row in found):
        mine = [row for row in found if row.student == student]
        state = together([state for row in mine for state in row.states])
        counts = (_count(mine, stage) for stage in STAGES)
        lines.append((student, state, *counts, *(_best(mine, task) for task in tasks)))
    told = (
        f"{', '.join(STAGES)}: jobs done, of all. Tasks: the best trial's score on val so far, in "
        "percent\n(and the untuned student's)."
    )
    return "\n".join([*_ruled(lines), "", told])


def table(found: list[Row]) -> str:
    """Return one line per trial and per student as published."""
    lines: list[tuple[str, ...]] = [
        ("student", "task", "trial", "state", "jobs done", "val score, %", "baseline", "")
    ]
    for row in found:
        done = f"{row.states.count('done')} of {len(row.states)}"
        running = row.those("running")
        note = _last_line(running[0].log) if running else ""
        score = _interval(row.score) if row.score else ""
        baseline = _percent(row.baseline) if row.trial != BASE else ""
        lines.append((row.student, row.task, row.trial, row.state, done, score, baseline, note))
    return "\n".join(_ruled(lines))


def listing(found: list[Row], folder: Path) -> str:
    """Return the jobs that failed, and the first of those that run: their logs and last lines."""
    parts = []
    for state, shown in (("failed", PROBLEMS_SHOWN), ("running", RUNNING_SHOWN)):
        those = [job for row in found for job in row.those(state)]  # type: ignore[arg-type]
        lines = [f"  {job.log.relative_to(folder)}: {_last_line(job.log)}" for job in those]
        if len(lines) > shown:
            lines[shown:] = [f"  and {len(those) - shown:,} more"]
        if lines:
            head = f"{counted(len(those), 'job')} {state}; what each has printed last:"
            parts.append("\n".join([head, *lines]))
    return "\n".join(parts)


def attention(study: Study, folder: Path) -> str:
    """Return the files that are edited or stale, one a line; empty where there is none."""
    outputs = [
        output.as_posix()
        for student in study.students
        for variant in (
            *study.variants(student),
            *_replicates(study, student, Layout(folder / study.root)),
        )
        for job in jobs(study, student, variant, Layout(Path(study.root)))
        for output in job.outputs
    ]
    results = Layout(Path(study.root))
    outputs += [
        file.as_posix()
        for file in map(results.recommendation, study.students)
        if (folder / file).exists()
    ]
    problems = Lineage(folder / study.root, folder).problems(outputs)
    if not problems:
        return ""
    lines = [f"  {problem.file}: {problem.reason}" for problem in problems[:PROBLEMS_SHOWN]]
    if len(problems) > PROBLEMS_SHOWN:
        lines.append(f"  and {len(problems) - PROBLEMS_SHOWN:,} more")
    head = f"{len(problems):,} files are not what their jobs made of what is there now"
    return "\n".join([f"{head} (make explain FILE=...):", *lines])


def report(study: Study, folder: Path) -> str:
    """Return where the study's report is, or that there is none yet."""
    page = Layout(Path(study.root)).report
    made = "" if (folder / page).exists() else ": not made yet, or taken away by a run that failed"
    return f"Report: {page}{made}"


def to_come(study: Study, folder: Path) -> str:
    """Return which trainings are not among the jobs, since nothing is chosen; empty if none."""
    results = Layout(folder / study.root)
    return replicates_to_come(study, [s for s in study.students if not results.choice(s).is_file()])


def summary(found: list[Row]) -> str:
    """Return how many jobs are done, how many trials are in which state, and the time left."""
    states = [state for row in found for state in row.states]
    done = states.count("done")
    filled = BAR_WIDTH * done // len(states)
    trials = Counter(row.state for row in found if row.task)
    replicated = any(trial_and_number(row.trial)[1] for row in found)
    replicates = " and replicates" if replicated else ""
    counts = ", ".join(f"{trials[state]:,} {state}" for state in STATES if trials[state])
    lines = [
        f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {done:,} of {len(states):,} jobs done; "
        f"{trials.total():,} trials{replicates}: {counts}",
        COUNTED,
    ]
    if done < len(states):
        lines.append(_time_left(found))
    return "\n".join(lines)


def _time_left(found: list[Row]) -> str:
    """Fetching students is left out: it takes as long as the network does."""
    records, left = defaultdict(list), Counter[tuple[str, str]]()
    for row in found:
        for job, state in zip(row.jobs, row.states, strict=True):
            if state == "done":
                records[row.student, job.kind].append(job.record)
            elif job.stage in STAGES:
                left[row.student, job.kind] += 1
    running = sum(row.states.count("running") for row in found)
    return time_left(left, mean_seconds({kind: records[kind] for kind in left}), running)


def _state(job: Job, running: set[str], folder: Path) -> State:
    if any(output.relative_to(folder).as_posix() in running for output in job.outputs):
        return "running"
    if all(output.exists() for output in job.outputs):
        return "done"
    return "failed" if job.log.exists() else "waiting"


def _count(found: list[Row], stage: str) -> str:
    states = [
        state
        for row in found
        for job, state in zip(row.jobs, row.states, strict=True)
        if job.stage == stage
    ]
    return f"{states.count('done'):,} of {len(states):,}"


def _best(found: list[Row], task: str) -> str:
    """Return the best score of a student on a task, and the untuned student's in brackets."""
    mine = [row for row in found if row.task == task]
    scores = [row.score for row in mine if row.score and row.score.value is not None]
    best = max(scores, key=lambda score: score.value or 0, default=None)
    baseline = _percent(mine[0].baseline) if mine else ""
    return " ".join(filter(None, [_percent(best), f"({baseline})" if baseline else ""]))


def _score(file: Path) -> Score | None:
    """Return the primary metric with its interval; None where it is not there yet."""
    if not file.is_file():
        return None
    document = read_headline(file)
    primary = document["metrics"][document["primary"]]
    return Score(document["primary"], primary["value"], primary["low"], primary["high"])


def _percent(score: Score | None) -> str:
    return percent(score.value) if score else ""


def _interval(score: Score) -> str:
    if score.value is None:
        return f"{score.metric} {MISSING}"
    return f"{score.metric} {percent(score.value)} [{percent(score.low)}, {percent(score.high)}]"


def _ruled(lines: list[tuple[str, ...]]) -> list[str]:
    """Return lines of aligned columns with a rule below the first."""
    text = aligned(lines, left=len(lines[0]))
    rule = "  ".join("-" * width for width in widths(lines) if width)
    return [text[0], rule, *text[1:]]


def _last_line(log: Path) -> str:
    if not log.is_file():
        return "has printed nothing yet"
    with log.open("rb") as handle:
        handle.seek(max(0, log.stat().st_size - 4096))
        lines = handle.read().decode(errors="replace").split("\n")
    text = next((line for line in reversed(lines) if line.strip()), "")
    text = "".join(c if c.isprintable() else " " for c in text).strip()
    age = timedelta(seconds=max(0, round(time.time() - log.stat().st_mtime)))
    if len(text) > NOTE_WIDTH:  # what is wrong stands at the end, behind the file's name
        text = f"… {text[-NOTE_WIDTH:]}"
    return f"{text} ({age} ago)"
