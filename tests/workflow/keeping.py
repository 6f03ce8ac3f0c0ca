"""Running `tools/keep_results.py` on the mini study, and reading what it says."""

import re
import subprocess
import sys
from pathlib import Path

from workflow.running import MINI


def keep(checkout: Path, *arguments: str) -> tuple[int, str]:
    """Return its exit status, and all that it prints."""
    command = [sys.executable, "tools/keep_results.py", "--configfile", MINI, *arguments]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def counts(text: str) -> dict[str, tuple[int, int]]:
    """Return of each rule how many jobs were kept, and how many are to run."""
    rows = re.findall(r"^(\w+) +(\d+) +(\d+)\b", text, flags=re.MULTILINE)
    return {rule: (int(kept), int(run)) for rule, kept, run in rows}
