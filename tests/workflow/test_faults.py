"""What machines do to a run of Snakemake: clocks that jump, folders of others, two runs at once."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sftstudy.files.reading import read_json
from workflow.chaos import contents
from workflow.running import MINI, SNAKEMAKE, plan, snakemake

pytestmark = pytest.mark.slow

STUDY = ("--configfile", MINI)
CELL = "results/mini/metrics/smoke/base/ifeval.json"
YEAR_2096 = 4e9
RUNS = ".snakemake/sftstudy-runs/*.json"


@pytest.fixture
def checkout(mini: Path, tmp_path: Path) -> Path:
    """A copy of the finished mini study that a test may spoil."""
    return shutil.copytree(mini, tmp_path / "checkout", symlinks=True)


@pytest.mark.parametrize("seconds", [1e9, YEAR_2096])
def test_files_of_another_time_rerun_nothing(checkout: Path, seconds: float) -> None:
    """Snakemake compares the contents of files, whatever their time says."""
    for folder in ("scripts", "results/mini/recipes", "results/mini/metrics"):
        for file in (checkout / folder).rglob("*.*"):
            os.utime(file, (seconds, seconds))
    assert plan(checkout, *STUDY).rules == {}


def test_inputs_from_the_future_do_not_fail_a_job(checkout: Path) -> None:
    """A data file and a folder: Snakemake would call the output older and remove it."""
    cell = (checkout / CELL).read_bytes()
    predictions = checkout / "results/mini/predictions/smoke/base/ifeval.jsonl"
    data = checkout / "results/mini/data/ifeval/test.jsonl"
    stamp = checkout / "results/mini/checkpoints/smoke/base/.snakemake_timestamp"
    inputs = [predictions, data, stamp]
    predictions.unlink()
    for file in inputs:
        if file != predictions:
            os.utime(file, (YEAR_2096, YEAR_2096))
    done = snakemake(checkout, *STUDY, "--", CELL)
    assert "inputs were from the future" in done.stderr
    assert all(file.stat().st_mtime <= time.time() for file in inputs)
    assert (checkout / CELL).read_bytes() == cell
    assert plan(checkout, *STUDY, "--", CELL).rules == {}


def test_a_folder_with_a_later_time_is_cleared_by_touch(checkout: Path) -> None:
    """Folders are compared by time: this one would have everything trained again."""
    before = contents(checkout)
    stamp = checkout / "results/mini/checkpoints/smoke/base/.snakemake_timestamp"
    os.utime(stamp, (YEAR_2096, YEAR_2096))
    assert plan(checkout, *STUDY).rules["train"] == 2
    snakemake(checkout, "--touch", *STUDY)
    assert plan(checkout, *STUDY).rules == {}
    assert contents(checkout) == before


@pytest.fixture
def read_only(checkout: Path) -> Iterator[Path]:
    """The results of a finished study, mounted read-only: root may write wherever it wants."""
    results = checkout / "results/mini"
    for command in (["--bind", results, results], ["-o", "remount,ro,bind", results]):
        done = subprocess.run(["mount", *command], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"cannot mount a folder read-only: {done.stderr.strip()}")
    yield checkout
    subprocess.run(["umount", results], check=True)


def test_read_only_results(read_only: Path) -> None:
    """They can be looked at; what would write says so, and nothing is lost."""
    before = contents(read_only)
    assert "Nothing to be done" in snakemake(read_only, *STUDY).stderr
    done = snakemake(read_only, "--forcerun", "collate", *STUDY, check=False)
    assert done.returncode == 1 and "Write-protected output files" in done.stderr
    assert contents(read_only) == before


def killed_while(checkout: Path, program: str, *arguments: str) -> None:
    """Run the study until a program runs, SIGKILL Snakemake alone, and let the program end."""
    process = subprocess.Popen(
        [str(SNAKEMAKE), "--profile", "profiles/smoke", *STUDY, *arguments],
        cwd=checkout,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    children = []
    while not children:
        assert process.poll() is None, "it was never started"
        time.sleep(0.05)
        children = [c for c in psutil.Process(process.pid).children(True) if program in _words(c)]
    process.kill()
    process.wait()
    psutil.wait_procs(children, timeout=120)
    snakemake(checkout, "--unlock", *STUDY)


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def test_a_training_that_outlives_its_snakemake_is_not_done_again(checkout: Path) -> None:
    """Snakemake calls its checkpoint incomplete, removes it, and runs the job again."""
    before = contents(checkout)
    results = checkout / "results/mini"
    trial = "checkpoints/smoke/banking77/lr0.001"
    killed_while(checkout, "scripts/train.py", "--force", f"results/mini/{trial}")
    trained = (results / trial / "provenance.json").read_bytes()
    record = read_json(results / "records" / f"{trial}.json")
    assert plan(checkout, *STUDY).rules["train"] == 1, "Snakemake does not know"

    # A run of something else must leave the copy alone.
    other = "results/mini/metrics/smoke/pubmedqa/lr0.001/ifeval.json"
    snakemake(checkout, *STUDY, "--force", other)
    assert list(results.glob("scratch/*/.finished"))

    snakemake(checkout, *STUDY)
    log = (results / "logs" / f"{trial}.log").read_text(encoding="utf-8")
    assert "published again" in log and "step " not in log
    assert (results / trial / "provenance.json").read_bytes() == trained, "its times included"
    again = read_json(results / "records" / f"{trial}.json")
    for key in ("facts", "outputs", "inputs"):
        assert again[key] == record[key], key
    assert not list(results.glob("scratch/*")), "what Snakemake has recorded needs no copy"
    assert contents(checkout) == before


def test_a_prediction_that_outlives_its_snakemake_is_not_done_again(checkout: Path) -> None:
    before = contents(checkout)
    folder = "results/mini/predictions/smoke/banking77/lr0.001"
    shutil.rmtree(checkout / folder / ".journal")
    killed_while(checkout, "scripts/predict.py", "--force", f"{folder}/ifeval.jsonl")
    snakemake(checkout, *STUDY)
    log = checkout / "results/mini/logs/predictions/smoke/banking77/lr0.001/controls.log"
    assert "ifeval.jsonl: 10 replies, 10 known before" in log.read_text(encoding="utf-8")
    assert contents(checkout) == before


def started(checkout: Path) -> "subprocess.Popen[bytes]":
    """Return a run that is about to start its first job."""
    process = subprocess.Popen(
        [str(SNAKEMAKE), "--profile", "profiles/smoke", *STUDY, "--forcerun", "collate"],
        cwd=checkout,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not list(checkout.glob(RUNS)):
        assert process.poll() is None
        time.sleep(0.05)
    return process


def test_two_runs_at_once(checkout: Path) -> None:
    """The second names the first and what to do; the first is not disturbed."""
    first = started(checkout)
    first.send_signal(signal.SIGSTOP)  # it must still be there when the second comes
    second = snakemake(checkout, *STUDY, "--forcerun", "collate", check=False)
    first.send_signal(signal.SIGCONT)
    assert second.returncode == 1
    assert "cannot be locked" in second.stderr and str(checkout) in second.stderr
    who = f"held by process {first.pid} on {socket.gethostname()}"
    assert who in second.stderr and "which is running: wait for it" in second.stderr
    assert first.wait() == 0
    assert not list(checkout.glob(RUNS))

    first = started(checkout)
    first.kill()
    first.wait()
    second = snakemake(checkout, *STUDY, "--forcerun", "collate", check=False)
    assert f"held by process {first.pid}" in second.stderr
    assert "which is dead: run with --unlock" in second.stderr
    done = snakemake(checkout, "--unlock", *STUDY)
    assert "held by" not in done.stderr
    done = snakemake(checkout, *STUDY, "--forcerun", "collate")
    assert "held by" not in done.stderr
    assert not list(checkout.glob(RUNS)), "the dead run's name goes with the next run"
