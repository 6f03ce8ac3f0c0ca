"""One writer at a time: a file beside what is written names its owner.

Jobs of a Snakemake that was killed go on, and the next run submits them again; a node that lost its
network goes on computing while Slurm starts its job elsewhere. So a job first claims what it is
going to write. If a living owner holds it, the job waits for that one to end; an owner that died
without a word is replaced.

Whether an owner lives is asked of Slurm (is its job running?), on the same machine of the kernel,
and otherwise of its heartbeat: the owner touches its file every few seconds. Only changes of the
file's time are looked at, never its age: clocks of nodes differ.
"""

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
from sftstudy.files.writing import writing

BEAT_SECONDS = 5.0
# Longer than a network file system keeps what it knows of a file.
SILENCE_SECONDS = 75.0


class Owner:
    """This process as the owner of one file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._me = {
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
        """Make the file with its content in one step, or return False if there is one."""
        draft = self.file.with_name(f".{self.file.name}.{self._me['token']}")
        try:
            draft.write_text(json.dumps(self._me), encoding="utf-8")
            os.link(draft, self.file)
        except FileExistsError:
            return False
        finally:
            draft.unlink(missing_ok=True)
        return True

    def _lives(self, other: dict[str, Any]) -> bool:
        if other["job"] and other["job"] != self._me["job"]:
            running = is_running(other["job"])
            if running is not None:
                return running
        if other["host"] == self._me["host"]:
            return start_time(other["process"]) == other["started"]
        # Another machine without Slurm, or Slurm has started the job of a lost node again here.
        return self._beats()

    def _beats(self) -> bool:
        before, end = _touched(self.file), time.monotonic() + SILENCE_SECONDS
        while time.monotonic() < end:
            if _touched(self.file) != before:
                return True
            time.sleep(1)
        return False

    def _wait(self, other: dict[str, Any]) -> None:
        if not self._told:
            where = f"job {other['job']}" if other["job"] else f"process {other['process']}"
            print(f"waiting for {where} on {other['host']}, which works on this", flush=True)
        self._told = True
        time.sleep(BEAT_SECONDS)

    def _replace(self, other: dict[str, Any]) -> None:
        """Take a dead owner's file away; of several who try, one succeeds."""
        aside = self.file.with_name(f".{self.file.name}.{self._me['token']}")
        try:
            self.file.rename(aside)
        except FileNotFoundError:
            return
        if (_read(aside) or {}).get("token") == other["token"]:
            print(f"taking over from process {other['process']} on {other['host']}", flush=True)
        else:  # another has replaced it since we looked
            with suppress(FileExistsError):
                os.link(aside, self.file)
        aside.unlink()

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


def _read(file: Path) -> dict[str, Any] | None:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def _touched(file: Path) -> int | None:
    # Opening asks a network file system for the truth; a bare stat may answer from memory.
    try:
        with file.open() as handle:
            return os.fstat(handle.fileno()).st_mtime_ns
    except FileNotFoundError:
        return None


def start_time(process: int) -> str | None:
    """Return when a process of this machine started, so that a reused number is recognised."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]
