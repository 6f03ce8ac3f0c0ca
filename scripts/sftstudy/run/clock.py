"""Files from the future: what a clock that was ahead has left behind.

Snakemake fails a job whose output looks older than an input, and removes the output, a checkpoint
that took a day included. So before the first job inputs from the future get the present time.
"""

import os
import time
from collections.abc import Iterable
from pathlib import Path

from sftstudy.errors import StudyError
from sftstudy.run.snakemake_internals.run import TIMESTAMP

TOLERANCE_SECONDS = 2.0  # some file systems keep times no finer


def bring_back(files: Iterable[str]) -> list[str]:
    """Set the times of files and folders that lie in the future to now; return which.

    Raises `StudyError` where that fails.
    """
    now = time.time()
    found = []
    for name in sorted(set(files)):
        for path in (Path(name), Path(name) / TIMESTAMP):
            try:
                ahead = path.lstat().st_mtime - now
            except (FileNotFoundError, NotADirectoryError):
                continue
            if ahead > TOLERANCE_SECONDS:
                try:
                    os.utime(path, (now, now), follow_symlinks=False)
                except OSError as error:
                    raise StudyError(
                        f"{path}: its time lies {ahead:.0f} s in the future and cannot be set "
                        f"({error.strerror}); Snakemake would fail the jobs that read it and "
                        "remove what they have made: have its owner touch it, or wait so long"
                    ) from None
                found.append(name)
    return sorted(set(found))
