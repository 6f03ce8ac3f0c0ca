"""kept.json: results that were kept although the code of their jobs has changed since."""

from pathlib import Path
from typing import TypedDict

from sftstudy.documents.record import CodeState
from sftstudy.documents.shapes import read


class Kept(TypedDict):
    """What is known of an output that was kept."""

    started: str  # by its record: when the job began that made it
    made_by: str  # version of the code that made it
    kept_for: str  # version of the code that would make it now
    when: str
    code: CodeState  # the checkout in which it was kept


class KeptFile(TypedDict):
    """The file."""

    schema: int
    kept: dict[str, Kept]  # by output


def read_kept(path: Path) -> KeptFile:
    """Return what was kept in a results folder."""
    return read(path, KeptFile, enter=False)
