"""Input that is broken or means harm: a clear error, no output, and nothing of it is ever run."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from programs import call, run
from sftstudy.errors import StudyError
from sftstudy.files.reading import read_jsonl
from stub_hub import Repository, StubHub
from tiny_student import save_student


def row(key: object, prompt: str = "Write without a comma.") -> bytes:
    record: dict[str, Any] = {"key": key, "prompt": prompt}
    record |= {"instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
    return json.dumps(record, ensure_ascii=False).encode() + b"\n"


def prepare(capsys, monkeypatch, folder: Path, content: bytes) -> tuple[int, str]:
    """Make the rows of a control out of a JSONL source with this content."""
    (folder / "raw").mkdir()
    (folder / "raw" / "input_data.jsonl").write_bytes(content)
    arguments = ["--task", "ifeval", "--raw", folder / "raw", "--output-dir", folder / "data"]
    return call(capsys, monkeypatch, "prepare.py", *arguments)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (row(1) + row(2).replace(b"Write", b"Wr\0te"), ["line 2", "NUL byte", "damaged"]),
        (row(1) + row(2).replace(b"Write", b"Wr\xffte"), ["line 2", "0xff is not UTF-8"]),
        (row(1) + row(2)[:40], ["line 2", "not valid JSON", "cut off"]),
        (row(1) + b"[]\n", ["line 2", "expected a JSON object, found list"]),
        (row(1) + row(1), ["row 2", "'1'", "ids must be unique"]),
        (row(1).replace(b'"key"', b'"key": 7, "key"'), ["line 1", "'key' occurs twice"]),
        (row(1).replace(b": 1,", b": NaN,"), ["line 1", "holds NaN"]),
        (row(1).replace(b": 1,", b": -Infinity,"), ["line 1", "holds -Infinity"]),
        (row(1).replace(b"Write", b"\\ud83d"), ["line 1", "half a surrogate pair"]),
        (b'{"key": ' + b"[" * 100_000 + b"\n", ["line 1", "cannot be read as JSON"]),
        (b'{"key": ' + b"9" * 5_000 + b"}\n", ["line 1", "cannot be read as JSON"]),
        (b"", ["no prompts"]),
    ],
)
def test_broken_jsonl_names_file_and_line_and_leaves_nothing(
    capsys, monkeypatch, tmp_path: Path, content: bytes, words: list[str]
) -> None:
    status, text = prepare(capsys, monkeypatch, tmp_path, content)
    assert status == 1 and text.startswith("error: ") and "Traceback" not in text
    assert str(tmp_path / "raw") in text and all(word in text for word in words), text
    assert not (tmp_path / "data").exists()


def test_bom_crlf_and_lines_of_ten_megabytes_are_read(capsys, monkeypatch, tmp_path: Path) -> None:
    long = "word \U0001f600 " * 1_000_000
    content = b"\xef\xbb\xbf" + row(1).replace(b"\n", b"\r\n") + b"\r\n" + row(2, long)
    assert len(content) > 10_000_000
    status, text = prepare(capsys, monkeypatch, tmp_path, content)
    assert status == 0, text
    first, second = read_jsonl(tmp_path / "data" / "test.jsonl")
    assert (first["id"], second["id"]) == ("1", "2")
    assert second["prompt"][0]["content"] == long


SCRIPT = "import pathlib\npathlib.Path({!r}).write_text('executed')\nraise SystemExit(0)\n"


def dataset_with_code(canary: Path) -> dict[str, bytes]:
    code = SCRIPT.format(str(canary)).encode()
    return {"dataset.py": code, "__init__.py": code, "setup.sh": f"touch {canary}".encode()}


def fetch(source: dict[str, str], folder: Path, **environment: str) -> tuple[int, str]:
    arguments = ["--kind", "datasets", "--source", json.dumps(source), "--name", "d"]
    arguments += ["--lock", folder / "lock.yaml"]
    return run("fetch.py", *arguments, "--output", folder / "raw", **environment)


def test_code_of_a_local_dataset_is_neither_run_nor_kept(tmp_path: Path) -> None:
    canary, mirror = tmp_path / "canary", tmp_path / "mirror"
    mirror.mkdir()
    for name, data in dataset_with_code(canary).items():
        (mirror / name).write_bytes(data)
    status, text = fetch({"path": str(mirror)}, tmp_path)
    assert status == 1 and "would have to be run" in text and "refs/convert/parquet" in text
    assert not (tmp_path / "raw").exists()
    (mirror / "input_data.jsonl").write_bytes(row(1))
    status, text = fetch({"path": str(mirror)}, tmp_path)
    assert status == 0, text
    assert {path.name for path in (tmp_path / "raw").iterdir()} == {
        "input_data.jsonl",
        "SOURCE.json",
    }
    assert not canary.exists()


def test_code_of_a_dataset_on_the_hub_is_neither_run_nor_locked(tmp_path: Path) -> None:
    canary, lock = tmp_path / "canary", tmp_path / "lock.yaml"
    code = dataset_with_code(canary)
    repositories = {
        "datasets/org/code": Repository(code),
        "datasets/org/both": Repository(code | {"input_data.jsonl": row(1)}),
    }
    with StubHub(repositories) as hub:
        environment = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "cache")}
        for name, expected in (("code", 1), ("both", 0)):
            sources = json.dumps({"datasets": {"d": {"hub": f"org/{name}"}}})
            command = ["lock_sources.py", "--sources", sources, "--output", lock]
            status, text = run(*command, **environment)
            assert status == expected, text
            assert ("would have to be run" in text) == bool(expected)
        status, text = fetch({"hub": "org/both"}, tmp_path, **environment)
        assert status == 0, text
        assert hub.downloads.count("dataset.py") == 0
    assert {path.name for path in (tmp_path / "raw").iterdir()} == {
        "input_data.jsonl",
        "SOURCE.json",
    }
    assert not canary.exists()


class Canary:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.path, "executed")


def test_pickled_weights_are_never_loaded(tmp_path: Path) -> None:
    from sftstudy.students.models import load_model

    canary, folder = tmp_path / "canary", save_student(tmp_path / "student")
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Canary(canary)))
    load_model(folder, "float32", "sdpa")
    (folder / "model.safetensors").unlink()
    with pytest.raises(StudyError, match="pickled weights are refused"):
        load_model(folder, "float32", "sdpa")
    assert not canary.exists()


def test_code_of_a_student_is_never_run(tmp_path: Path) -> None:
    from sftstudy.students.chat import load_tokenizer
    from sftstudy.students.models import load_model

    canary, folder = tmp_path / "canary", save_student(tmp_path / "student")
    for name in ("modeling_own.py", "tokenization_own.py", "configuration_own.py"):
        (folder / name).write_text(SCRIPT.format(str(canary)))
    config = json.loads((folder / "config.json").read_text())
    auto = {"AutoConfig": "configuration_own.C", "AutoModelForCausalLM": "modeling_own.M"}
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": auto}))
    file = folder / "tokenizer_config.json"
    own = {"auto_map": {"AutoTokenizer": [None, "tokenization_own.T"]}}
    file.write_text(json.dumps(json.loads(file.read_text()) | own))
    load_model(folder, "float32", "sdpa")
    load_tokenizer(folder, {})
    assert not canary.exists()
    # An architecture that only its own code knows.
    (folder / "config.json").write_text(
        json.dumps(config | {"auto_map": auto, "model_type": "own"})
    )
    with pytest.raises(ValueError, match="trust_remote_code"):
        load_model(folder, "float32", "sdpa")
    assert not canary.exists()


def test_no_program_trusts_remote_code() -> None:
    from repository import ROOT

    for file in (ROOT / "scripts").rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert "trust_remote_code=True" not in text and "torch.load" not in text, file
        assert "load_dataset" not in text and "pickle.load" not in text, file
