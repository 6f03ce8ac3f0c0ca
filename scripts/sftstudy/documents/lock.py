"""config/sources.lock.yaml: the commit of every hub source and the SHA-256 of its files.

`sftstudy.sources.lock` reads and writes it.
"""

from typing import TypedDict

from sftstudy.documents.source import FileFacts


class Locked(TypedDict):
    """The entry of one source. The first three keys are what the study file asks for."""

    hub: str  # the repository
    revision: str  # branch, tag or commit
    patterns: list[str]  # of the files that are used; none: all that can be
    commit: str  # what the revision was when it was locked
    files: dict[str, FileFacts]  # by path in the repository


class Lock(TypedDict):
    """The file: entries by name."""

    datasets: dict[str, Locked]
    students: dict[str, Locked]
