"""Files and folders that a writer fills before it renames them, and what killed writers left."""

import hashlib
import os
import re
import shutil
import socket
import uuid
from contextlib import suppress
from pathlib import Path

_TEMPORARY = re.compile(r"\..+\.(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-[0-9a-f]{8}\.(?:tmp|old)")


def beside(path: Path, kind: str) -> Path:
    """Return a hidden name beside `path` that tells which process of which machine writes there."""
    return path.parent / f".{path.name}.{_machine()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.{kind}"


def _machine() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def sweep(folder: Path) -> None:
    """Remove temporaries in `folder` whose writer, a process of this machine, is dead."""
    for path in folder.glob(".*"):
        made = _TEMPORARY.fullmatch(path.name)
        if made and made["machine"] == _machine() and not exists(int(made["process"])):
            with suppress(OSError):  # another user's: it is no reason not to write beside it
                remove(path)


def exists(process: int) -> bool:
    """Say whether this machine has a process of this number, whoever's it is."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # another user's
    return True


def remove(path: Path) -> None:
    """Remove a file or a folder, if there is one."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
