"""What a run prints at its end, and while it works, on the real workflow."""

import re
import shutil
from pathlib import Path

import pytest

from sftstudy.files.reading import read_json
from sftstudy.recommendation.headline import headline
from workflow.running import MINI, snakemake

pytestmark = pytest.mark.slow

STUDY = ("--configfile", MINI)
CELL = "results/mini/metrics/smoke/base/ifeval.json"


def last_words(checkout: Path) -> list[str]:
    """The two lines that a run ends with."""
    document = read_json(checkout / "results/mini/recommendations/smoke.json")
    return [headline(document), f"Report: {checkout}/results/mini/report/index.html"]


def test_a_study_that_is_up_to_date_tells_its_verdict(mini: Path) -> None:
    done = snakemake(mini, *STUDY)
    assert "Nothing to be done" in done.stderr
    assert done.stdout.splitlines() == last_words(mini)


def test_one_cell_and_a_dry_run_tell_none(mini: Path) -> None:
    assert "Nothing to be done" in snakemake(mini, *STUDY, "--", CELL).stderr
    for options in (["--", CELL], ["--dry-run"], ["--unlock"], ["--summary"]):
        text = snakemake(mini, *STUDY, *options).stdout
        assert "Report:" not in text and "RECOMMENDED" not in text, options


def test_a_run_that_makes_the_report_ends_with_the_verdict(mini: Path, tmp_path: Path) -> None:
    checkout = shutil.copytree(mini, tmp_path / "checkout", symlinks=True)
    done = snakemake(checkout, *STUDY, "--forcerun", "report")
    assert done.stdout.splitlines()[-2:] == last_words(checkout)
    jobs = [line.split("] ")[1] for line in done.stderr.splitlines() if re.match(r"\[\w{3} ", line)]
    assert jobs == ["Writing the report (Forced execution)", "report 1 of 1"]
    assert max(map(len, done.stderr.splitlines())) < 200
    # One cell that is made again: its job is told, and no verdict.
    done = snakemake(checkout, *STUDY, "--force", CELL)
    assert "Scoring smoke base on ifeval" in done.stderr and done.stdout == ""


def test_a_run_that_fails_tells_no_verdict(mini: Path, tmp_path: Path) -> None:
    checkout = shutil.copytree(mini, tmp_path / "checkout", symlinks=True)
    (checkout / "scripts/report.py").write_text("raise SystemExit('no report today')")
    done = snakemake(checkout, *STUDY, "--forcerun", "report", check=False)
    assert done.returncode == 1 and "no report today" in done.stderr
    assert "Report:" not in done.stdout
