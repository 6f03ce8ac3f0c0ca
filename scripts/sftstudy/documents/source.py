"""SOURCE.json of a snapshot or a student: where its files came from, and what they are.

It holds no time, so that the same source gives the same bytes.
"""

from pathlib import Path
from typing import NotRequired, TypedDict

from sftstudy.documents.shapes import read

SOURCE = "SOURCE.json"


class FileFacts(TypedDict):
    """One file of a source."""

    sha256: str
    bytes: int


class Source(TypedDict):
    """The file."""

    kind: str  # hub, path (a local folder), gguf (a file) or smoke (made by the workflow)
    id: str | None  # the hub's repository, the folder, or the file's name
    revision: str | None  # the hub's commit, or the SHA-256 of the GGUF file
    files: dict[str, FileFacts]  # by path in the folder
    # Of gguf: the types of its quantised weights, which were computed back.
    dequantised: NotRequired[list[str]]


def read_source(path: Path, enter: bool = True) -> Source:
    """Return where a snapshot came from."""
    return read(path, Source, enter)
