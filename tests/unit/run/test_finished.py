"""A training that came to its end is not done again because its Snakemake did not see it."""

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from made_documents import provenance
from programs import program
from refusing import refusing
from repository import ROOT
from sftstudy.errors import StudyError
from sftstudy.files.hashing import weights_sha256
from sftstudy.files.reading import read_json
from sftstudy.files.writing import write_json
from sftstudy.records.content import folder_sha256
from sftstudy.retention import retain
from sftstudy.run import finished
from sftstudy.study.layout import Layout
from sftstudy.training.packages import package_versions
from tiny_student import save_student
from training_job import Job, train_here


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint as training leaves it, with an adapter's folder; paths are relative."""
    monkeypatch.chdir(tmp_path)
    folder = save_student(Path("checkpoints", "t", "a"))
    (folder / "adapter").mkdir()
    (folder / "adapter" / "adapter_model.safetensors").write_bytes(b"small")
    facts = {"identity": "5c" * 32, "packages": package_versions()}
    document = provenance(**facts, weights_sha256=weights_sha256(folder))
    write_json(folder / "provenance.json", document)
    return folder


SCRATCH = Path("scratch", "5c" * 8)


def test_the_copy_takes_no_space_and_is_published_again(checkpoint: Path) -> None:
    before = folder_sha256(checkpoint)
    finished.keep(checkpoint, SCRATCH)
    weights = checkpoint / "model.safetensors"
    assert weights.stat().st_nlink == 2
    shutil.rmtree(checkpoint)
    provenance = finished.kept(SCRATCH)
    finished.publish(SCRATCH, checkpoint, provenance)
    assert folder_sha256(checkpoint) == before
    finished.forget(SCRATCH)
    assert weights.stat().st_nlink == 1 and not SCRATCH.exists()


def test_a_damaged_copy_is_not_published(checkpoint: Path) -> None:
    finished.keep(checkpoint, SCRATCH)
    shutil.rmtree(checkpoint)
    with (SCRATCH / finished.COPY / "model.safetensors").open("r+b") as handle:
        handle.seek(-1, os.SEEK_END)
        handle.write(b"\1")
    with pytest.raises(StudyError, match="were changed since; the copy is removed, run again"):
        finished.publish(SCRATCH, checkpoint, finished.kept(SCRATCH))
    assert not checkpoint.exists() and finished.kept(SCRATCH) is None


def test_a_copy_that_was_cut_short_does_not_count(checkpoint: Path) -> None:
    finished.keep(checkpoint, SCRATCH)
    (SCRATCH / finished.MARKER).unlink()
    (SCRATCH / finished.COPY / "model.safetensors").unlink()
    assert finished.kept(SCRATCH) is None
    finished.keep(checkpoint, SCRATCH)
    assert finished.kept(SCRATCH)["identity"] == "5c" * 32


KEEP = "finished.keep(Path(sys.argv[1]), Path(sys.argv[2]))"
PUBLISH = (
    "finished.publish(Path(sys.argv[2]), Path(sys.argv[1]), read_provenance(Path(sys.argv[3])))"
)


def without_links(error: str, call: str, *arguments: object) -> str:
    """Call in a process to which the kernel refuses links; return what it prints."""
    code = (
        "import sys; from pathlib import Path; from sftstudy.run import finished; "
        f"from sftstudy.documents.provenance import read_provenance; {call}"
    )
    done = subprocess.run(
        [*refusing(link=error), sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT / "scripts")},
        capture_output=True,
        text=True,
    )
    assert not done.returncode, done.stderr
    return done.stdout


@pytest.mark.parametrize("error", ["EPERM", "ENOTSUP", "ENOSYS", "EMLINK", "EXDEV"])
def test_without_hard_links_there_is_a_note_and_no_copy(checkpoint: Path, error: str) -> None:
    said = without_links(error, KEEP, checkpoint, SCRATCH)
    assert "no copy of the finished checkpoint" in said and "hard links fail" in said
    assert not SCRATCH.exists() and finished.kept(SCRATCH) is None


def test_a_copy_is_published_where_there_are_no_links_any_more(checkpoint: Path) -> None:
    """Say by another node of the cluster."""
    before = folder_sha256(checkpoint)
    finished.keep(checkpoint, SCRATCH)
    shutil.rmtree(checkpoint)
    copied = SCRATCH / finished.COPY / "provenance.json"
    without_links("EPERM", PUBLISH, checkpoint, SCRATCH, copied)
    assert folder_sha256(checkpoint) == before
    assert (checkpoint / "model.safetensors").stat().st_nlink == 1


def test_without_space_for_a_copy_the_training_is_still_done(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        finished.keep(checkpoint, SCRATCH)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    said = capsys.readouterr().out
    assert "no copy of the finished checkpoint" in said and "the disk is full" in said
    assert not SCRATCH.exists()


def test_only_what_snakemake_does_not_know_of_is_kept(checkpoint: Path) -> None:
    finished.keep(checkpoint, SCRATCH)
    finished.forget_recorded(Path("scratch"), lambda outputs: {"checkpoints/t/a"})
    assert finished.kept(SCRATCH)
    finished.forget_recorded(Path("scratch"), lambda outputs: set())
    assert not SCRATCH.exists()


def test_weights_that_are_removed_free_the_disk(checkpoint: Path) -> None:
    finished.keep(checkpoint, SCRATCH)
    retain(Layout(Path()), "t", ["a"], set())
    assert not list(Path().rglob("model.safetensors")) and not SCRATCH.exists()


@pytest.mark.slow
def test_a_finished_training_is_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sftstudy.training import trial

    job = train_here(Job(tmp_path, num_train_epochs=0.2))
    before = {file.name: file.read_bytes() for file in job.output.iterdir()}
    shutil.rmtree(job.output)  # as Snakemake does with what it calls incomplete

    def train_again(*_: object) -> None:
        raise AssertionError("trained again")

    with monkeypatch.context() as patch:
        patch.setattr(trial, "_attempt", train_again)
        train_here(job)
    assert {file.name: file.read_bytes() for file in job.output.iterdir()} == before

    shutil.rmtree(job.output)
    monkeypatch.setattr(trial, "code_version", lambda program: "edited since")
    train_here(job)
    again = read_json(job.output / "provenance.json")
    first = json.loads(before["provenance.json"])
    assert again["train_seconds"] != first["train_seconds"], "other code: trained again"


@pytest.mark.slow
def test_a_training_ends_where_a_file_system_has_little(tmp_path: Path) -> None:
    """As on a share or a USB disk: no hard links, modes of the mount, no word from the disk."""
    job = Job(tmp_path, num_train_epochs=0.2)
    command = refusing(link="EPERM", chmod="EPERM", fsync="EINVAL")
    done = subprocess.run(
        [*command, sys.executable, program("train.py"), *map(str, job.arguments)],
        capture_output=True,
        text=True,
    )
    assert not done.returncode, done.stderr
    assert "no copy of the finished checkpoint" in done.stdout
    assert job.weights() and not list(job.scratch.glob("*.owner"))
