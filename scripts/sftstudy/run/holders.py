"""Who runs Snakemake in this folder: its lock does not say, so runs leave their names beside it."""

import getpass
import json
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from sftstudy.files.writing import write_json
from sftstudy.run.owner import lives, start_time
from sftstudy.run.snakemake_internals.run import locks

FOLDER = "sftstudy-runs"  # in .snakemake


def begin(snakemake: Path) -> None:
    """Leave the name of this run, and remove those of runs of this machine that are dead.

    `snakemake` is Snakemake's own folder.
    """
    for file, run in _runs(snakemake):
        if _lives(run) is False:
            file.unlink(missing_ok=True)
    name = {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "started": start_time(os.getpid()),
        "user": _user(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    write_json(_own(snakemake), name)


def end(snakemake: Path) -> bool:
    """Remove the name of this run; return whether it had left one."""
    try:
        _own(snakemake).unlink()
    except FileNotFoundError:
        return False
    return True


def is_locked(snakemake: Path) -> bool:
    """Return whether any run holds locks in this folder, whatever they are for."""
    return bool(locks(snakemake))


def holders(snakemake: Path) -> str:
    """Return, for people, who holds the lock of a folder, and what to do."""
    lines = [_told(run) for _, run in _runs(snakemake)]
    if not lines:
        since = min((f.stat().st_mtime for f in locks(snakemake)), default=time.time())
        lines = [
            f"a run since {time.ctime(since)} that has started no job yet, or was killed before: "
            "wait a minute; only if no snakemake runs in this folder, on any machine, run it with "
            "--unlock"
        ]
    return "\n".join(f"The lock is held by {line}." for line in lines)


def _told(run: dict[str, Any]) -> str:
    who = f"process {run['process']} on {run['host']} (user {run['user']}, since {run['since']})"
    lives = _lives(run)
    if lives is None:
        return f"{who}; look there whether it lives: only if it does not, run with --unlock"
    if lives:
        return f"{who}, which is running: wait for it, or end it; do not use --unlock"
    return f"{who}, which is dead: run with --unlock, then the same command again"


def _lives(run: dict[str, Any]) -> bool | None:
    """Say whether a run lives; None where only its own machine, or its own user, can tell."""
    if run["host"] != socket.gethostname():
        return None
    return lives(run["process"], run["started"])


def _runs(snakemake: Path) -> list[tuple[Path, dict[str, Any]]]:
    found = []
    for file in sorted(snakemake.glob(f"{FOLDER}/*.json")):
        with suppress(FileNotFoundError):  # it has ended just now
            found.append((file, json.loads(file.read_text(encoding="utf-8"))))
    return found


def _own(snakemake: Path) -> Path:
    return snakemake / FOLDER / f"{socket.gethostname()}-{os.getpid()}.json"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no name for this number, as in some containers
        return str(os.getuid())
