"""metrics/{student}/{variant}/{evalset}.json: what a variant scored on an eval set."""

from pathlib import Path
from typing import Any, NotRequired, TypedDict

from sftstudy.documents.decoding import Decoding
from sftstudy.documents.shapes import read, require, unexpected


class Estimate(TypedDict):
    """A number with its uncertainty; all but `n` is null where nothing was measured."""

    value: float | None
    n: int  # items that it was measured on
    se: float | None  # standard error
    low: float | None  # ends of the 95% interval
    high: float | None
    interval: str | None  # its method


class Measured(Estimate):
    """One metric."""

    outcome: str  # key in the items whose mean it is; empty where it is no mean over items
    description: str
    better: str  # higher, lower or neither
    # Of the `n` items, those that the scorer could not decide and counts as failed; null where it
    # always decides.
    unsure: NotRequired[int | None]
    # Of a rate of which a person has judged a random part: as many rows of which all is known would
    # tell as much.
    rows: NotRequired[float]
    counts: str | None  # read: replies that hold an answer, unread: those that hold none


class Reviewed(TypedDict):
    """What a person has judged of a cell's replies."""

    replies: int
    read: int  # of these
    unsure: int  # of those read
    labels: int  # read of the part that is not read whole; of a review of all replies all
    usable: bool  # there is a rate by review
    why_not: str  # empty where there is


class _Identity(TypedDict):
    id: str
    group: str


class _Sample(_Identity):
    sample: int  # from 0


class Judge(TypedDict):
    """Which model gave a second opinion on the replies."""

    student: str  # its name in the catalog
    format: str  # in which it was asked


class Headline(TypedDict):
    """The part of the file that a score can be told from."""

    primary: str  # name of the metric that stands for all
    metrics: dict[str, Measured]


class Metrics(Headline):
    """The file."""

    schema: int
    student: str
    variant: str  # base or {task}/{trial}
    evalset: str  # {task}.{split}, or a control
    task: str  # or control
    split: str
    task_version: int  # of the prompt and target, by the task's data module
    decoding: NotRequired[Decoding]  # without it: one greedy reply to each row
    n: int  # items
    dropped: NotRequired[int]  # rows that were too long to be asked; not among n
    groups: int  # of items
    # One per row: its id and group, and outcomes that the task names. With several replies to a row
    # a number or truth value is the mean over those that have one, null where none has; a text
    # stands where it is that of all replies, else null.
    items: list[dict[str, Any]]
    # The outcomes of the single replies, with several to a row: id, group, sample, and the same.
    samples: NotRequired[list[dict[str, Any]]]
    review: NotRequired[Reviewed]  # where a person has judged a reply of this cell
    prompt_sha256: str  # of all prompts
    data_sha256: str  # of the file of rows
    predictions_sha256: str  # of the file of replies
    code_sha256: str  # of the modules that scored
    # Of libraries that decide outcomes and are no Python packages; not in files of older versions.
    versions: NotRequired[dict[str, str]]
    judge: NotRequired[Judge]  # where one was asked
    # Of a control from lm-eval: of what its task file says, and of the modules that it names.
    task_sha256: NotRequired[str]


def read_headline(path: Path) -> Headline:
    """Return the metrics of a metrics file. Its items, most of the file, are not looked at."""
    document = read(path, Headline)
    _require_primary(document, path)
    return document


def read_metrics(path: Path) -> Metrics:
    """Return a metrics file; a `StudyError` names the key of what is amiss."""
    document = read(path, Metrics)
    require(document["items"], list[_Identity], f"{path}: items")
    require(document.get("samples", []), list[_Sample], f"{path}: samples")
    _require_primary(document, path)
    primary = document["primary"]
    if document["metrics"][primary]["n"] and not document["items"]:
        expected = f"those that {primary} was measured on"
        raise unexpected(f"{path}: items", document["items"], expected)
    for name, metric in document["metrics"].items():
        key = metric["outcome"]
        for item in document["items"] if key else ():
            if not isinstance(item.get(key), bool | int | float | None):
                place = f"{path}: item {item['id']!r}: {key}, the outcome of {name}"
                raise unexpected(place, item[key], "a number or null")
    return document


def _require_primary(document: Headline, path: Path) -> None:
    if document["primary"] not in document["metrics"]:
        raise unexpected(f"{path}: primary", document["primary"], "a name under metrics")
