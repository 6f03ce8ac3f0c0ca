"""What a study file says about where a dataset or student comes from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sftstudy.errors import StudyError

Section = Literal["datasets", "students"]
_RUNS = (".py", ".pyc", ".ipynb", ".sh", ".so", ".pkl", ".pickle", ".pt", ".pth", ".bin", ".npy")
_KEYS = {"hub", "revision", "files", "path"}


@dataclass(frozen=True)
class Source:
    """A hub repository (`hub`, `revision`, patterns of `files`) or a local folder (`path`).

    `files` are shell patterns over paths in the repository; empty means all that can be used.
    """

    hub: str = ""
    revision: str = "main"
    files: tuple[str, ...] = ()
    path: str = ""


def parse(name: str, document: Any) -> Source:
    """Return the source described by a mapping; anything else is a `StudyError` naming `name`."""
    if not isinstance(document, dict) or ("hub" in document) == ("path" in document):
        raise StudyError(
            f"source of {name}: found {document!r}; expected a mapping with either 'hub' or 'path'"
        )
    if unknown := sorted(set(document) - _KEYS):
        raise StudyError(
            f"source of {name}: unknown key {unknown[0]!r}; allowed are {', '.join(sorted(_KEYS))}"
        )
    return Source(**document | {"files": tuple(document.get("files", ()))})


def local_files(source: Source) -> list[str]:
    """Return the sorted relative paths of a local folder's files, hidden ones left out."""
    folder = Path(source.path)
    if not folder.is_dir():
        raise StudyError(
            f"{folder}: no such folder; a source's 'path' must be a folder in the layout of the "
            "hub's repository or of the publisher's files"
        )
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    # An earlier snapshot is a valid mirror; its SOURCE.json describes it and is no part of it.
    names = [p.as_posix() for p in paths if not is_hidden(p.as_posix()) and p.name != "SOURCE.json"]
    if not names:
        raise StudyError(f"{folder}: the folder holds no files")
    return sorted(names)


def without_code(where: str, names: Sequence[str]) -> list[str]:
    """Return a dataset's files without those that run when they are loaded, which nobody may.

    Loading scripts are left out, as are pickles. Raises `StudyError` when no data is left.
    """
    data = [name for name in names if not name.endswith(_RUNS)]
    if not data:
        raise StudyError(
            f"{where}: holds only files that would have to be run or unpickled to give data "
            f"({', '.join(sorted(names)[:3])}), which is refused; use a revision with data files "
            "(on the hub often refs/convert/parquet) or a local copy of the data as 'path'"
        )
    return data


def is_hidden(name: str) -> bool:
    """Say whether any part of a relative path begins with a dot."""
    return any(part.startswith(".") for part in name.split("/"))
