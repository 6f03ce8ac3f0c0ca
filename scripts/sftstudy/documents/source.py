"""SOURCE.json of a snapshot or a student: where its files came from, and what they are.

It holds no time, so that the same source gives the same bytes.
"""

from pathlib import Path
from typing import TypedDict

from sftstudy.documents.shapes import read

SOURCE = "SOURCE.json"


class FileFacts(TypedDict):
    """One file of a source."""

    sha256: str
    bytes: int


class Source(TypedDict):
    """The file."""

    kind: str  # hub, path (a local folder) or smoke (made by the workflow)
    id: str | None  # the hub's repository, or the folder
    revision: str | None  # the hub's commit
    files: dict[str, FileFacts]  # by path in the folder


def read_source(path: Path, enter: bool = True) -> Source:
    """Return where a snapshot came from."""
    return read(path, Source, enter)
