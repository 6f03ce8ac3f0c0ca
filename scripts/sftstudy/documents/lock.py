"""config/sources.lock.yaml: the commit of every hub source and the SHA-256 of its files.

`sftstudy.sources.lock` reads and writes it.
"""

from typing import TypedDict

from sftstudy.documents.source import FileFacts


class Asked(TypedDict):
    """What the study file asks for."""

    hub: str  # the repository
    revision: str  # branch, tag or commit
    patterns: list[str]  # of the files that are used; none: all that can be


class Locked(Asked):
    """The entry of one source."""

    commit: str  # what the revision was when it was locked
    files: dict[str, FileFacts]  # by path in the repository


class Lock(TypedDict):
    """The file: entries by name."""

    datasets: dict[str, Locked]
    students: dict[str, Locked]
