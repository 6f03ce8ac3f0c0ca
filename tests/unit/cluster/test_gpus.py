"""Jobs on one machine with several GPUs take different ones; nothing here needs a GPU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from refusing import refusing
from repository import ROOT
from sftstudy.cluster import gpus

SEES = f"import os; print(os.environ.get({gpus.VISIBLE!r}), flush=True); input()"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return os.environ | {"TMPDIR": str(tmp_path), gpus.VISIBLE: "0,1,GPU-2f,3"}


def start(environment: dict[str, str], number: int) -> "subprocess.Popen[str]":
    """Start a job that says what it sees and ends when its input ends."""
    command = [sys.executable, str(ROOT / "scripts" / "on_gpus.py"), str(number)]
    return subprocess.Popen(
        [*command, sys.executable, "-c", SEES],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def seen(job: "subprocess.Popen[str]") -> str:
    assert job.stdout is not None
    return job.stdout.readline().strip()


@pytest.mark.slow
def test_jobs_take_different_gpus_and_wait_for_those_that_are_missing(
    environment: dict[str, str],
) -> None:
    first = start(environment, 1)
    assert seen(first) == "0"
    second = start(environment, 2)
    assert seen(second) == "1,GPU-2f"
    third = start(environment, 2)
    assert seen(third).startswith("waiting for 2 of the GPUs")
    first.kill()  # whatever ends a job, its GPUs are free
    assert seen(third) == "0,3"
    for job in (second, third):
        job.communicate("\n", timeout=20)


@pytest.mark.parametrize("number", [0, 4, 5])
def test_a_job_that_sees_no_more_than_it_asked_for_keeps_what_it_sees(
    environment: dict[str, str], number: int
) -> None:
    job = start(environment, number)
    assert seen(job) == "0,1,GPU-2f,3"
    job.communicate("\n", timeout=20)


@pytest.mark.parametrize(("stated", "expected"), [("", []), ("2", ["2"]), (" 1, 3", ["1", "3"])])
def test_gpus_are_those_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, stated: str, expected: list[str]
) -> None:
    monkeypatch.setenv(gpus.VISIBLE, stated)
    assert gpus.visible() == expected


def test_names_that_look_alike_are_different_gpus_and_one_named_twice_is_one(
    environment: dict[str, str],
) -> None:
    environment[gpus.VISIBLE] = "MIG-a/1, MIG-a-1, MIG-a/1, MIG-b"
    job = start(environment, 2)
    assert seen(job) == "MIG-a/1,MIG-a-1"
    job.communicate("\n", timeout=20)


def test_where_files_cannot_be_locked_a_job_says_where_they_could(
    environment: dict[str, str],
) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "on_gpus.py"), "1", "true"]
    refused = refusing(flock="ENOLCK")
    done = subprocess.run([*refused, *command], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {environment['TMPDIR']}/sftstudy-gpus-")
    assert "cannot be locked (No locks available)" in done.stderr and "TMPDIR" in done.stderr
