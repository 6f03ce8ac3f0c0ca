"""Reading and writing of the study's files: strict on the way in, atomic on the way out."""

import errno
import hashlib
import json
import os
import re
import shutil
import socket
import stat
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sftstudy.errors import StudyError
from sftstudy.ledger import LEDGER

# In place of weights that were removed: their hashes, see `sftstudy.retention`.
REMOVED = "WEIGHTS_REMOVED.json"
# What link(2) answers where hard links cannot be made; anything else (a full disk) is an error.
NO_HARD_LINKS = frozenset(
    {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS}
)
# Files of a folder that say where it came from and are no part of what it holds.
_ABOUT = frozenset({"README.md", "SOURCE.json", "provenance.json", ".snakemake_timestamp", REMOVED})

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# What safetensors and torch.save say of it, which raise no OSError; torch names no reason at all.
_SIGNS_OF_FULL = ("(os error 28)", "(os error 122)", "(os error 27)", "inline_container.cc")
_FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)
_TEMPORARY = re.compile(r"\..+\.(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-[0-9a-f]{8}\.(?:tmp|old)")


class MissingKey(StudyError, KeyError):
    """An object of a JSON file lacks a key; to templates it is a `KeyError`, as of any object."""

    __str__ = Exception.__str__


class Document(dict[str, Any]):
    """An object of a JSON file: a key that it lacks is an error that names the file and the key."""

    __slots__ = ("_where",)

    def __init__(self, pairs: Iterable[tuple[str, Any]], where: str) -> None:
        super().__init__(pairs)
        self._where = where

    def __missing__(self, key: str) -> Any:
        found = ", ".join(map(repr, list(self)[:8])) or "nothing"
        raise MissingKey(
            f"{self._where}: the key {key!r} is missing from an object that holds {found}; the "
            "file was edited or damaged: delete it and make it again"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)  # a copy is an object of no file


def place(document: Document) -> str:
    """Return the file, and for JSONL the line, that an object was read from."""
    return document._where


def read_text(path: Path, enter: bool = True) -> str:
    """Return the file's text; a `StudyError` names the file and the byte that is not UTF-8.

    The file is entered in the `LEDGER` as an input of this run, unless `enter` says otherwise.
    """
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise StudyError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise StudyError(f"{path}: is a folder, expected a file") from None
    if enter:
        LEDGER.read(path, data)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise StudyError(
            f"{path}, line {line}: byte {data[error.start]:#04x} is not UTF-8; "
            "the file is damaged or has another encoding: fetch it again or convert it to UTF-8"
        ) from None


def read_json(path: Path, enter: bool = True) -> Any:
    """Return the parsed JSON document; a cut or malformed file is a `StudyError` with its line."""
    try:
        return _parsed(read_text(path, enter), str(path))
    except json.JSONDecodeError as error:
        raise StudyError(
            f"{path}, line {error.lineno}, column {error.colno}: not valid JSON ({error.msg}); "
            "the file is cut off or damaged: delete it and make it again"
        ) from None


def read_jsonl(path: Path) -> list[Document]:
    """Return one object per non-empty line.

    A byte-order mark and CRLF line ends are accepted. A line that is not a JSON object, or holds a
    NUL byte, or what JSON or UTF-8 do not have, is a `StudyError` that names file and line.
    """
    rows = []
    # Not str.splitlines: it would also break at U+2028 and U+0085, which JSON strings may contain.
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        line = line.rstrip("\r")
        if not line.strip():
            continue
        if "\0" in line:
            raise StudyError(f"{path}, line {number}: contains a NUL byte; the file is damaged")
        try:
            row = _parsed(line, f"{path}, line {number}")
        except json.JSONDecodeError as error:
            raise StudyError(
                f"{path}, line {number}: not valid JSON ({error.msg} at column {error.colno}); "
                "the file is cut off or damaged"
            ) from None
        if not isinstance(row, dict):
            raise StudyError(
                f"{path}, line {number}: expected a JSON object, found {type(row).__name__}"
            )
        rows.append(row)
    return rows


def _parsed(text: str, where: str) -> Any:
    """Return a JSON document; `StudyError` for what Python's parser takes or chokes on.

    That is: NaN and infinity, one key twice in an object, half a surrogate pair (which no UTF-8
    file can hold), a depth or a number of digits that is an attack and no data.
    """

    def refuse(constant: str) -> None:
        raise StudyError(f"{where}: holds {constant}, which is no JSON; write null or a number")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        document = Document(pairs, where)
        if len(document) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise StudyError(f"{where}: the key {twice!r} occurs twice in one object; keep one")
        return document

    try:
        document = json.loads(text, parse_constant=refuse, object_pairs_hook=unique)
        if "\\u" in text:
            json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise StudyError(
            f"{where}: holds half a surrogate pair (\\ud800 to \\udfff), which is no character; "
            "the text was cut inside a character: mend or leave out the row"
        ) from None
    except json.JSONDecodeError:
        raise
    except (RecursionError, ValueError) as error:
        raise StudyError(f"{where}: cannot be read as JSON ({error}); leave out the row") from None
    return document


@contextmanager
def atomic_paths(*paths: Path) -> Iterator[list[Path]]:
    """Yield a temporary sibling of each path; on success sync them all, then rename them all.

    A path may become a file or a folder. On any error the temporaries are removed and whatever
    stood at the paths before stays. What writers left beside the paths that were killed before
    they could remove it is removed first.
    """
    temporaries = [_beside(path, "tmp") for path in paths]
    with writing(*paths):
        try:
            for folder in dict.fromkeys(path.parent for path in paths):
                folder.mkdir(parents=True, exist_ok=True)
                _sweep(folder)
            yield temporaries
            for temporary in temporaries:
                sync(temporary)
            for temporary, path in zip(temporaries, paths, strict=True):
                _replace(temporary, path)
                LEDGER.wrote(path)
        finally:
            for temporary in temporaries:
                _remove(temporary)


@contextmanager
def writing(*paths: Path) -> Iterator[None]:
    """Turn a full disk, and a folder that may not be written to, into a readable `StudyError`."""
    where = ", ".join(map(str, paths))
    try:
        yield
    except StudyError:
        raise
    except Exception as error:
        number = getattr(error, "errno", None)
        if number in _FULL or any(sign in str(error) for sign in _SIGNS_OF_FULL):
            raise StudyError(
                f"{where}: the disk is full ({error}); "
                "free some space and run again: finished files are kept"
            ) from error
        if number in _FORBIDDEN:
            raise StudyError(
                f"{where}: may not be written ({error}); make the folder writable, or name "
                "another one under 'results' in the configuration"
            ) from error
        raise


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of one path, as `atomic_paths` does for several."""
    with atomic_paths(Path(path)) as [temporary]:
        yield temporary


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, document: Any) -> None:
    """Write an indented JSON document, atomically. NaN and infinity are refused."""
    write_text(path, json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object per line, atomically."""
    write_text(path, jsonl(rows))


def jsonl(rows: Iterable[dict[str, Any]]) -> str:
    """Return one line of JSON per row. NaN and infinity are refused: JSON has neither."""
    return "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)


def sha256_file(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file's bytes; a large file is read once per process."""
    with Path(path).open("rb") as handle:
        facts = os.fstat(handle.fileno())
        key = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
        if key in _LARGE_HASHES:
            return _LARGE_HASHES[key]
        found = hashlib.file_digest(handle, "sha256").hexdigest()
    if facts.st_size >= _LARGE:
        _LARGE_HASHES[key] = found
    return found


# A job hashes weights to know its checkpoint, and again for its record: by then they are known.
# Small files are read again: two edits may follow each other faster than clocks of files tick.
_LARGE = 1 << 20
_LARGE_HASHES: dict[tuple[int, int, int, int], str] = {}


def file_marks(paths: Iterable[Path]) -> dict[Path, tuple[int, int, int]]:
    """Return number, size and time of each file: equal marks, equal content. Folders have none."""
    marks = {}
    for path in paths:
        with suppress(FileNotFoundError):
            facts = path.stat()
            if not stat.S_ISDIR(facts.st_mode):
                marks[path] = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
    return marks


def folder_sha256(folder: Path, known: Mapping[str, str] | None = None) -> str:
    """Return a hash of what a folder holds: names and contents, without what describes it.

    `known` gives hashes of files (paths in the folder) that need not be read. Weights that were
    removed to save space count as if they were there.
    """
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    hashes = dict(known or {})
    content = {
        name: hashes.get(name) or sha256_file(file)
        for file in files
        if file.name not in _ABOUT
        for name in [file.relative_to(folder).as_posix()]
    }
    return sha256_json(removed_weights(folder) | content)


def removed_weights(folder: Path) -> dict[str, str]:
    """Return name and hash of the weights that were removed from a checkpoint to save space."""
    marker = folder / REMOVED
    if not marker.is_file():
        return {}
    hashes = read_json(marker, enter=False)["weights_sha256"]
    return {name: sha256 for name, sha256 in hashes.items() if not (folder / name).exists()}


def sha256_json(document: Any) -> str:
    """Return the hexadecimal SHA-256 of a document's canonical JSON (sorted keys, no blanks)."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _beside(path: Path, kind: str) -> Path:
    """Return a hidden name beside `path` that tells which process of which machine writes there."""
    return path.parent / f".{path.name}.{_machine()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.{kind}"


def _machine() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _sweep(folder: Path) -> None:
    """Remove temporaries in `folder` whose writer, a process of this machine, is dead."""
    for path in folder.glob(".*"):
        made = _TEMPORARY.fullmatch(path.name)
        if made and made["machine"] == _machine() and not _lives(int(made["process"])):
            _remove(path)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # another user's
    return True


def _replace(temporary: Path, path: Path) -> None:
    """Rename `temporary` to `path`. Rename replaces a file, but not a folder with content.

    A job that outlived its Snakemake may be doing the same at this moment: the last one wins.
    """
    while True:
        aside = _beside(path, "old")
        if path.is_dir() and temporary.is_dir():
            with suppress(FileNotFoundError):
                path.replace(aside)
        try:
            temporary.replace(path)
            break
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise
        finally:
            _remove(aside)
    _sync_entry(path.parent)


def sync(path: Path) -> None:
    """Have a file, or a folder with all that is in it, written to the disk before returning."""
    for entry in [path, *path.rglob("*")] if path.is_dir() else [path]:
        _sync_entry(entry)


def _sync_entry(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
