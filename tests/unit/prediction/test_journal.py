"""The journal of replies: what a kill leaves behind is used, what it tore is not."""

from pathlib import Path

import pytest

from sftstudy.prediction.journal import Journal

REPLY = {
    "text": "line\nbreak \u2028 and \ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")
}


def test_replies_outlive_the_process_and_are_shared_between_suites(tmp_path: Path) -> None:
    Journal(tmp_path, "select").add("a", REPLY)
    other = Journal(tmp_path, "confirm")
    assert other["a"] == REPLY
    other.add("b", {"text": ""})
    assert Journal(tmp_path, "select")["b"] == {"text": ""}


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_torn_last_line_is_dropped_and_the_next_entry_is_whole(tmp_path: Path, cut: int) -> None:
    journal = Journal(tmp_path, "select")
    journal.add("a", REPLY)
    journal.add("b", REPLY)
    data = journal.file.read_bytes()
    journal.file.write_bytes(data[:-cut])
    resumed = Journal(tmp_path, "select")
    assert resumed["a"] == REPLY and "b" not in resumed
    resumed.add("c", REPLY)
    again = Journal(tmp_path, "select")
    assert "b" not in again and again["a"] == again["c"] == REPLY


def test_compact_keeps_what_was_used(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "select")
    for key in "abc":
        journal.add(key, REPLY)
    journal.compact(["c", "a", "c"])
    again = Journal(tmp_path, "select")
    assert [key in again for key in "abc"] == [True, False, True]
    assert journal.file.read_text().count("\n") == 2
