"""Jobs of a Snakemake that was killed: they go on, and the next run would submit them again."""

import shutil
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from sftstudy.cluster.queue import is_running
from sftstudy.errors import StudyError

NAME_PREFIX = "sftstudy_"  # slurm-jobname-prefix of profiles/slurm
_END_SECONDS = 120


def stop(wanted: set[str], folder: Path, save_seconds: float) -> None:
    """End jobs of an earlier run of this folder that are about to be submitted again.

    `wanted` are the comments under which they were submitted; see `Run.slurm_comments`.

    Jobs of another Snakemake that works in this folder now are not among `wanted`: its lock keeps
    it and this one from making the same files. What has not begun is cancelled. What runs gets
    SIGTERM first and `save_seconds` to save its state, from which the new job goes on.
    """
    if shutil.which("squeue") is None:
        return
    left = {job: state for job, comment, state in _queued(folder) if comment in wanted}
    if not left:
        return
    print(f"Stopping jobs of an earlier run that was killed: {', '.join(left)}", flush=True)
    running = [job for job, state in left.items() if state != "PENDING"]
    if running:
        _scancel("--signal=TERM", *running)
        _wait(running, save_seconds)
    _scancel(*left)
    alive = _wait(left, _END_SECONDS)
    if alive:
        raise StudyError(
            f"the Slurm jobs {', '.join(alive)} of an earlier run do not end; look at them with "
            "`scontrol show job`, and start again when they are gone"
        )


def _queued(folder: Path) -> list[tuple[str, str, str]]:
    """Return number, comment and state of the user's jobs that were submitted from a folder."""
    command = ["squeue", "--me", "--noheader", "--format=%i\t%T\t%j\t%k\t%Z"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StudyError(f"squeue: {done.stderr.strip()}; is this machine part of the cluster?")
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return [
        (job, comment, state)
        for job, state, name, comment, submitted_from in rows
        if name.startswith(NAME_PREFIX) and submitted_from == str(folder)
    ]


def _scancel(*arguments: str) -> None:
    # A job that has ended meanwhile makes it fail: what counts is what is still there afterwards.
    subprocess.run(["scancel", *arguments], capture_output=True, check=False)


def _wait(jobs: Iterable[str], seconds: float) -> list[str]:
    """Wait until jobs have ended; return those that have not."""
    end = time.monotonic() + seconds
    alive = list(jobs)
    while alive := [job for job in alive if is_running(job) is not False]:
        if time.monotonic() >= end:
            break
        time.sleep(1)
    return alive
