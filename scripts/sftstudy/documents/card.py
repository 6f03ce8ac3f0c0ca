"""data/{task}/card.json: what a person should know about a task's data before trusting a score."""

from pathlib import Path
from typing import TypedDict

from sftstudy.documents.lengths import Lengths
from sftstudy.documents.shapes import read
from sftstudy.documents.source import Source


class SplitCard(TypedDict):
    """One split."""

    rows: int
    groups: int
    sha256: str  # of its file
    labels: dict[str, int]  # rows by label, where rows have labels


class SharedRows(TypedDict):
    """Rows of the second split that have a duplicate in the first."""

    rows: int
    examples: list[list[str]]  # the first pairs of ids


class SimilarRows(SharedRows):
    """The same, of near duplicates; exact ones are not among them."""

    jaccard_at_least: float  # similarity from which two rows count


class SharedGroups(TypedDict):
    """Groups that two splits share."""

    groups: int
    rows: int  # of the second split
    examples: list[str]


class Leakage(TypedDict):
    """What two splits share."""

    exact: SharedRows
    near: SimilarRows
    groups: SharedGroups


class Card(TypedDict):
    """The file."""

    schema: int
    task: str
    task_version: int
    source: Source
    splits: dict[str, SplitCard]
    leakage: dict[str, Leakage]  # by pair of splits, such as train-test
    lengths: dict[str, Lengths]  # by student


def read_card(path: Path) -> Card:
    """Return the card of a task's data."""
    return read(path, Card)
