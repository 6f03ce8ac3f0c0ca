"""Files from the future: what a clock that was ahead has left behind.

Snakemake fails a job whose output looks older than an input, and removes the output, a checkpoint
that took a day included. So before the first job inputs from the future get the present time.
"""

import os
import time
from collections.abc import Iterable
from pathlib import Path

from sftstudy.run.snakemake_internals.run import TIMESTAMP

TOLERANCE_SECONDS = 2.0  # some file systems keep times no finer


def bring_back(files: Iterable[str]) -> list[str]:
    """Set the times of files and folders that lie in the future to now; return which."""
    now = time.time()
    found = []
    for name in sorted(set(files)):
        for path in (Path(name), Path(name) / TIMESTAMP):
            try:
                ahead = path.lstat().st_mtime - now
            except (FileNotFoundError, NotADirectoryError):
                continue
            if ahead > TOLERANCE_SECONDS:
                os.utime(path, (now, now), follow_symlinks=False)
                found.append(name)
    return sorted(set(found))
