"""One owner at a time, on file systems of every kind and whatever is killed at whatever moment."""

import errno
import json
import os
import random
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from refusing import refusing
from repository import ROOT
from sftstudy.errors import StudyError
from sftstudy.run import owner
from sftstudy.run.owner import Owner, owned

ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT / "scripts")}
LINK_ERRORS = ["EPERM", "ENOTSUP", "ENOSYS", "EMLINK", "EXDEV"]

# Owns a file again and again; who owns it at the same time has left its number in `inside`.
RACE = """
import os, random, sys, time
from pathlib import Path
from sftstudy.run import owner

started = owner.start_time
owner.BEAT_SECONDS = 0.02
owner.SILENCE_SECONDS = 3
file, inside, end = Path(sys.argv[1]), Path(sys.argv[2]), time.time() + float(sys.argv[3])
while time.time() < end:
    with owner.owned(file) as mine:
        other = inside.read_text()
        assert not other or not owner.lives(int(other), started(int(other))), "two owners"
        me = str(os.getpid())
        inside.write_text(me)
        time.sleep(random.random() / 20)
        mine.check()
        assert inside.read_text() == me, "two owners"
        inside.write_text("")
        print("owned", flush=True)
"""


@pytest.mark.slow
def test_of_many_that_are_killed_one_owns_whether_there_are_hard_links_or_not(
    tmp_path: Path,
) -> None:
    """A mixed cluster: for half of them the file system refuses links."""
    inside, folder = tmp_path / "inside", tmp_path / "scratch"
    inside.touch()
    without_links = refusing(link="ENOTSUP")
    end = time.monotonic() + 5
    racers: list[subprocess.Popen[str]] = []
    killed = 0
    while time.monotonic() < end:
        while len([racer for racer in racers if racer.poll() is None]) < 6:
            command = [sys.executable, "-c", RACE, folder / "x.owner", inside]
            racers.append(
                subprocess.Popen(
                    [*(without_links if len(racers) % 2 else []), *command, "4"],
                    env=ENVIRONMENT,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
            )
        time.sleep(0.2 + random.random() / 10)
        owning = inside.read_text()
        for racer in racers:
            if owning == str(racer.pid):
                racer.kill()
                killed += 1
    said = "".join(racer.communicate(timeout=60)[0] for racer in racers)
    assert "Error" not in said, said
    assert killed > 3 and said.count("taking over from process") >= killed - 1
    assert said.count("owned\n") > 10
    assert list(folder.iterdir()) in ([], [folder / "x.owner"])  # of one killed last


@pytest.mark.parametrize("error", LINK_ERRORS)
def test_a_file_is_owned_where_links_are_refused(tmp_path: Path, error: str) -> None:
    code = (
        "import sys; from pathlib import Path; from sftstudy.run.owner import owned\n"
        "with owned(Path(sys.argv[1])) as mine: mine.check(); print('owned')"
    )
    command = [*refusing(link=error), sys.executable, "-c", code, tmp_path / "x.owner"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("owned\n", "")


# After a kill between making and writing; after a power cut.
@pytest.mark.parametrize("left", [b"", b'{"token": "5', bytes(64)])
def test_an_owner_that_left_no_name_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: bytes
) -> None:
    monkeypatch.setattr(owner, "SILENCE_SECONDS", 1.0)
    (tmp_path / "x.owner").write_bytes(left)
    begun = time.monotonic()
    with owned(tmp_path / "x.owner") as mine:
        mine.check()
    assert time.monotonic() - begun > 1, "it might have been writing"
    assert list(tmp_path.iterdir()) == []


def test_an_owner_that_is_writing_its_name_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "SILENCE_SECONDS", 3.0)
    monkeypatch.setattr(owner, "BEAT_SECONDS", 0.1)
    file = tmp_path / "x.owner"
    file.touch()
    times = []

    def write_and_end() -> None:
        time.sleep(0.5)
        file.write_text(json.dumps(Owner(file)._me))
        time.sleep(1.5)
        times.append(time.monotonic())
        file.unlink()

    other = threading.Thread(target=write_and_end)
    other.start()
    with owned(file):
        times.append(time.monotonic())
    other.join()
    assert times == sorted(times) and len(times) == 2


def test_who_wrote_too_slowly_does_not_own_what_another_has_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if it had stood still for more than `SILENCE_SECONDS` between making and writing."""
    file = tmp_path / "x.owner"
    another = json.dumps(Owner(file)._me)

    def replaced_meanwhile(_: int) -> None:
        file.unlink()
        file.write_text(another)

    monkeypatch.setattr(owner, "flush", replaced_meanwhile)
    assert not Owner(file)._create()
    assert file.read_text() == another


def test_a_name_that_does_not_fit_on_the_disk_is_not_left_half(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(StudyError, match="the disk is full"), owned(tmp_path / "x.owner"):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_one_that_was_killed_while_it_replaced_another_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "SILENCE_SECONDS", 1.0)
    file = tmp_path / "x.owner"
    file.touch()
    (tmp_path / ".x.owner.replacing").touch()
    with owned(file) as mine:
        mine.check()
    assert list(tmp_path.iterdir()) == []


def test_who_has_been_replaced_already_is_not_replaced_again(tmp_path: Path) -> None:
    file = tmp_path / "x.owner"
    dead, living, third = (Owner(file) for _ in range(3))
    assert living._create()
    third._replace(dead._me)
    living.check()
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_another_machine_removes_while_it_is_read_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stale(*_: object, **__: object) -> str:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", stale)
        patch.setattr(Path, "open", stale)
        assert owner._read(tmp_path) is None and owner._touched(tmp_path) is None


def test_a_process_is_known_by_its_number_and_start() -> None:
    me = os.getpid()
    assert owner.lives(me, owner.start_time(me)) is True
    assert owner.lives(me, "1") is False, "the number was given again"
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert owner.lives(child.pid, owner.start_time(child.pid)) is False, "it only waits for us"
    child.wait()
    assert owner.lives(child.pid, None) is False


HIDDEN = """
import os, subprocess, sys
from sftstudy.run import owner
assert owner.start_time(os.getpid()) is None
child = subprocess.Popen(["true"])
child.wait()
print(owner.lives(os.getpid(), "1"), owner.lives(child.pid, None))
"""


def test_where_processes_are_hidden_only_those_that_are_no_more_are_dead() -> None:
    """Without /proc; the processes of other users look like that on many login nodes."""
    hide = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"]
    if subprocess.run([*hide, "true"], capture_output=True).returncode:
        pytest.skip("cannot mount anything over /proc")
    done = subprocess.run(
        [*hide, sys.executable, "-c", HIDDEN], env=ENVIRONMENT, capture_output=True, text=True
    )
    assert done.stdout == "None False\n", done.stderr
