"""Files are written completely or not at all."""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from refusing import refusing
from repository import ROOT
from sftstudy.errors import StudyError
from sftstudy.files.temporaries import beside
from sftstudy.files.writing import (
    atomic_path,
    atomic_paths,
    permit,
    write_json,
    write_jsonl,
    write_text,
)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_not_a_number_is_never_written(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        write_json(tmp_path / "a.json", {"a": value})
    with pytest.raises(ValueError, match="Out of range"):
        write_jsonl(tmp_path / "a.jsonl", [{"a": value}])
    assert not list(tmp_path.iterdir())


def test_failed_write_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "before")
    with pytest.raises(KeyboardInterrupt), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


WRITE = """
import sys, time
from pathlib import Path
from sftstudy.cli import run
from sftstudy.files.writing import atomic_paths

def main():
    with atomic_paths(*map(Path, sys.argv[1:])) as [file, folder]:
        file.write_text("half")
        folder.mkdir()
        (folder / "weights").write_text("half")
        print("writing", flush=True)
        time.sleep(60)

run(main)
"""


def start_writing(*paths: Path) -> subprocess.Popen[str]:
    """Start a program that is in the middle of writing a file and a folder when this returns."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE, *map(str, paths)],
        env=os.environ | {"PYTHONPATH": str(ROOT / "scripts")},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "writing\n"
    return process


def test_sigterm_ends_a_program_and_leaves_nothing(tmp_path: Path) -> None:
    process = start_writing(tmp_path / "file", tmp_path / "folder")
    assert len(list(tmp_path.iterdir())) == 2
    process.terminate()
    assert process.wait(timeout=10) == 143
    assert not list(tmp_path.iterdir())


def test_what_a_killed_writer_left_goes_with_the_next_write(tmp_path: Path) -> None:
    killed = start_writing(tmp_path / "file", tmp_path / "folder")
    killed.kill()
    killed.wait()
    living = start_writing(tmp_path / "file", tmp_path / "folder")
    left = set(tmp_path.iterdir())
    assert len(left) == 2, "the temporaries of the one that lives"
    write_text(tmp_path / "other", "content")
    assert set(tmp_path.iterdir()) == left | {tmp_path / "other"}
    living.kill()
    living.wait()
    write_text(tmp_path / "other", "content")
    assert list(tmp_path.iterdir()) == [tmp_path / "other"]


def test_two_writers_of_one_folder_both_succeed(tmp_path: Path) -> None:
    """A job that outlived its Snakemake, and the one that was started again."""

    def write(content: str) -> None:
        for _ in range(25):
            with atomic_path(tmp_path / "folder") as folder:
                folder.mkdir()
                (folder / "weights").write_text(content)

    with ThreadPoolExecutor() as pool:
        list(pool.map(write, ["one", "two"]))
    assert list(tmp_path.iterdir()) == [tmp_path / "folder"]
    assert (tmp_path / "folder" / "weights").read_text() in ("one", "two")


def test_folder_replaces_folder(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    for name in ("old", "new"):
        with atomic_path(target) as temporary:
            temporary.mkdir()
            (temporary / name).write_text(name)
    assert [path.name for path in target.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [target]


def test_several_files_appear_together_or_not_at_all(tmp_path: Path) -> None:
    paths = [tmp_path / "a" / "1", tmp_path / "b" / "2"]
    with pytest.raises(RuntimeError), atomic_paths(*paths) as temporaries:
        temporaries[0].write_text("one")
        raise RuntimeError
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    with pytest.raises(FileNotFoundError), atomic_paths(*paths) as temporaries:
        temporaries[0].write_text("one")  # the second is forgotten: none may appear
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    with atomic_paths(*paths) as temporaries:
        for temporary in temporaries:
            temporary.write_text("content")
    assert [path.read_text() for path in paths] == ["content", "content"]


def test_full_disk_is_a_readable_error(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="the disk is full"), atomic_path(tmp_path / "a"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert not list(tmp_path.iterdir())


def with_answers(code: str, *arguments: object, **answers: str) -> None:
    """Run code in a process to which the kernel refuses system calls."""
    head = "import os, sys; from pathlib import Path; from sftstudy.files import writing; "
    done = subprocess.run(
        [*refusing(**answers), sys.executable, "-c", head + code, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT / "scripts")},
        capture_output=True,
        text=True,
    )
    assert not done.returncode, done.stderr


@pytest.mark.parametrize("error", ["EPERM", "ENOTSUP", "ENOSYS", "EMLINK", "EXDEV"])
def test_what_cannot_be_linked_is_copied(tmp_path: Path, error: str) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("weights")
    code = "writing.link_or_copy(*map(Path, sys.argv[1:]))"
    with_answers(code, source, target, link=error)
    assert target.read_text() == "weights" and source.stat().st_nlink == 1


@pytest.mark.parametrize("error", ["EPERM", "ENOTSUP", "ENOSYS"])
def test_modes_that_a_file_system_does_not_keep_are_left(tmp_path: Path, error: str) -> None:
    (tmp_path / "a").touch(mode=0o600)
    with_answers("writing.permit(Path(sys.argv[1]), 0o644)", tmp_path / "a", chmod=error)


def test_modes_that_fail_for_another_reason_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        permit(tmp_path / "a", 0o644)


@pytest.mark.parametrize("error", ["EINVAL", "ENOTSUP", "ENOSYS"])
def test_a_file_system_that_is_not_told_to_write_now_is_written_to(
    tmp_path: Path, error: str
) -> None:
    with_answers("writing.write_text(Path(sys.argv[1]), 'x')", tmp_path / "a", fsync=error)
    assert (tmp_path / "a").read_text() == "x"


def test_a_disk_that_fails_to_write_is_an_error(tmp_path: Path) -> None:
    code = (
        "import errno\n"
        "try: writing.write_text(Path(sys.argv[1]), 'x')\n"
        "except OSError as error: sys.exit(error.errno != errno.EIO)\n"
        "sys.exit('written')"
    )
    with_answers(code, tmp_path / "a", fsync="EIO")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def image(tmp_path: Path) -> Iterator[Path]:
    """A folder with `trial/weights` of a container's image, as its processes see it (overlayfs)."""
    layers = [tmp_path / name for name in ("image", "written", "work", "seen")]
    for layer in layers:
        layer.mkdir()
    (layers[0] / "trial").mkdir()
    (layers[0] / "trial" / "weights").write_text("before")
    options = "lowerdir={},upperdir={},workdir={}".format(*layers)
    command = ["mount", "-t", "overlay", "overlay", "-o", options, str(layers[3])]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"cannot mount an overlay: {done.stderr.strip()}")
    yield layers[3]
    subprocess.run(["umount", layers[3]], check=True)


def test_a_folder_of_a_containers_image_is_replaced(image: Path) -> None:
    """It cannot be renamed: such a folder lies on another device than what is written."""
    with atomic_path(image / "trial") as folder:
        folder.mkdir()
        (folder / "weights").write_text("after")
    assert (image / "trial" / "weights").read_text() == "after"
    assert list(image.iterdir()) == [image / "trial"]


def test_what_a_dead_writer_left_and_cannot_be_removed_stops_nobody(tmp_path: Path) -> None:
    left = beside(tmp_path / "a", "tmp")
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = left.with_name(left.name.replace(f"-{os.getpid()}-", f"-{dead.pid}-"))
    left.touch()
    if subprocess.run(["chattr", "+i", left], capture_output=True).returncode:
        pytest.skip("cannot make a file that even root cannot remove")
    try:
        write_text(tmp_path / "b", "x")
        assert left.exists()
    finally:
        subprocess.run(["chattr", "-i", left], check=True)
    write_text(tmp_path / "c", "x")
    assert not left.exists()
