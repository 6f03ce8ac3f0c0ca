"""data/{task}/lengths/{student}.json: how many tokens a task's rows have for a student."""

from pathlib import Path
from typing import Any, NotRequired, TypedDict

from sftstudy.documents.shapes import read


class Spread(TypedDict, total=False):
    """Tokens of a split's rows; empty where it has none. Quantiles are observed values."""

    min: int
    p50: int
    p90: int
    p99: int
    max: int
    mean: float
    total: int


class SplitLengths(TypedDict):
    """The lengths of one split."""

    rows: int
    prompt: Spread
    conversation: Spread  # prompt with completion


class Lengths(TypedDict):
    """The file."""

    schema: int
    task: str
    student: str
    max_length: int  # most tokens of a row, by the student's configuration
    chat_template_kwargs: dict[str, Any]
    splits: dict[str, SplitLengths]
    dropped: dict[str, list[str]]  # train -> ids of rows that are longer and not trained on
    before_reply: NotRequired[str]  # what the template writes there, and training teaches to write


def read_lengths(path: Path) -> Lengths:
    """Return the lengths of a task's rows under a student's tokenizer."""
    return read(path, Lengths)
