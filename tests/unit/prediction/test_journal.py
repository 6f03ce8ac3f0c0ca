"""The journal of replies: what a kill leaves behind is used, what it tore is not."""

from pathlib import Path

import pytest

from sftstudy.prediction.journal import Journal
from sftstudy.students.checkpoints import fingerprint

REPLY = {
    "text": "line\nbreak \u2028 and \ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")
}


def test_replies_outlive_the_process_and_are_shared_between_suites(tmp_path: Path) -> None:
    Journal(tmp_path, "select").add("a", REPLY)
    other = Journal(tmp_path, "confirm")
    assert other.get("a") == REPLY
    other.add("b", {"text": ""})
    assert Journal(tmp_path, "select").get("b") == {"text": ""}


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_torn_last_line_is_dropped_and_the_next_entry_is_whole(tmp_path: Path, cut: int) -> None:
    journal = Journal(tmp_path, "select")
    journal.add("a", REPLY)
    journal.add("b", REPLY)
    data = journal.file.read_bytes()
    journal.file.write_bytes(data[:-cut])
    resumed = Journal(tmp_path, "select")
    assert resumed.get("a") == REPLY and resumed.get("b") is None
    resumed.add("c", REPLY)
    again = Journal(tmp_path, "select")
    assert [again.get(key) for key in "abc"] == [REPLY, None, REPLY]


def test_compact_keeps_what_was_used(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "select")
    for key in "abc":
        journal.add(key, REPLY)
    journal.compact(["c", "a", "c"])
    again = Journal(tmp_path, "select")
    assert [again.get(key) is not None for key in "abc"] == [True, False, True]
    assert journal.file.read_text().count("\n") == 2


def test_fingerprint_follows_content_and_not_provenance(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}")
    before = fingerprint(tmp_path)
    (tmp_path / "README.md").write_text("a card")
    (tmp_path / "provenance.json").write_text("{}")
    assert fingerprint(tmp_path) == before
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}\n")
    assert fingerprint(tmp_path) != before
