"""Writing of the study's files: complete or not at all."""

import errno
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sftstudy.errors import StudyError
from sftstudy.files.ledger import LEDGER
from sftstudy.files.temporaries import beside, remove, sweep

# What a file system answers that does not have what it is asked for.
_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
# What link(2) answers where hard links cannot be made; anything else (a full disk) is an error.
NO_HARD_LINKS = _UNSUPPORTED | {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK}
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# What safetensors and torch.save say of it, which raise no OSError; torch names no reason at all.
_SIGNS_OF_FULL = ("(os error 28)", "(os error 122)", "(os error 27)", "inline_container.cc")
_FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM)


@contextmanager
def atomic_paths(*paths: Path) -> Iterator[list[Path]]:
    """Yield a temporary sibling of each path; on success sync them all, then rename them all.

    A path may become a file or a folder. On any error the temporaries are removed and whatever
    stood at the paths before stays. What writers left beside the paths that were killed before
    they could remove it is removed first.
    """
    temporaries = [beside(path, "tmp") for path in paths]
    with writing(*paths):
        try:
            for folder in dict.fromkeys(path.parent for path in paths):
                folder.mkdir(parents=True, exist_ok=True)
                sweep(folder)
            yield temporaries
            for temporary in temporaries:
                sync(temporary)
            for temporary, path in zip(temporaries, paths, strict=True):
                _replace(temporary, path)
                LEDGER.wrote(path)
        finally:
            for temporary in temporaries:
                remove(temporary)


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
                "another one under 'results' in the study file"
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


def write_jsonl(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Write one JSON object per line, atomically."""
    write_text(path, jsonl(rows))


def jsonl(rows: Iterable[Mapping[str, object]]) -> str:
    """Return one line of JSON per row. NaN and infinity are refused: JSON has neither."""
    return "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)


def _replace(temporary: Path, path: Path) -> None:
    """Rename `temporary` to `path`. Rename replaces a file, but not a folder with content.

    A job that outlived its Snakemake may be doing the same at this moment: the last one wins.
    """
    while True:
        aside = beside(path, "old")
        if path.is_dir() and temporary.is_dir():
            try:
                path.replace(aside)
            except FileNotFoundError:
                pass
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                shutil.rmtree(path)  # a folder of a container's image cannot be renamed
        try:
            temporary.replace(path)
            break
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise
        finally:
            remove(aside)
    _sync_entry(path.parent)


def sync(path: Path) -> None:
    """Have a file, or a folder with all that is in it, written to the disk before returning."""
    for entry in [path, *path.rglob("*")] if path.is_dir() else [path]:
        _sync_entry(entry)


def _sync_entry(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        flush(descriptor)
    finally:
        os.close(descriptor)


def flush(descriptor: int) -> None:
    """Have an open file or folder written to the disk, where the file system can be told to.

    Some cannot, for folders above all: there a power cut may cost what was written last.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name, which takes no space; where it can have none, copy it."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        shutil.copyfile(source, target)


def permit(path: Path, mode: int) -> None:
    """Set who may read and write a file, where the file system keeps that for each file.

    Where it does not, as on many a share and USB disk, the mount has said it for all.
    """
    try:
        path.chmod(mode)
    except OSError as error:
        if error.errno not in {*_UNSUPPORTED, errno.EPERM}:
            raise
