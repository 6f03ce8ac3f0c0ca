"""The program that looks, before any training, for rows that leave no room for a reply."""

import json
from pathlib import Path

import pytest

from programs import call
from sftstudy.files.writing import write_json, write_jsonl
from tiny_tokenizer import save_tokenizer
from unit.data.test_lengths import FRAME, make_row


@pytest.fixture
def arguments(tmp_path: Path) -> list[object]:
    """Two eval sets of a student: prompts of FRAME + 1 and FRAME + 20, and of FRAME + 5 tokens."""
    write_jsonl(tmp_path / "val.jsonl", [make_row("v1", "x", "no" * 99), make_row("v2", "x" * 20)])
    write_jsonl(tmp_path / "control.jsonl", [make_row("c1", "x" * 5)])
    student = save_tokenizer(tmp_path / "student")
    return [
        *("--evalsets", "pubmedqa.val", "ifeval"),
        *("--data", tmp_path / "val.jsonl", tmp_path / "control.jsonl"),
        *("--max-new-tokens", 10, 30, "--student-dir", student),
        *("--output", tmp_path / "fits" / "tiny.json", "--max-length"),
    ]


def test_prompt_and_reply_must_fit(capsys, monkeypatch, arguments, tmp_path: Path) -> None:
    status, text = call(capsys, monkeypatch, "fits.py", *arguments, FRAME + 35)
    assert status == 0, text
    document = json.loads((tmp_path / "fits" / "tiny.json").read_text())
    assert (document["student"], document["positions"]) == ("tiny", None)
    assert document["evalsets"]["pubmedqa.val"] == {
        "rows": 2, "max_new_tokens": 10, "longest_prompt": FRAME + 20, "dropped": [],
    }  # fmt: skip


def test_row_without_room_is_refused_or_listed(
    capsys, monkeypatch, arguments, tmp_path: Path
) -> None:
    """Of a task by its own limit of replies, and of a control."""
    status, text = call(capsys, monkeypatch, "fits.py", *arguments, FRAME + 34)
    assert status == 1 and not (tmp_path / "fits" / "tiny.json").exists()
    assert f"{tmp_path}/control.jsonl: row 'c1' has a prompt of {FRAME + 5} tokens" in text
    assert "1 of 1 rows are too long" in text and "drop_overlong" in text
    status, text = call(capsys, monkeypatch, "fits.py", *arguments, FRAME + 29)
    assert status == 1 and "row 'v2'" in text and "1 of 2 rows" in text
    arguments[arguments.index(30)] = 9  # tokens of a reply to the control
    status, text = call(capsys, monkeypatch, "fits.py", *arguments, FRAME + 29, "--drop-overlong")
    assert status == 0, text
    document = json.loads((tmp_path / "fits" / "tiny.json").read_text())
    dropped = {name: entry["dropped"] for name, entry in document["evalsets"].items()}
    assert dropped == {"pubmedqa.val": ["v2"], "ifeval": []}


def test_an_eval_set_that_would_be_empty(capsys, monkeypatch, arguments) -> None:
    status, text = call(capsys, monkeypatch, "fits.py", *arguments, FRAME + 34, "--drop-overlong")
    assert (status, "all of its 1 rows are too long and would be dropped" in text) == (1, True)


def test_positions(capsys, monkeypatch, arguments, tmp_path: Path) -> None:
    config = {"model_type": "llama", "max_position_embeddings": 64}
    write_json(tmp_path / "student" / "config.json", config)
    status, text = call(capsys, monkeypatch, "fits.py", *arguments, 65)
    assert (status, "tiny: its max_length is 65" in text) == (1, True)
