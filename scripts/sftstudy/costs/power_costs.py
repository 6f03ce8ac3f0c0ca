"""What more replies, prompts and replicates cost: tokens, and hours where they are known."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sftstudy.costs.eval_sizes import eval_rows
from sftstudy.costs.forecast import MEASURED, forecast, prediction_hours
from sftstudy.costs.judge_jobs import JudgeJob, judge_hours, judge_jobs
from sftstudy.costs.measured import Cost
from sftstudy.study import jobs
from sftstudy.study.grid import Study

JUDGE = "judge"  # beside the suites: what a judge answers about replies


@dataclass(frozen=True)
class Cell:
    """What is asked for: so many times the prompts, replies to each, and replicates.

    No `replies` are as many as the study file says of each eval set.
    """

    times: int = 1
    replies: int | None = None
    replicates: int = 0


@dataclass(frozen=True)
class Replied:
    """An eval set that variants of a student reply to.

    `tokens` are those of a reply to each row of it by one variant, at most, and `variants` say how
    many there are without replicates. With each replicate there are `again` more. More prompts are
    asked where `grows`, several times where `sampled`; `samples` says how often now.
    """

    suite: str
    tokens: int
    variants: int
    again: int
    grows: bool
    sampled: bool
    samples: int

    def of(self, cell: Cell) -> int:
        """Return the most tokens of replies."""
        variants = self.variants + self.again * cell.replicates
        replies = self.samples if cell.replies is None else cell.replies
        times = (cell.times if self.grows else 1) * (replies if self.sampled else 1)
        return self.tokens * variants * times


def replied(study: Study, student: str, folder: Path) -> list[Replied]:
    """Return what a student's variants reply to, and a judge about them; `folder` is where
    Snakemake runs."""
    found, variants, tasks = [], study.variants(student), len(study.tasks)
    for name in study.tasks + study.controls:
        block = study.catalog["tasks"].get(name) or study.catalog["controls"][name]
        one = jobs.max_new_tokens(study, name) if "max_new_tokens" in block else 1
        rows = eval_rows(study, folder, name).n
        sampled, samples = "lm_eval" not in block, block.get("samples", 1)
        suite = "controls" if name in study.own_controls else "confirm"
        suite = name if name in study.lm_eval_controls else suite
        found.append(Replied(suite, one * rows, len(variants), tasks, True, sampled, samples))
        if name in study.tasks:
            count = min(block["split"]["val"], study.config["limit"] or block["split"]["val"])
            asked = sum(f"{name}.val" in study.select_evalsets(one) for one in variants)
            found.append(Replied("select", one * count, asked, 0, False, True, samples))
    for job in judge_jobs(study, folder):
        tokens = job.answer_tokens * job.questions * job.rows
        found.append(Replied(JUDGE, tokens, len(variants), tasks, True, True, job.samples))
    return found


def tokens(sets: Sequence[Replied], cell: Cell) -> int:
    """Return the most tokens of all replies."""
    return sum(one.of(cell) for one in sets)


def hours(
    study: Study,
    student: str,
    sets: Sequence[Replied],
    known: Sequence[Cost],
    judged: Sequence[JudgeJob],
    cells: Sequence[Cell],
) -> dict[Cell, float] | None:
    """Return the hours of a student's part of the study, by the `known` costs of past jobs.

    They are those of `make forecast`, with each suite's predictions taking longer as it has more
    tokens. None where past jobs are not known for all of it: limits are no hours.
    """
    expected = {}
    for replicates in {cell.replicates for cell in cells}:
        with_these = copy.copy(study)
        with_these.replicates = replicates
        expected[replicates] = forecast(with_these, student, known, judged)
    if any(one.measured < MEASURED for one in expected.values()):
        return None
    suites = {one.suite for one in sets}
    return {
        cell: expected[cell.replicates].expected_hours
        + sum(_more_hours(study, student, suite, sets, known, judged, cell) for suite in suites)
        for cell in cells
    }


def _more_hours(
    study: Study,
    student: str,
    suite: str,
    sets: Sequence[Replied],
    known: Sequence[Cost],
    judged: Sequence[JudgeJob],
    cell: Cell,
) -> float:
    """Return how much longer a suite takes than with the prompts and replies of the study file."""
    if suite == JUDGE:
        of_a_job = [judge_hours(study, job, known) for job in judged]
    else:
        mine = [cost for cost in known if cost.student == student and cost.kind == "predict"]
        of_a_job = [prediction_hours(study, suite, mine)]
    again = 0 if suite == "select" else len(study.tasks) * cell.replicates
    count = len(study.variants(student)) + again
    own = [one for one in sets if one.suite == suite]
    times = tokens(own, cell) / tokens(own, Cell(replicates=cell.replicates))
    return sum(one for one in of_a_job if one) * count * (times - 1)
