"""Files are written completely or not at all."""

import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from repository import ROOT
from sftstudy.errors import StudyError
from sftstudy.files.writing import atomic_path, atomic_paths, write_json, write_jsonl, write_text


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
