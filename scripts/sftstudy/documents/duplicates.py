"""data/{task}/duplicates.json: which rows of a task occur, exactly or nearly, in another split too.

It stands apart from the card, which names every student: a student that is added must not make
recommendations again, which read this.
"""

from pathlib import Path
from typing import TypedDict

from sftstudy.documents.shapes import read


class Duplicated(TypedDict):
    """Ids of the rows of the second split that have a duplicate in the first, sorted."""

    exact: list[str]
    near: list[str]  # near and not exact; a row may have duplicates of both kinds


class Duplicates(TypedDict):
    """The file."""

    schema: int
    task: str
    pairs: dict[str, Duplicated]  # by pair of splits, such as train-test


def read_duplicates(path: Path) -> Duplicates:
    """Return the duplicates of a task's data."""
    return read(path, Duplicates)
