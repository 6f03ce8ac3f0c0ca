"""Token lengths: counted by hand, limits, and the program that refuses rows too long."""

import json
from pathlib import Path

import numpy as np
import pytest

from families import save_stand_in
from programs import call
from sftstudy.data import lengths
from sftstudy.files.writing import write_json, write_jsonl
from tiny_tokenizer import make_tokenizer, save_tokenizer

# <|im_start|> user \n ... <|im_end|> \n <|im_start|> assistant \n, one token per byte.
FRAME = 1 + 4 + 1 + 1 + 1 + 1 + 9 + 1


def make_row(name: str, prompt: str, target: str = "") -> dict:
    completion = [{"role": "assistant", "content": target}] if target else []
    user = [{"role": "user", "content": prompt}]
    return {"id": name, "group": name, "prompt": user, "completion": completion, "reference": {}}


def test_counts_by_hand() -> None:
    rows = [make_row("a", "xyz", "no"), make_row("b", "abab"), make_row("c", "")]
    counts = lengths.measure(rows, make_tokenizer(), {}, "x")
    # A reply ends in <|im_end|> and a line break; "abab" is two tokens; controls have no reply.
    assert counts.tolist() == [[FRAME + 3, FRAME + 3 + 4], [FRAME + 2] * 2, [FRAME] * 2]
    assert lengths.overlong(rows, counts, FRAME + 6) == ["a"]
    assert lengths.overlong(rows, counts, FRAME + 7) == []
    assert lengths.measure_prompts(rows, make_tokenizer(), {}) == counts[:, 0].tolist()


def test_summary_gives_observed_quantiles() -> None:
    counts = np.array([[n, 2 * n] for n in range(1, 101)])
    summary = lengths.summarise(counts)
    assert summary["rows"] == 100
    assert summary["prompt"] == {
        "min": 1, "p50": 50, "p90": 90, "p99": 99, "max": 100, "mean": 50.5, "total": 5050,
    }  # fmt: skip
    assert summary["conversation"]["p90"] == 180
    assert lengths.summarise(lengths.measure([], None, {}, "x"))["rows"] == 0


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A student's folder, and data whose second train row has FRAME + 10 + 4 tokens."""
    data = tmp_path / "data"
    write_jsonl(data / "train.jsonl", [make_row("t1", "x", "no"), make_row("t2", "x" * 10, "no")])
    write_jsonl(data / "val.jsonl", [make_row("v1", "x" * 90, "no")])
    return save_tokenizer(tmp_path / "student"), data


def measure(capsys, monkeypatch, folders, output: Path, *extra: object) -> tuple[int, str]:
    student, data = folders
    arguments = ["--task", "banking77", "--data", data, "--student-dir", student]
    return call(
        capsys, monkeypatch, "lengths.py", *arguments, "--output", output, "--max-length", *extra
    )


def test_program_writes_statistics(capsys, monkeypatch, folders, tmp_path: Path) -> None:
    output = tmp_path / "lengths" / "tiny.json"
    status, text = measure(capsys, monkeypatch, folders, output, FRAME + 14)
    assert status == 0, text
    document = json.loads(output.read_text())
    assert document["student"] == "tiny"
    assert document["splits"]["train"]["conversation"]["max"] == FRAME + 14
    assert document["splits"]["val"]["conversation"]["max"] == FRAME + 94, "none trains on it"
    assert document["dropped"] == {"train": []} and document["before_reply"] == ""


def test_row_too_long_is_refused_or_listed(capsys, monkeypatch, folders, tmp_path: Path) -> None:
    output = tmp_path / "lengths" / "tiny.json"
    status, text = measure(capsys, monkeypatch, folders, output, FRAME + 13)
    assert status == 1
    found = f"{folders[1]}/train.jsonl, row 't2': prompt and completion have {FRAME + 14} tokens"
    assert found in text
    assert f"the student's maximum is {FRAME + 13}; 1 of 2 rows" in text
    assert not output.exists()
    status, text = measure(capsys, monkeypatch, folders, output, FRAME + 13, "--drop-overlong")
    assert status == 0, text
    assert json.loads(output.read_text())["dropped"] == {"train": ["t2"]}
    status, text = measure(capsys, monkeypatch, folders, output, FRAME, "--drop-overlong")
    assert (status, "all of its 2 rows are too long and would be dropped" in text) == (1, True)


def test_student_with_fewer_positions_than_its_max_length(
    capsys, monkeypatch, folders, tmp_path: Path
) -> None:
    write_json(folders[0] / "config.json", {"model_type": "llama", "max_position_embeddings": 512})
    output = tmp_path / "lengths" / "tiny.json"
    assert measure(capsys, monkeypatch, folders, output, 512)[0] == 0
    output.unlink()
    status, text = measure(capsys, monkeypatch, folders, output, 513, "--drop-overlong")
    assert status == 1 and not output.exists()
    for word in ("tiny", "max_length is 513", "512 tokens", "max_position_embeddings", "at most"):
        assert word in text


def test_template_that_writes_before_the_reply_is_told(
    capsys, monkeypatch, folders, tmp_path: Path
) -> None:
    """Qwen3 without enable_thinking: its template writes an empty think block."""
    save_stand_in("Qwen3-8B", folders[0])
    output = tmp_path / "lengths" / "tiny.json"
    status, text = measure(capsys, monkeypatch, folders, output, 999)
    assert status == 0, text
    assert json.loads(output.read_text())["before_reply"] == "<think>\n\n</think>\n\n"
    assert "warning: tiny: the chat template puts '<think>" in text
    kwargs = ("--chat-template-kwargs", '{"enable_thinking": false}')
    status, text = measure(capsys, monkeypatch, folders, output, 999, *kwargs)
    assert (status, json.loads(output.read_text())["before_reply"]) == (0, "")
    assert "warning" not in text


def test_student_without_template(capsys, monkeypatch, folders, tmp_path: Path) -> None:
    save_tokenizer(folders[0], template=None)
    (folders[0] / "chat_template.jinja").unlink()
    output = tmp_path / "lengths" / "tiny.json"
    status, text = measure(capsys, monkeypatch, folders, output, 100)
    assert status == 1
    assert f"{folders[0]}: the tokenizer has no chat template" in text
    assert not output.exists()


def test_no_splits(capsys, monkeypatch, folders, tmp_path: Path) -> None:
    empty = tmp_path / "nothing"
    empty.mkdir()
    status, text = measure(capsys, monkeypatch, (folders[0], empty), tmp_path / "o.json", 100)
    assert (status, f"{empty}: no splits" in text) == (1, True)
