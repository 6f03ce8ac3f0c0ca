"""Files are read strictly and written completely or not at all."""

import errno
import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from repository import ROOT
from sftstudy.errors import StudyError
from sftstudy.files.hashing import sha256_file, sha256_json
from sftstudy.files.reading import read_json, read_jsonl
from sftstudy.files.writing import atomic_path, atomic_paths, write_json, write_jsonl, write_text


def test_jsonl_keeps_every_character_that_json_allows(tmp_path: Path) -> None:
    rows = [{"text": 'line\u2028separator \x85 \\ " \n \t \U0001f600'}, {"text": ""}]
    write_jsonl(tmp_path / "a.jsonl", rows)
    assert read_jsonl(tmp_path / "a.jsonl") == rows


def test_jsonl_accepts_byte_order_mark_crlf_and_empty_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\r\n{"a": 2}\r\n')
    assert read_jsonl(path) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1}\n{"a": ', "line 2: not valid JSON"),
        (b'{"a": 1}\n[1]\n', "line 2: expected a JSON object, found list"),
        (b'{"a": 1}\n{"a": "\0"}\n', "line 2: contains a NUL byte"),
        (b'{"a": 1}\n{"a": "\xff"}\n', "line 2: byte 0xff is not UTF-8"),
    ],
)
def test_damaged_jsonl_names_file_and_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(StudyError) as error:
        read_jsonl(path)
    assert f"{path}, {message}" in str(error.value)


def test_cut_json_missing_file_and_folder_are_readable_errors(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a": [1,\n 2')
    with pytest.raises(StudyError, match=r"a\.json, line 2, column 3: not valid JSON"):
        read_json(path)
    with pytest.raises(StudyError, match="no such file"):
        read_json(tmp_path / "b.json")
    with pytest.raises(StudyError, match="is a folder"):
        read_json(tmp_path)


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


def test_hashes(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_file(path) == expected
    assert sha256_json({"b": 1, "a": [2]}) == sha256_json({"a": [2], "b": 1})
    assert sha256_json({"a": 1}) == hashlib.sha256(b'{"a":1}').hexdigest()
