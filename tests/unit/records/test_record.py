"""Records of runs: what they hold, and that they speak of finished outputs only."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from programs import call
from sftstudy import cli
from sftstudy.files.hashing import sha256_file
from sftstudy.files.ledger import LEDGER
from sftstudy.files.reading import read_json, read_text
from sftstudy.files.writing import write_json, write_text
from sftstudy.records import record
from sftstudy.records.content import content_sha256, folder_sha256
from sftstudy.records.explain import commit_line


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Work in an empty folder with an open ledger."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["scripts/some.py", "--option", "x"])
    LEDGER.open("records/some.json")
    yield tmp_path
    LEDGER.close()


def written() -> dict:
    record.write(LEDGER.record)
    return read_json(Path("records/some.json"))


def test_record_of_a_program(capsys, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    values = ["--values", '{"a": 1}', "--output", "results/plan.json"]
    status, _ = call(capsys, monkeypatch, "plan.py", *values, "--record", "record.json")
    assert status == 0
    record = read_json(Path("record.json"))
    assert record["program"] == "plan"
    assert record["command"][1:] == [*values, "--record", "record.json"]
    assert record["inputs"] == {}
    assert record["outputs"] == {"results/plan.json": sha256_file(Path("results/plan.json"))}
    assert len(record["code"]["commit"]) in (40, len("unknown"))
    assert record["packages"]["python"] and record["hardware"]["cores"] >= 1
    assert record["started"].endswith("+00:00") and 0 <= record["seconds"] < 60
    assert record["cpu_seconds"] > 0


def test_sqlite_is_told_where_it_is_used(monkeypatch) -> None:
    import sqlite3

    assert record.packages()["sqlite"] == sqlite3.sqlite_version
    monkeypatch.delitem(sys.modules, "sqlite3")
    assert "sqlite" not in record.packages()


def test_without_the_option_and_after_a_failure_there_is_no_record(
    capsys, monkeypatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _ = call(capsys, monkeypatch, "plan.py", "--values", "{}", "--output", "plan.json")
    assert status == 0 and sorted(path.name for path in tmp_path.iterdir()) == ["plan.json"]
    arguments = ["--control", "simple_safety_tests", "--data", "none.jsonl"]
    arguments += ["--predictions", "none.jsonl", "--output", "out.jsonl"]
    status, text = call(capsys, monkeypatch, "ask_judge.py", *arguments, "--record", "record.json")
    assert status == 1 and "none.jsonl: no such file" in text
    assert not Path("record.json").exists()


@pytest.mark.parametrize(("status", "recorded"), [(0, True), (None, True), (3, False)])
def test_a_program_that_leaves_with_a_status_of_its_own_is_recorded_if_that_is_success(
    here: Path, status: int | None, recorded: bool
) -> None:
    """Training leaves so when it was told to stop: its checkpoint is not finished."""

    def main() -> None:
        LEDGER.open("records/some.json")
        write_text(Path("out.txt"), "x")
        sys.exit(status)

    with pytest.raises(SystemExit) as left:
        cli.run(main)
    assert left.value.code == status
    assert Path("records/some.json").exists() == recorded


def test_inputs_are_hashed_as_they_were_read(here: Path) -> None:
    Path("data.txt").write_text("before", encoding="utf-8")
    read_text(Path("data.txt"))
    Path("data.txt").write_text("after", encoding="utf-8")
    write_text(Path("out.txt"), "x")
    assert written()["inputs"] == {"data.txt": hashlib.sha256(b"before").hexdigest()}


def test_scratch_journals_drafts_and_own_outputs_are_no_inputs_or_outputs(here: Path) -> None:
    for name in ("scratch.json", ".journal/a.json", "out/inner.json"):
        write_json(Path(name), {})
        read_json(Path(name))
    Path("scratch.json").unlink()
    Path("base").mkdir()
    write_json(Path("base/config.json"), {})
    LEDGER.outputs.pop("base/config.json")
    read_json(Path("base/config.json"))
    record.use(Path("base"))
    LEDGER.outputs.pop("out/inner.json")
    LEDGER.wrote(Path("out"))
    document = written()
    assert list(document["inputs"]) == ["base"]
    assert list(document["outputs"]) == ["out"]


def test_a_process_that_made_nothing_writes_no_record(here: Path) -> None:
    """For example the processes of a training on several GPUs but the first."""
    Path("data.txt").write_text("x", encoding="utf-8")
    read_text(Path("data.txt"))
    record.write(LEDGER.record)
    assert not Path("records").exists()


def test_absolute_paths_below_the_working_directory_become_relative(here: Path) -> None:
    write_text(here / "out.txt", "x")
    assert list(written()["outputs"]) == ["out.txt"]


def test_weights_are_hashed_anew_only_when_newer_than_their_description(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"weights")
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    honest = folder_sha256(tmp_path)
    claimed = "00" * 32
    write_json(tmp_path / "provenance.json", {"weights_sha256": {weights.name: claimed}})
    described = content_sha256(tmp_path)
    assert described == folder_sha256(tmp_path, {weights.name: claimed}) != honest
    weights.write_bytes(b"others!")

    later = (tmp_path / "provenance.json").stat().st_mtime_ns + 1
    os.utime(weights, ns=(later, later))
    assert content_sha256(tmp_path) == folder_sha256(tmp_path) != described


def test_code_state_of_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "ROOT", tmp_path)
    assert record.code_state() == {"commit": "unknown", "changed": []}

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=n", "-c", "user.email=e", "-c", "init.defaultBranch=main"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    for name in ("scripts/a.py", "scripts/b.py", "scripts/c.py", "results/x"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name * 20, encoding="utf-8")
    git("init")
    git("add", "scripts")
    git("commit", "-m", "first")
    commit = git("rev-parse", "HEAD").strip()
    assert record.code_state() == {"commit": commit, "changed": []}
    (tmp_path / "scripts/a.py").write_text("edited", encoding="utf-8")
    git("mv", "scripts/b.py", "scripts/moved here.py")
    (tmp_path / "scripts/new.py").write_text("new", encoding="utf-8")
    assert record.code_state() == {
        "commit": commit,
        "changed": ["scripts/a.py", "scripts/moved here.py", "scripts/new.py"],
    }


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout that git takes for another user's."""
    subprocess.run(["git", "init", str(tmp_path)], check=True, capture_output=True)
    monkeypatch.setattr(record, "ROOT", tmp_path)
    for scope in ("GLOBAL", "SYSTEM"):  # where all folders may be trusted
        monkeypatch.setenv(f"GIT_CONFIG_{scope}", str(tmp_path / "none"))
    monkeypatch.setenv("LANGUAGE", "de")
    return tmp_path


@pytest.mark.parametrize("how", ["assumed", "owned"])
def test_a_commit_that_git_does_not_tell_is_unknown_with_its_reason(
    foreign: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "assumed":
        monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    elif os.getuid() != 0:
        pytest.skip("only root can give a folder to another user")
    else:
        for path in (foreign, foreign / ".git"):
            os.chown(path, 12345, 12345)
    state = record.code_state()
    reason = f"detected dubious ownership in repository at '{foreign}'"
    assert state == {"commit": "unknown", "changed": [], "reason": reason}
    assert commit_line(state) == f"unknown (git: {reason})"
    warning = record.unknown_commit()
    assert warning and reason in warning
    assert f"git config --global --add safe.directory {foreign}" in warning


def test_a_folder_that_is_no_checkout_is_no_reason_to_warn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "ROOT", tmp_path)
    assert record.unknown_commit() is None


def test_no_git_program_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert record.code_state()["commit"] == "unknown"
