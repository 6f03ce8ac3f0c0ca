"""What a run prints: a line per job, how far each stage is, and what Snakemake prints if asked."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from repository import ROOT
from sftstudy.run.snakemake_internals.log import EVERY_SECONDS, Progress, _cut

TRAIN, SCORE = ("a", "train"), ("a", "score")
SNAKEFILE = f"""
import sys
sys.path.insert(0, {str(ROOT / "scripts")!r})
from sftstudy.run.snakemake_internals.log import shorten
shorten(workflow)

rule all:
    input: "report"

rule train:
    output: "{{student}}/{{n}}"
    log: "{{student}}-{{n}}.log"
    message: "Training {{wildcards.student}}, {{wildcards.n}}"
    shell: "echo because > {{log}}; test {{wildcards.n}} != {{config[fails]}}; touch {{output}}"

rule report:
    input: expand("a/{{n}}", n=range(9))
    output: "report"
    message: "Writing the report"
    shell: "touch {{output}}"
"""
TIME = r"^\[\w{3} \d\d:\d\d:\d\d\] "


def run(folder: Path, *options: str, fails: str = "none") -> str:
    """Run the study of a Snakefile as a profile does; return all that was printed."""
    (folder / "Snakefile").write_text(SNAKEFILE)
    snakemake = [Path(sys.executable).with_name("snakemake"), "--cores", "1", "--show-failed-logs"]
    done = subprocess.run(
        [*snakemake, "--config", f"fails={fails}", *(options or ("--quiet", "host", "reason"))],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.stdout


def test_a_job_is_a_line_and_progress_is_told_by_stage(tmp_path: Path) -> None:
    text = run(tmp_path)
    told = [re.sub(TIME, "", line) for line in text.splitlines() if re.match(TIME, line)]
    assert sorted(told[:9]) == [f"Training a, {n}" for n in range(9)]
    assert told[9:] == [
        "train 9 of 9, report 0 of 1",
        "Writing the report",
        "train 9 of 9, report 1 of 1",
    ]
    for noise in ("Reason", "missing output", "Select jobs", "Execute", "Finished", "localrule"):
        assert noise.lower() not in text.lower(), noise
    assert text.count("Job stats:") == 1
    [log] = tmp_path.glob(".snakemake/log/*.log")
    kept = [line for line in log.read_text().splitlines() if re.match(TIME, line)]
    assert [re.sub(TIME, "", line) for line in kept] == told, "the file as the terminal"


def test_a_failed_job_is_told_with_its_log(tmp_path: Path) -> None:
    text = run(tmp_path, fails="3")
    assert "Error in rule train:" in text and "log: a-3.log" in text
    assert re.search(r"^Logfile a-3\.log:\n=+\nbecause\n=+$", text, re.MULTILINE)


def test_a_dry_run_gives_reasons_without_endless_lists(tmp_path: Path) -> None:
    text = run(tmp_path, "--quiet", "host", "reason", "--dry-run")
    assert "Training a, 0\n    Missing output files: a/0\n" in text
    [reason] = re.findall(r"^Writing the report\n    (.*)$", text, re.MULTILINE)
    assert re.fullmatch(
        r"Missing output files: report; "
        r"Input files updated by another job: a/\d, a/\d, and 7 more",
        reason,
    )


@pytest.mark.slow
def test_a_job_that_runs_again_says_why_in_short(tmp_path: Path) -> None:
    run(tmp_path)
    for name in ("0", "1"):
        (tmp_path / "a" / name).touch()
    options = ("--quiet", "host", "reason", "--forcerun", "train", "--rerun-triggers", "mtime")
    text = run(tmp_path, *options)
    assert re.search(TIME + r"Training a, 0 \(Forced execution\)$", text, re.MULTILINE)
    assert re.search(TIME + r"Writing the report$", text, re.MULTILINE), "its input was made anew"
    long = _cut("Params have changed since last execution: " + "x" * 5000, 100)
    assert len(long) == 100 and long.startswith("Params have changed") and long.endswith(" …")


def test_the_log_of_snakemake_is_there_for_those_who_ask(tmp_path: Path) -> None:
    text = run(tmp_path, "--quiet", "host")
    reason = r"^Reason: Missing output files: report; Input files updated by another job: (.*)$"
    [files] = re.findall(reason, text, re.MULTILINE)
    assert sorted(files.split(", ")) == [f"a/{n}" for n in range(9)]
    assert "10 of 11 steps" in text


@pytest.fixture
def progress() -> Progress:
    """Two trainings and two hundred scores of one student, and the target, which is no job."""
    return Progress(Counter({TRAIN: 2, SCORE: 200, ("", "all"): 1}))


def test_progress_is_told_by_time_and_by_stage(progress: Progress) -> None:
    for job, seconds in enumerate(range(0, 200, 10)):
        progress.start(job, SCORE, "", seconds)
        progress.end(job, seconds + 10)
        assert progress.is_due(seconds + 10) == ((seconds + 10) % EVERY_SECONDS == 0)
    assert progress.text(200).startswith("train 0 of 2, score 20 of 200")
    for job in (901, 902):
        progress.start(job, TRAIN, "", 200)
        progress.end(job, 201)
        assert progress.is_due(201) == (job == 902), "the stage is complete"


def test_time_left_is_that_of_jobs_alike_as_many_at_a_time_as_so_far(progress: Progress) -> None:
    for job in range(100):
        progress.start(job, SCORE, "", 0)
        progress.end(job, 50)
    assert progress.seconds_left(50) is None, "no training has ended"
    progress.start(901, TRAIN, "", 50)
    progress.start(902, TRAIN, "", 50)
    progress.end(901, 100)
    # 100 jobs of 50 s and two of 50 s so far in 100 s: 51 at a time.
    assert progress.seconds_left(100) == pytest.approx(100 * 50 / 51)
    assert progress.text(100) == "train 1 of 2, score 100 of 200; roughly 2 min left"


def test_jobs_that_a_checkpoint_brings_are_counted() -> None:
    progress = Progress(Counter({TRAIN: 1, ("a", "choose"): 1}))
    for job, kind in enumerate((TRAIN, ("a", "choose"))):
        progress.start(job, kind, "", 0)
        assert progress.is_checkpoint(job) == (kind != TRAIN)
        progress.end(job, 1)
    progress.plan_anew(Counter({TRAIN: 2, ("", "all"): 1}))
    assert progress.text(1).startswith("train 1 of 3, report 1 of 1")
