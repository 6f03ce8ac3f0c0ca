"""data/{control}/task.json and predictions of a control from lm-eval."""

from pathlib import Path
from typing import Any, NotRequired, TypedDict

from sftstudy.documents.replies import Reply
from sftstudy.documents.shapes import read, read_lines

CHOSEN = "chosen"  # the finish reason where no reply was written: answers were compared


class TaskMetric(TypedDict):
    """A metric of the task."""

    name: str  # as metrics files have it
    metric: str  # as lm-eval has it
    filter: str  # of the replies, before they are scored
    better: str  # higher or lower
    mean: bool  # whether it is the mean over documents, and not of all of them at once


class Task(TypedDict):
    """The file."""

    schema: int
    control: str
    task: str  # its name in lm-eval
    version: str  # of the task
    lm_eval: str  # version of lm-eval
    config_sha256: str  # of what the task file says, and of the modules that it names
    output_type: str  # generate_until, multiple_choice or loglikelihood
    apply_chat_template: bool
    num_fewshot: int
    metrics: list[TaskMetric]
    primary: str  # name of the first that is a mean and better where higher


class Outcome(Reply):
    """One line of the predictions: a reply, and what lm-eval says of it."""

    outcomes: dict[str, Any]  # by the names of metrics; empty of a document that was dropped
    prompt_hash: NotRequired[str]  # lm-eval's, of the rendered prompt


def read_task(path: Path) -> Task:
    """Return what a control from lm-eval measures."""
    return read(path, Task)


def read_outcomes(path: Path) -> list[Outcome]:
    """Return the outcomes of a file, in its order."""
    return read_lines(path, Outcome)
