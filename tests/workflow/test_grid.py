"""The cost of planning a large grid grows with its jobs, no faster: counted, not timed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from workflow.running import copy_repository

pytestmark = pytest.mark.slow

COUNT = """
import cProfile, pstats, sys
from snakemake.cli import main
profile = cProfile.Profile()
try:
    profile.runcall(main)
except SystemExit as leaving:
    assert not leaving.code, leaving.code
print("calls", pstats.Stats(profile).total_calls)
"""


def count(checkout: Path, trials: int) -> tuple[int, int]:
    """Return the jobs of a study of one student, and the function calls of its dry run."""
    config = yaml.safe_load((checkout / "config/config.yaml").read_text(encoding="utf-8"))
    config["students"] = config["students"][:1]
    config["space"] = {"learning_rate": [1e-6 * (n + 1) for n in range(trials)]}
    (checkout / "grid.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    options = ["--profile", "profiles/local", "--configfile", "grid.yaml", "--dry-run"]
    done = subprocess.run(
        [sys.executable, "-c", COUNT, *options, "--quiet", "host"],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=True,
    )
    (jobs,) = set(re.findall(r"^total +(\d+)$", done.stdout, re.MULTILINE))
    return int(jobs), int(re.search(r"^calls (\d+)$", done.stdout, re.MULTILINE)[1])


def test_calls_of_a_dry_run_per_job(tmp_path: Path) -> None:
    checkout = copy_repository(tmp_path / "checkout")
    few, many = count(checkout, 10), count(checkout, 40)
    per_job = (many[1] - few[1]) / (many[0] - few[0])
    assert many[0] - few[0] == 30 * 4 * 12
    # Snakemake 9.27.1: 9,171, of which 600 for the files that tell which rows fit, inputs of every
    # prediction; with files of code as inputs of every job it was 16,300.
    assert per_job < 9_500, f"{per_job:,.0f} function calls for every further job"
