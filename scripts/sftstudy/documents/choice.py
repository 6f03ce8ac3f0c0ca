"""choices/{student}.json: which configuration is chosen, made before its replicates are trained."""

from pathlib import Path
from typing import TypedDict

from sftstudy.documents.shapes import read


class Choice(TypedDict):
    """The file. It holds no more, so that replicates depend on nothing else."""

    schema: int
    student: str
    chosen: str | None  # configuration; null where none is feasible


def read_choice(path: Path, enter: bool = True) -> Choice:
    """Return the choice for a student; without `enter` it is no input of this job."""
    return read(path, Choice, enter)
