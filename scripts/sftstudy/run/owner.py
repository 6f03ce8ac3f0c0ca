"""One writer at a time: a file beside what is written names its owner.

Jobs of a Snakemake that was killed go on, and the next run submits them again; a node that lost its
network goes on computing while Slurm starts its job elsewhere. So a job first claims what it is
going to write. If a living owner holds it, the job waits for that one to end; an owner that died
without a word is replaced.

Whether an owner lives is asked of Slurm (is its job running?), on the same machine of the kernel,
and otherwise of its heartbeat: the owner touches its file every few seconds. Only changes of the
file's time are looked at, never its age: clocks of nodes differ.

The file is made by O_CREAT with O_EXCL, which every file system has. Not every one has hard links,
which would bring the content with them: here the file is empty for a moment. Who reads it then, or
after a power cut, learns of no owner and goes by the heartbeat. Should one be so slow in writing it
that another takes it away, it finds that out: having written it, it looks whose the file is.
"""

import errno
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sftstudy.cluster.queue import is_running, own_job
from sftstudy.errors import StudyError
from sftstudy.files.temporaries import exists
from sftstudy.files.writing import flush, writing

BEAT_SECONDS = 5.0
# Longer than a network file system keeps what it knows of a file.
SILENCE_SECONDS = 75.0
# What a network file system says of a file that another machine has removed while it was read.
_GONE = (errno.ENOENT, errno.ESTALE)

Record = dict[str, Any]  # an owner as its file names it; empty while the file is not written


class Owner:
    """This process as the owner of one file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._me: Record = {
            "token": uuid.uuid4().hex,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "parent": os.getppid(),
            "started": start_time(os.getpid()),
            "job": own_job(),
        }
        self._told = False
        self._ended = threading.Event()

    def check(self) -> None:
        """Raise `StudyError` if another process has taken over: nothing may be written any more."""
        if not self._is_mine():
            raise StudyError(
                f"{self.file}: another job has taken over, because this one seemed dead; "
                "this one stops and leaves the work to the other"
            )

    def _claim(self) -> None:
        with writing(self.file):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            while not self._create():
                other = _read(self.file)
                if other is None:
                    continue  # released just now
                if self._lives(other):
                    self._wait(other)
                else:
                    self._replace(other)

    def _create(self) -> bool:
        """Make the file unless there is one, write it, and return whether it is this process's."""
        try:
            handle = self.file.open("x", encoding="utf-8")
        except FileExistsError:
            return False
        with handle:
            try:
                handle.write(json.dumps(self._me))
                handle.flush()
                flush(handle.fileno())
            except BaseException:  # a full disk, SIGTERM: nobody is to wait for a nameless owner
                with suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(handle.fileno()), self.file.stat()):
                        self.file.unlink()
                raise
        return self._is_mine()

    def _lives(self, other: Record) -> bool:
        if other and other["job"] and other["job"] != self._me["job"]:
            running = is_running(other["job"])
            if running is not None:
                return running
        if other and other["host"] == self._me["host"]:
            alive = lives(other["process"], other["started"])
            if alive is not None:
                return alive
        # Another machine without Slurm, Slurm has started the job of a lost node again here, or the
        # owner cannot be seen or is not named.
        return _changes(self.file)

    def _wait(self, other: Record) -> None:
        if other and not self._told:
            where = f"job {other['job']}" if other["job"] else f"process {other['process']}"
            print(f"waiting for {where} on {other['host']}, which works on this", flush=True)
            self._told = True
        time.sleep(BEAT_SECONDS)

    def _replace(self, other: Record) -> None:
        """Take a dead owner's file away.

        One process at a time may: what it looks at and then removes must be the same file, and not
        that of another which has replaced the dead one in between.
        """
        guard = self.file.with_name(f".{self.file.name}.replacing")
        try:
            guard.touch(exist_ok=False)
        except FileExistsError:
            if not _changes(guard):  # who made it was killed in these few lines
                guard.unlink(missing_ok=True)
            return
        try:
            if _read(self.file) == other:
                who = f"process {other['process']} on {other['host']}" if other else "an owner"
                print(f"taking over from {who}", flush=True)
                self.file.unlink(missing_ok=True)
        finally:
            guard.unlink(missing_ok=True)

    def _is_mine(self) -> bool:
        return (_read(self.file) or {}).get("token") == self._me["token"]

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            try:
                if not self._is_mine():
                    return
                os.utime(self.file)
            except OSError as error:  # a file system that is away for a while is no reason to stop
                print(f"{self.file}: no heartbeat: {error}", flush=True)

    def _release(self) -> None:
        self._ended.set()
        if self._is_mine():
            self.file.unlink(missing_ok=True)


@contextmanager
def owned(file: Path) -> Iterator[Owner]:
    """Wait until nobody owns `file`, own it while the block runs, and release it."""
    owner = Owner(file)
    owner._claim()
    beat = threading.Thread(target=owner._beat, daemon=True)
    beat.start()
    try:
        yield owner
    finally:
        owner._release()
        beat.join()


@contextmanager
def owned_by_leader(file: Path, finished: Callable[[], bool]) -> Iterator[Owner]:
    """Own `file` as one of several processes that a launcher started together.

    The process of rank 0 is the owner; the others wait until it is, or until `finished()`.
    """
    if int(os.environ.get("RANK", "0")) == 0:
        with owned(file) as owner:
            yield owner
        return
    follower = Owner(file)
    while not finished():
        leader = _read(file)
        if leader and all(leader[key] == follower._me[key] for key in ("host", "parent")):
            follower._me = leader
            break
        time.sleep(0.5)
    yield follower


def _read(file: Path) -> Record | None:
    """Return the owner that a file names: none while it is not written, None without a file."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise


def _changes(file: Path) -> bool:
    """Return whether a file is touched, written or removed before it was silent for too long."""
    before, end = _touched(file), time.monotonic() + SILENCE_SECONDS
    while time.monotonic() < end:
        now = _touched(file)
        if now is None or now != before:
            return True
        time.sleep(1)
    return False


def _touched(file: Path) -> tuple[int, int] | None:
    """Return what changes when a file is touched or written: its time and size."""
    # Opening asks a network file system for the truth; a bare stat may answer from memory.
    try:
        with file.open() as handle:
            facts = os.fstat(handle.fileno())
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise
    return facts.st_mtime_ns, facts.st_size


def start_time(process: int) -> str | None:
    """Return when a process of this machine started, so that a reused number is recognised.

    None if there is no such process, or the system does not tell.
    """
    seen = _state_and_start(process)
    return seen[1] if seen else None


def lives(process: int, started: str | None) -> bool | None:
    """Say whether the process of this machine that started then is running.

    None if it cannot be seen: systems hide processes of other users, and not all have ``/proc``.
    """
    if seen := _state_and_start(process):
        state, start = seen
        return state != "Z" and start == started
    return None if exists(process) else False


def _state_and_start(process: int) -> tuple[str, str] | None:
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return fields[0], fields[19]
