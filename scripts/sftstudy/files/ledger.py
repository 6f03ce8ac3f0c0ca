"""What this process has read and written so far, kept for the record of its job.

`sftstudy.files` enters every file that it reads or writes, with the hash of the very bytes that
were used; `sftstudy.records.record` makes its record of it. Nothing is kept, nothing hashed, unless
a record was asked for.
"""

import hashlib
import os
import time
from pathlib import Path
from typing import Any


class Ledger:
    """Inputs (path -> SHA-256, None where a file was not hashed), outputs and facts of a job.

    Hidden files (journals, drafts) are nobody's input or output and are left out.
    """

    record: Path | None
    started: float
    inputs: dict[str, str | None]
    outputs: dict[str, None]
    facts: dict[str, Any]

    def __init__(self) -> None:
        self.close()

    def open(self, record: str) -> None:
        """Begin to keep it, for a job whose record will be the file `record`."""
        self.close()
        self.record, self.started = Path(record), time.time()

    def close(self) -> None:
        """Forget everything and keep nothing any more."""
        self.record, self.started = None, 0.0
        self.inputs, self.outputs, self.facts = {}, {}, {}

    def read(self, path: Path, data: bytes) -> None:
        """Enter a file whose content `data` has been read."""
        if self.record:
            self.used(path, hashlib.sha256(data).hexdigest())

    def used(self, path: Path, sha256: str | None) -> None:
        """Enter an input with its hash. Of a file read twice the first hash stays."""
        name = shown(path)
        if self.record and not _is_hidden(name):
            self.inputs.setdefault(name, sha256)

    def wrote(self, path: Path) -> None:
        """Enter a finished output."""
        name = shown(path)
        if self.record and not _is_hidden(name):
            self.outputs[name] = None

    def note(self, **facts: Any) -> None:
        """Enter what else should stand in the record, such as counts of tokens."""
        if self.record:
            self.facts |= facts


LEDGER = Ledger()


def shown(path: Path) -> str:
    """Return a path as records name it: relative to the working directory where it lies below."""
    text = os.path.normpath(path)
    below = os.path.relpath(text) if Path(text).is_absolute() else text
    return text if below.startswith("..") else Path(below).as_posix()


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") and part != ".." for part in Path(name).parts)
