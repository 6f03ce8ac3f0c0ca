"""A full disk: said in words, nothing half written, and the same command goes on afterwards."""

import json
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from programs import call
from sftstudy.errors import StudyError
from sftstudy.files.hashing import sha256_file
from sftstudy.files.writing import atomic_path, write_jsonl
from tiny_student import save_student
from training_job import Job, steps_saved

KIB = 1024


class SmallDisk:
    """A file system in memory of a given size."""

    def __init__(self, folder: Path, kib: int) -> None:
        self.folder = folder
        folder.mkdir()
        self._mount("-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(folder))

    def grow(self, kib: int) -> None:
        """Free some space."""
        self._mount("-o", f"remount,size={kib}k", str(self.folder))

    def _mount(self, *arguments: str) -> None:
        done = subprocess.run(["mount", *arguments], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"cannot mount a small tmpfs: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    small = SmallDisk(tmp_path / "disk", kib=400)
    yield small
    subprocess.run(["umount", str(small.folder)], check=True)


@pytest.mark.slow
def test_checkpoint(
    disk: SmallDisk,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The weights alone are 440 KiB."""
    job = Job(tmp_path, num_train_epochs=0.4)
    job.output = disk.folder / "trial"
    job.arguments[-1] = job.output
    status, output = call(capsys, monkeypatch, "train.py", *job.arguments)
    assert status == 1 and f"error: {job.output}: the disk is full" in output
    assert list(disk.folder.iterdir()) == []
    disk.grow(4000)
    assert call(capsys, monkeypatch, "train.py", *job.arguments)[0] == 0
    assert list(disk.folder.iterdir()) == [job.output]


@pytest.mark.slow
def test_saved_state(
    disk: SmallDisk,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    saves_after_each_step: None,
) -> None:
    """The first state fits, the second does not: the training goes on from the first."""
    disk.grow(2000)
    job = Job(tmp_path, num_train_epochs=0.4)
    job.scratch = disk.folder / "scratch"
    job.arguments[job.arguments.index("--scratch") + 1] = job.scratch
    status, output = call(capsys, monkeypatch, "train.py", *job.arguments)
    assert status == 1 and ": the disk is full" in output
    complete = list(job.scratch.glob("*/checkpoint-*/complete.json"))
    assert [file.parent.name for file in complete] == ["checkpoint-1"]
    disk.grow(8000)
    status, output = call(capsys, monkeypatch, "train.py", *job.arguments)
    assert status == 0 and "resuming from checkpoint-1 " in output
    assert steps_saved(job) == []


@pytest.mark.slow
def test_predictions(
    disk: SmallDisk,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The journal fills the disk; what it holds is not generated again."""
    checkpoint = save_student(tmp_path / "checkpoint")
    prompts = [[{"role": "user", "content": f"{n} " * (n % 7 + 1)}] for n in range(200)]
    rows = [{"id": f"r{n}", "prompt": prompt} for n, prompt in enumerate(prompts)]
    write_jsonl(tmp_path / "data.jsonl", rows)
    generation = {"attention": "sdpa", "chat_template_kwargs": {}, "dtype": "float32"}
    arguments = [
        *("--checkpoint", checkpoint, "--data", tmp_path / "data.jsonl", "--max-new-tokens", 8),
        *("--generation", json.dumps(generation | {"max_length": 400})),
    ]
    whole, output = tmp_path / "whole" / "e.jsonl", disk.folder / "e.jsonl"
    assert call(capsys, monkeypatch, "predict.py", *arguments, "--output", whole)[0] == 0
    (disk.folder / "filler").write_bytes(bytes(370 * KIB))
    status, said = call(capsys, monkeypatch, "predict.py", *arguments, "--output", output)
    assert status == 1 and "e.jsonl: the disk is full" in said
    assert not output.exists()
    (disk.folder / "filler").unlink()
    status, said = call(capsys, monkeypatch, "predict.py", *arguments, "--output", output)
    assert status == 0, said
    assert int(said.rpartition("200 replies, ")[2].split()[0]) > 10
    assert sha256_file(output) == sha256_file(whole)
    assert {file.name for file in disk.folder.iterdir()} == {"e.jsonl", ".journal"}


def test_limit_of_a_files_size(tmp_path: Path) -> None:
    """Without a disk of one's own: what `ulimit -f` allows no more, for text, weights and torch."""
    import torch
    from safetensors.torch import save_file

    tensors = {"weight": torch.zeros(100_000)}
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100 * KIB, before[1]))
    try:
        for write in (
            lambda file: file.write_bytes(bytes(200 * KIB)),
            lambda file: save_file(tensors, file),
            lambda file: torch.save(tensors, file),
        ):
            with (
                pytest.raises(StudyError, match="the disk is full"),
                atomic_path(tmp_path / "out") as file,
            ):
                write(file)
            assert list(tmp_path.iterdir()) == []
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_folder_that_may_not_be_written_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    if os.geteuid() == 0:
        pytest.skip("root may write to every folder; see test_faults for one mounted read-only")
    with pytest.raises(StudyError, match="may not be written"), atomic_path(tmp_path / "out"):
        pass
