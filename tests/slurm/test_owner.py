"""Who may write, decided without a scheduler: processes, heartbeats, several launched together."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from repository import ROOT
from sftstudy.cluster.site import read_site
from sftstudy.errors import StudyError
from sftstudy.run import owner
from sftstudy.run.owner import owned

HOLD = """
import sys, time
from pathlib import Path
from sftstudy.run import owner
owner.BEAT_SECONDS = 0.2
with owner.owned(Path(sys.argv[1])):
    print("owned", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def hold(file: Path, seconds: float) -> subprocess.Popen[str]:
    """Start a process that owns a file for a while; return when it does."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(file), str(seconds)],
        env=os.environ | {"PYTHONPATH": str(ROOT / "scripts")},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "owned\n"
    return process


def test_released_when_done(tmp_path: Path) -> None:
    with owned(tmp_path / "x.owner") as mine:
        mine.check()
    assert list(tmp_path.iterdir()) == []


def test_a_living_owner_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(owner, "BEAT_SECONDS", 0.1)
    other = hold(tmp_path / "x.owner", 1.0)
    with owned(tmp_path / "x.owner"):
        assert other.wait(timeout=10) == 0, "both own it"
    assert f"waiting for process {other.pid}" in capsys.readouterr().out


def test_a_killed_owner_is_replaced_at_once(tmp_path: Path) -> None:
    other = hold(tmp_path / "x.owner", 60)
    other.kill()
    other.wait()
    begun = time.monotonic()
    with owned(tmp_path / "x.owner") as mine:
        mine.check()
    assert time.monotonic() - begun < 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("beats", [True, False])
def test_on_another_machine_the_heartbeat_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beats: bool
) -> None:
    monkeypatch.setattr(owner, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(owner, "SILENCE_SECONDS", 1.5)
    file = tmp_path / "x.owner"
    other = hold(file, 6.0)
    if not beats:
        other.kill()
        other.wait()
    record = json.loads(file.read_text()) | {"host": "elsewhere"}
    file.write_text(json.dumps(record))  # the same token: its owner goes on touching it
    with owned(file):
        assert other.poll() is not None
    other.wait()


def test_who_was_replaced_may_not_write(tmp_path: Path) -> None:
    file = tmp_path / "x.owner"
    with owned(file) as mine:
        record = json.loads(file.read_text())
        file.write_text(json.dumps(record | {"token": "another"}))
        with pytest.raises(StudyError, match="another job has taken over"):
            mine.check()
    assert file.exists(), "what another owns is not released"


def test_limits_of_the_site(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(
        "jobs: 1\nwarn_seconds: 9\ncpu: {partition: c, max_hours: 1}\n"
        "gpu: {partition: g, max_hours: 10, max_mem_gb: 100}\n"
    )
    site, student = read_site(file), {"gpus": 1, "hours": 4, "mem_gb": 40}
    assert [site.minutes(student, attempt) for attempt in (1, 2, 3)] == [240, 480, 600]
    assert [site.mem_mb(student, attempt) // 1024 for attempt in (1, 2, 3)] == [40, 80, 100]
    assert site.place(student).partition == "g"
    assert site.place(student | {"gpus": 0}).partition == "c"
    assert site.mem_mb(student | {"mem_gb": 200}, 2) // 1024 == 200


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("jobs: many", "jobs: found 'many', expected a whole number"),
        ("jobs: 0", "expected more than 0"),
        ("job: 1", "unknown key 'job'"),
        ("", "the key 'jobs' is missing"),
    ],
)
def test_a_bad_site_names_its_key(tmp_path: Path, line: str, words: str) -> None:
    file = tmp_path / "site.yaml"
    place = "{partition: p, max_hours: 1}"
    file.write_text(f"{line}\nwarn_seconds: 9\ngpu: {place}\ncpu: {place}\n")
    with pytest.raises(StudyError) as caught:
        read_site(file)
    assert words in str(caught.value) and "site.yaml" in str(caught.value)
