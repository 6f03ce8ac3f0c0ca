"""Hashes that tell one content from another, and marks that tell whether a file was touched."""

import hashlib
import json
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any


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


def weights_sha256(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each safetensors file of a folder, an adapter's included."""
    return {
        file.relative_to(folder).as_posix(): sha256_file(file)
        for file in sorted(folder.rglob("*.safetensors"))
    }


def file_marks(paths: Iterable[Path]) -> dict[Path, tuple[int, int, int]]:
    """Return number, size and time of each file: equal marks, equal content. Folders have none."""
    marks = {}
    for path in paths:
        with suppress(FileNotFoundError):
            facts = path.stat()
            if not stat.S_ISDIR(facts.st_mode):
                marks[path] = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
    return marks


def sha256_json(document: Any) -> str:
    """Return the hexadecimal SHA-256 of a document's canonical JSON (sorted keys, no blanks)."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
