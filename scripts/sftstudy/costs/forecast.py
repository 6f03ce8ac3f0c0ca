"""What a study will need: counted from its study file, timed by limits and by past runs."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from sftstudy.costs.judge_jobs import JudgeJob, judge_hours, judge_jobs
from sftstudy.costs.measured import ON_CPU, Cost, costs, unit_of
from sftstudy.pages.columns import aligned
from sftstudy.study import jobs
from sftstudy.study.grid import Study
from sftstudy.study.names import trial_and_number
from sftstudy.study.variants import trial_of

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
STATE_BYTES = 12  # per parameter of a saved training state: float32 weights and AdamW's two moments
MEASURED = 1 - 1e-9  # share of the jobs from which on nothing of a sum rests on limits


@dataclass(frozen=True)
class Forecast:
    """One student. Hours are of GPUs, or of processes where the student computes on the CPU.

    `expected_hours` takes what past jobs measured where there is any, for the share `measured` of
    the jobs, and the limit for the others. Of the `predictions`, so many `judgements` ask the
    judge. `disk` and `state` are bytes of all checkpoints and of one running training's saved
    state, None where the student's size is not known.
    """

    student: str
    trainings: int
    predictions: int
    judgements: int
    limit_hours: float
    expected_hours: float
    measured: float
    disk: int | None
    state: int | None


def forecasts(study: Study, folder: Path, past: Iterable[Path] = ()) -> Iterator[Forecast]:
    """Yield one forecast per student; `folder` is where Snakemake runs."""
    known, judged = past_costs(study, folder, past), judge_jobs(study, folder)
    for student in study.students:
        yield forecast(study, student, known, judged)


def past_costs(study: Study, folder: Path, past: Iterable[Path] = ()) -> list[Cost]:
    """Return what past jobs have cost, those of the study's own folder first."""
    return [cost for root in (folder / study.root, *past) for cost in costs(root)]


def forecast(
    study: Study, student: str, known: Sequence[Cost], judged: Sequence[JudgeJob]
) -> Forecast:
    """Return the forecast of one student, by the `known` costs of past jobs.

    `judged` are the jobs that ask the judge about each variant.
    """
    facts = study.student(student)
    trials = [(task, trial) for task in study.tasks for trial in study.trials(student, task)]
    replicates = study.replicates * len(study.tasks)
    suites = _suites(study, student, replicates)
    asked = len(study.variants(student)) + replicates  # variants that the judge is asked about
    mine = [cost for cost in known if cost.student == student and cost.kind != "judge"]
    hours = [_training_hours(study, student, task, trial, mine) for task, trial in trials]
    hours += _replicate_hours(study, trials, hours)
    hours += [prediction_hours(study, suite, mine) for suite in suites]
    hours += [judge_hours(study, job, known) for job in judged] * asked
    limits = [facts["hours"] * max(1, facts["gpus"])] * (len(trials) + replicates)
    limits += [_prediction_limit(study, student, suite) for suite in suites]
    limits += [_judge_limit(study) for _ in judged] * asked
    size = facts["size"]["parameters"] if "size" in facts else None
    checkpoint = None if size is None else size * BYTES[facts["dtype"]]
    return Forecast(
        student,
        trainings=len(trials) + replicates,
        predictions=len(suites) + len(judged) * asked,
        judgements=len(judged) * asked,
        limit_hours=sum(limits),
        expected_hours=sum(
            limit if measured is None else measured
            for measured, limit in zip(hours, limits, strict=True)
        ),
        measured=sum(measured is not None for measured in hours) / len(hours),
        disk=None if checkpoint is None else checkpoint * (1 + len(trials) + replicates),
        state=None if size is None else size * STATE_BYTES,
    )


def _suites(study: Study, student: str, replicates: int) -> list[str]:
    """Return the suite of each prediction job; a replicate has no `select`."""
    confirm = [*(["controls"] if study.own_controls else []), "confirm", *study.lm_eval_controls]
    return ["select", *confirm] * len(study.variants(student)) + confirm * replicates


def _prediction_limit(study: Study, student: str, suite: str) -> float:
    of_lm_eval = suite in study.lm_eval_controls
    facts = (jobs.lm_eval_facts if of_lm_eval else jobs.predict_facts)(study, student)
    return float(facts["hours"] * max(1, facts["gpus"]))


def _judge_limit(study: Study) -> float:
    assert study.judge is not None, "only asked of a study with a judge"
    facts = jobs.predict_facts(study, study.judge)
    return float(facts["hours"] * max(1, facts["gpus"]))


def _replicate_hours(
    study: Study, trials: list[tuple[str, str]], hours: list[float | None]
) -> list[float | None]:
    """Return what each replicate takes: the mean of its task's trials, `hours`, one of which it is.

    None where these are not known.
    """
    by_task: dict[str, list[float | None]] = {}
    for (task, _), each in zip(trials, hours, strict=True):
        by_task.setdefault(task, []).append(each)
    means = [
        None if None in of_task else fmean(filter(None, of_task)) for of_task in by_task.values()
    ]
    return means * study.replicates


def _training_hours(
    study: Study, student: str, task: str, trial: str, known: list[Cost]
) -> float | None:
    """Return the mean of the student's trainings on the task, scaled by epochs; None if there are
    none. Batch sizes are not told apart."""
    per_epoch = [
        cost.gpu_seconds / _epochs(study, student, *cost.variant.split("/"))
        for cost in known
        if cost.kind == "train"
        and cost.variant.startswith(f"{task}/")
        and trial_and_number(trial_of(cost.variant))[0] in study.trials(student, task)
    ]
    return fmean(per_epoch) * _epochs(study, student, task, trial) / 3600 if per_epoch else None


def _epochs(study: Study, student: str, task: str, trial: str) -> float:
    name, _ = trial_and_number(trial)  # of a replicate, perhaps one that is asked for no more
    return float(jobs.recipe(study, student, task, name)["training"]["num_train_epochs"])


def prediction_hours(study: Study, suite: str, known: Sequence[Cost]) -> float | None:
    """Return the mean of the student's predictions of the suite; None if there are none."""
    seconds = [
        cost.gpu_seconds * _more_replies(study, cost)
        for cost in known
        if cost.kind == "predict" and cost.suite == suite
    ]
    return fmean(seconds) / 3600 if seconds else None


def _more_replies(study: Study, cost: Cost) -> float:
    """Return how many times the tokens of a past prediction all replies of this study will take.

    A prompt is read once, and each of its replies is written. Without a note of that (of an older
    version) it is once.
    """
    if not cost.facts.get("computed_tokens"):
        return 1.0
    tokens = 0.0
    for told in cost.facts["evalsets"]:
        name = told["evalset"].partition(".")[0]
        now = told["replies_to_each"]
        if name in (*study.tasks, *study.controls):
            decoding = jobs.decoding(study, name)
            now = decoding["samples"] if decoding else 1
        written = told["completion_tokens"] * now / told["replies_to_each"]
        tokens += told["prompt_tokens"] + written
    return tokens / float(cost.facts["computed_tokens"])


def table(study: Study, found: list[Forecast]) -> str:
    """Return one line per student, the sums, and what they rest on."""
    judgements = sum(f.judgements for f in found)
    judge = [study.judge] if study.judge and judgements else []
    units = {student: _unit(study, student) for student in [*study.students, *judge]}
    limit = f"{unit_of(units.values())} h at most"
    rows: list[tuple[str, ...]] = [
        ("student", "train", "predict", limit, "expected", "measured", "disk")
    ]
    rows += [_row(forecast) for forecast in found]
    sums = Forecast(
        "total",
        trainings=sum(f.trainings for f in found),
        predictions=sum(f.predictions for f in found),
        judgements=judgements,
        limit_hours=sum(f.limit_hours for f in found),
        expected_hours=sum(f.expected_hours for f in found),
        measured=fmean(f.measured for f in found),
        disk=sum(disks) if (disks := [f.disk for f in found if f.disk is not None]) else None,
        state=max((f.state for f in found if f.state is not None), default=None),
    )
    lines = aligned([*rows, _row(sums)])
    lines += [
        "",
        f"{study.root}: train and predict are jobs; measured is the share of them for which past "
        "jobs of the",
        "same student were found, and expected takes their mean time (per epoch, per suite) and "
        "else the limit",
        "`hours`. disk is the base and all checkpoints in the student's dtype, if all are kept.",
    ]
    if judge:
        lines.append(
            f"{judgements:,} of predict ask the judge, {judge[0]}: for these, past jobs about any "
            "student's replies\ncount, by the number of questions."
        )
    if sums.state is not None:
        lines.append(
            f"Each running training also holds saved states of up to {_bytes(sums.state)}, twice "
            "while one\nreplaces another."
        )
    if "CPU" in units.values():
        lines.append(ON_CPU)
    unknown = [f.student for f in found if f.disk is None]
    if unknown:
        lines.append(f"Not in disk, for want of `size` in the catalog: {', '.join(unknown)}.")
    return "\n".join(lines)


def _unit(study: Study, student: str) -> str:
    return "GPU" if study.student(student)["gpus"] else "CPU"


def _row(f: Forecast) -> tuple[str, ...]:
    return (
        f.student,
        str(f.trainings),
        str(f.predictions),
        f"{f.limit_hours:,.1f}",
        f"{f.expected_hours:,.1f}" if f.measured else "-",
        "all" if f.measured > MEASURED else f"{f.measured:.0%}",
        "unknown" if f.disk is None else _bytes(f.disk),
    )


def _bytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB"
