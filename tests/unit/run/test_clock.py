"""Files from the future, whose time can or cannot be set."""

import os
import subprocess
import sys
import time
from pathlib import Path

from refusing import refusing
from repository import ROOT
from sftstudy.run.clock import bring_back

CODE = """
import sys
from sftstudy.cli import run
from sftstudy.run.clock import bring_back
run(lambda: bring_back(sys.argv[1:]))
"""


def test_only_files_from_the_future_get_the_present_time(tmp_path: Path) -> None:
    now = time.time()
    for name, ahead in {"past": -1000, "future": 1000}.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (now + ahead, now + ahead))
    names = [str(tmp_path / name) for name in ("past", "future", "missing")]
    assert bring_back(names) == [names[1]]
    assert abs((tmp_path / "future").stat().st_mtime - now) < 60
    assert (tmp_path / "past").stat().st_mtime < now - 900


def test_a_time_that_cannot_be_set_is_told_with_its_file(tmp_path: Path) -> None:
    """A file of another user, which everybody may write: only its owner may set its time."""
    file = tmp_path / "future"
    file.touch()
    os.utime(file, (time.time() + 1000,) * 2)
    done = subprocess.run(
        [*refusing(utime="EPERM"), sys.executable, "-c", CODE, file],
        env=os.environ | {"PYTHONPATH": str(ROOT / "scripts")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {file}: its time lies ")
    assert "(Operation not permitted)" in done.stderr and "have its owner touch it" in done.stderr
