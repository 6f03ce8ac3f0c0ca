"""The GPUs of one machine, shared by jobs that do not know of each other.

A cluster gives each job its own. On one machine Snakemake only counts them: all jobs would compute
on the first, and TRL refuses to train in one process that sees several. So a job takes as many as
it asked for and sees no others. What is taken is locked in files of the user, which the system
unlocks when the job ends, however it ends.
"""

import fcntl
import os
import tempfile
import time
from pathlib import Path
from typing import IO
from urllib.parse import quote

from sftstudy.errors import StudyError

VISIBLE = "CUDA_VISIBLE_DEVICES"
POLL_SECONDS = 5.0
_held: list[IO[str]] = []  # until this process ends


def take(number: int) -> list[int]:
    """Let this process see only `number` GPUs that no other job of the user has taken.

    To be called before torch is imported. Waits until so many are free. Where it sees no more than
    that, as in a job of a cluster or without GPUs, nothing happens. Returns the file descriptors of
    the locks. Raises `StudyError` where files cannot be locked.
    """
    names = visible()
    if not 0 < number < len(names):
        return []
    told = False
    while (taken := _locked(names, number)) is None:
        if not told:
            print(f"waiting for {number} of the GPUs {', '.join(names)} to be free", flush=True)
        told = True
        time.sleep(POLL_SECONDS)
    _held.extend(taken.values())
    os.environ[VISIBLE] = ",".join(taken)
    return [lock.fileno() for lock in taken.values()]


def visible() -> list[str]:
    """Return the names of the GPUs that this process may see, as CUDA counts them.

    One that is named twice is one.
    """
    if (stated := os.environ.get(VISIBLE)) is not None:
        return list(dict.fromkeys(name.strip() for name in stated.split(",") if name.strip()))
    return [str(n) for n, _ in enumerate(Path("/dev").glob("nvidia[0-9]*"))]


def _locked(names: list[str], number: int) -> dict[str, IO[str]] | None:
    """Return the locks of `number` GPUs, or None if fewer are free: then none stays locked."""
    folder = Path(tempfile.gettempdir()) / f"sftstudy-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    taken: dict[str, IO[str]] = {}
    for name in names:
        lock: IO[str] = (folder / quote(name, safe="")).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        except OSError as error:  # a network file system without a service for locks
            raise StudyError(
                f"{lock.name}: cannot be locked ({error.strerror}), so that jobs could not share "
                f"the GPUs {', '.join(names)}; name a folder on a disk of this machine in TMPDIR"
            ) from None
        taken[name] = lock
        if len(taken) == number:
            return taken
    for lock in taken.values():
        lock.close()
    return None
