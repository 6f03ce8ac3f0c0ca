"""The jobs in which a judge is asked: how many questions each has, and how long it will take."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from sftstudy.costs.eval_sizes import eval_rows
from sftstudy.costs.measured import Cost
from sftstudy.study import jobs
from sftstudy.study.grid import Study
from sftstudy.tasks.registry import judge_module
from sftstudy.tasks.task import Row


@dataclass(frozen=True)
class JudgeJob:
    """What the judge is asked about one variant's replies to a control.

    Every reply to each of `rows` prompts, `samples` of them, makes `questions`; an answer has at
    most `answer_tokens`.
    """

    control: str
    rows: int
    samples: int
    questions: int
    answer_tokens: int

    @property
    def asked(self) -> int:
        """How many questions the job has."""
        return self.rows * self.samples * self.questions


def judge_jobs(study: Study, folder: Path) -> list[JudgeJob]:
    """Return the job about each control that the judge is asked about; `folder` is where Snakemake
    runs. Without a judge there is none."""
    return [
        _job(study, folder, control) for control in study.controls if jobs.judge(study, control)
    ]


def _job(study: Study, folder: Path, control: str) -> JudgeJob:
    judge, decoding = judge_module(control, study.judge_format), jobs.decoding(study, control)
    row: Row = {
        "id": "any",
        "group": "any",
        "prompt": [{"role": "user", "content": ""}],
        "completion": [],
        "reference": {},
    }
    return JudgeJob(
        control,
        eval_rows(study, folder, control).n,
        samples=decoding["samples"] if decoding else 1,
        questions=len(judge.questions(row, "")),
        answer_tokens=judge.MAX_NEW_TOKENS,
    )


def judge_hours(study: Study, job: JudgeJob, known: Iterable[Cost]) -> float | None:
    """Return the hours of such a job by past jobs of the judge about any student's replies.

    Each is taken for as much longer as there are more questions now. None where there are none.
    """
    seconds = [
        cost.gpu_seconds * _more_questions(job, cost)
        for cost in known
        if cost.kind == "judge" and cost.judge == study.judge and cost.suite == job.control
    ]
    return fmean(seconds) / 3600 if seconds else None


def _more_questions(job: JudgeJob, cost: Cost) -> float:
    """Return how many times the tokens of a past job all questions of this one will take."""
    [told] = cost.facts["evalsets"]
    tokens = told["prompt_tokens"] + told["completion_tokens"]
    return float(tokens / cost.facts["computed_tokens"] * job.asked / told["replies"])
