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
    """Prompts of FRAME + 1 and FRAME + 20 tokens in val, of FRAME + 5 in test; replies of 10."""
    write_jsonl(tmp_path / "val.jsonl", [make_row("v1", "x", "no" * 99), make_row("v2", "x" * 20)])
    write_jsonl(tmp_path / "test.jsonl", [make_row("t1", "x" * 5)])
    return [
        *("--data", tmp_path / "val.jsonl", tmp_path / "test.jsonl", "--max-new-tokens", 10),
        *("--student-dir", save_tokenizer(tmp_path / "student")),
        *("--output", tmp_path / "fits" / "tiny.json", "--max-length"),
    ]


def test_prompt_and_reply_must_fit(capsys, monkeypatch, arguments, tmp_path: Path) -> None:
    """The completion plays no part: it is not asked."""
    status, text = call(capsys, monkeypatch, "fits.py", *arguments, FRAME + 30)
    assert status == 0, text
    assert json.loads((tmp_path / "fits" / "tiny.json").read_text()) == {
        "schema": 1,
        "student": "tiny",
        "max_length": FRAME + 30,
        "max_new_tokens": 10,
        "positions": None,
        "chat_template_kwargs": {},
        "splits": {
            "val": {"rows": 2, "longest_prompt": FRAME + 20, "dropped": []},
            "test": {"rows": 1, "longest_prompt": FRAME + 5, "dropped": []},
        },
    }


def test_row_without_room_is_refused_or_listed(
    capsys, monkeypatch, arguments, tmp_path: Path
) -> None:
    arguments.append(FRAME + 29)
    status, text = call(capsys, monkeypatch, "fits.py", *arguments)
    assert status == 1 and not (tmp_path / "fits" / "tiny.json").exists()
    assert f"{tmp_path}/val.jsonl: row 'v2' has a prompt of {FRAME + 20} tokens; with 10" in text
    assert "1 of 2 rows are too long" in text and "drop_overlong" in text
    status, text = call(capsys, monkeypatch, "fits.py", *arguments, "--drop-overlong")
    assert status == 0, text
    splits = json.loads((tmp_path / "fits" / "tiny.json").read_text())["splits"]
    assert {name: split["dropped"] for name, split in splits.items()} == {"val": ["v2"], "test": []}


def test_an_eval_set_that_would_be_empty(capsys, monkeypatch, arguments) -> None:
    status, text = call(capsys, monkeypatch, "fits.py", *arguments, FRAME + 14, "--drop-overlong")
    assert (status, "test.jsonl: all of its 1 rows are too long" in text) == (1, True)


def test_positions(capsys, monkeypatch, arguments, tmp_path: Path) -> None:
    config = {"model_type": "llama", "max_position_embeddings": 64}
    write_json(tmp_path / "student" / "config.json", config)
    status, text = call(capsys, monkeypatch, "fits.py", *arguments, 65)
    assert (status, "tiny: its max_length is 65" in text) == (1, True)
