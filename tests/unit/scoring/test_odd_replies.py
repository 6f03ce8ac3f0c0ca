"""Replies that no good model gives: nothing but white space, and no end."""

import json
from pathlib import Path

import pytest

from sftstudy.files.writing import write_jsonl
from sftstudy.scoring.document import metrics_document
from sftstudy.tasks.registry import CONTROLS, TASKS, data_module, smoke_module


@pytest.mark.parametrize("name", [*TASKS, *CONTROLS])
@pytest.mark.parametrize("reply", ["", " \n\t\u00a0\u2003 ", "\u200b"])
def test_a_reply_of_white_space_is_counted_and_wrong(tmp_path: Path, name: str, reply: str) -> None:
    """To a harmful prompt, too: a student that stops answering must not pass its gate."""
    smoke_module(name).write(tmp_path / "raw", 1, 8, 6)
    rows = list(data_module(name).read(tmp_path / "raw").values())[-1]
    write_jsonl(tmp_path / "data.jsonl", rows)
    replies = ({"id": row["id"], "text": reply, "finish_reason": "stop"} for row in rows)
    write_jsonl(tmp_path / "replies.jsonl", replies)
    document = metrics_document(
        name, "", "s", "base", tmp_path / "replies.jsonl", tmp_path / "data.jsonl"
    )
    assert document["n"] == len(rows) > 0
    assert document["metrics"][document["primary"]]["value"] == 0
    json.dumps(document, allow_nan=False)
