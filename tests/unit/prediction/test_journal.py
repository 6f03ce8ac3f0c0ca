"""The journal of replies: what a kill leaves behind is used, what it tore is not; a reply answers
for the maker that made it, and for no other."""

import errno
import os
import re
from pathlib import Path

import pytest

from sftstudy.errors import StudyError
from sftstudy.files.reading import read_jsonl
from sftstudy.prediction.journal import Journal, accept, generate_anew
from sftstudy.prediction.maker import Made, Maker, differences, engine_code

TEXT = "line\nbreak \u2028 and \ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")
REPLY = {"text": TEXT, "finish_reason": "stop", "prompt_tokens": 2, "completion_tokens": 3}
US: Maker = {"engine": "hf", "code": "0123", "packages": {"torch": "2.12.0"}, "serve": None}
OTHERS = {
    "engine": US | {"engine": "vllm"},
    "code": US | {"code": "4567"},
    "a package": US | {"packages": {"torch": "2.13.0"}},
    "a package less": US | {"packages": {}},
    "the server's command": US | {"serve": "server --quantization fp8"},
}


def made(maker: Maker = US) -> Made:
    return {"maker": maker, "commit": "abc", "device": "cpu", "when": "2026-01-01T00:00:00+00:00"}


def journal(folder: Path, suite: str = "select", maker: Maker = US) -> Journal:
    return Journal(folder / f"{suite}.jsonl", maker)


def test_replies_outlive_the_process_and_are_shared_between_suites(tmp_path: Path) -> None:
    journal(tmp_path).add("a", REPLY, made())
    other = journal(tmp_path, "confirm")
    assert other["a"] == REPLY and other.made_by("a") == made()
    other.add("b", REPLY | {"text": ""}, made())
    assert journal(tmp_path)["b"]["text"] == ""


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_torn_last_line_is_dropped_and_the_next_entry_is_whole(tmp_path: Path, cut: int) -> None:
    torn = journal(tmp_path)
    torn.add("a", REPLY, made())
    torn.add("b", REPLY, made())
    data = torn.file.read_bytes()
    torn.file.write_bytes(data[:-cut])
    resumed = journal(tmp_path)
    assert resumed["a"] == REPLY and "b" not in resumed
    resumed.add("c", REPLY, made())
    again = journal(tmp_path)
    assert "b" not in again and again["a"] == again["c"] == REPLY


def test_a_torn_journal_that_may_not_be_written_is_an_error_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torn = journal(tmp_path).file
    torn.write_text('{"key')

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "truncate", refuse)  # to root nothing is forbidden
    with pytest.raises(StudyError, match=r"select\.jsonl: may not be written"):
        journal(tmp_path)


def test_compact_keeps_what_was_used(tmp_path: Path) -> None:
    whole = journal(tmp_path)
    for question in "abc":
        whole.add(question, REPLY, made())
    whole.compact(["c", "a", "c"])
    again = journal(tmp_path)
    assert [question in again for question in "abc"] == [True, False, True]
    assert whole.file.read_text().count("\n") == 2


@pytest.mark.parametrize("what", OTHERS)
def test_another_maker_is_not_answered(tmp_path: Path, what: str) -> None:
    journal(tmp_path).add("a", REPLY, made())
    other = journal(tmp_path, maker=OTHERS[what])
    assert "a" not in other
    assert other.replaced(["a", "new"]) == [made()]
    assert differences([made()], OTHERS[what]) != differences([made()], US)
    # The replies of both are known until one is of no use any more.
    other.add("a", REPLY | {"text": "another"}, made(OTHERS[what]))
    assert journal(tmp_path)["a"] == REPLY
    assert journal(tmp_path, maker=OTHERS[what])["a"]["text"] == "another"


def test_the_difference_of_makers_is_told_with_both_versions() -> None:
    now = US | {"packages": {"torch": "2.13.0"}, "code": "4567"}
    told = "code 0123, now 4567; torch 2.12.0, now 2.13.0"
    assert differences([made(), made()], now) == told
    assert differences([made()], OTHERS["engine"]) == "engine hf, now vllm"
    assert differences([made()], US) == "the run was forced"


DAMAGE = {
    "an older version": lambda line: b'{"key": "a", "text": "old"}',
    "other JSON": lambda line: b'[]\n"a"\n1',
    "nested deeply": lambda line: b"[" * 100_000,
    "a bit of the text": lambda line: line.replace(b"break", b"breaj"),
    "another question": lambda line: line.replace(b'"question": "a"', b'"question": "z"'),
    "zeros": lambda line: line[:40] + b"\0" * 40 + line[80:],
    "no UTF-8": lambda line: line.replace(b"break", b"br\xffak"),
    "no reply": lambda line: re.sub(rb'"reply": \{[^}]*\}', b'"reply": null', line),
    "no count": lambda line: line.replace(b', "prompt_tokens": 2', b""),
    "no maker": lambda line: re.sub(rb'"made_by": .*', b'"made_by": null}', line),
    "a maker of an older version": lambda line: line.replace(b', "serve": null', b""),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_entry_does_not_answer_and_the_others_do(tmp_path: Path, kind: str) -> None:
    written = journal(tmp_path)
    for question in "bac":
        written.add(question, REPLY, made())
    lines = written.file.read_bytes().splitlines()
    assert DAMAGE[kind](lines[1]) != lines[1]
    lines[1] = DAMAGE[kind](lines[1])
    written.file.write_bytes(b"\n".join(lines) + b"\n")
    accept(tmp_path / "select.jsonl")
    for maker in (US, US | {"code": engine_code("hf")}):
        read = journal(tmp_path, maker=maker)
        assert "a" not in read and not read.replaced(["a", "z"])
    assert read["b"] == read["c"] == REPLY


def test_a_forced_suite_forgets_what_all_suites_knew_but_not_what_it_makes_then(
    tmp_path: Path,
) -> None:
    journal(tmp_path).add("a", REPLY, made())
    journal(tmp_path, "confirm").add("b", REPLY, made())
    generate_anew([tmp_path / "select.jsonl", tmp_path / "elsewhere" / "no.json"])
    forced = journal(tmp_path)
    assert "a" not in forced and "b" not in forced
    assert len(forced.replaced(["a", "b"])) == 2
    forced.add("a", REPLY, made())
    assert "a" in journal(tmp_path), "a killed job goes on"
    assert "b" in journal(tmp_path, "confirm"), "a suite that was not forced"
    generate_anew([tmp_path / "select.jsonl"])
    assert "a" not in journal(tmp_path), "forced a second time"
    assert not (tmp_path / "elsewhere").exists()


def test_a_forced_suite_whose_first_file_is_another_now_knows_nothing(tmp_path: Path) -> None:
    """As after another order of the study's tasks."""
    journal(tmp_path, "banking77.val").add("a", REPLY, made())
    generate_anew([tmp_path / "pubmedqa.val.jsonl"])
    assert "a" not in journal(tmp_path, "pubmedqa.val")


def test_replies_that_were_accepted_answer_for_the_present_code_alone(tmp_path: Path) -> None:
    journal(tmp_path).add("a", REPLY, made())
    journal(tmp_path, "confirm").add("b", REPLY, made())
    accept(tmp_path / "select.jsonl")
    now = US | {"code": engine_code("hf")}
    updated = journal(tmp_path, maker=now)
    assert "a" in updated and "b" not in updated
    assert updated.made_by("a") == made(), "who has made it stays told"
    assert "a" not in journal(tmp_path, maker=now | {"packages": {}})
    assert "a" not in journal(tmp_path)
    accept(tmp_path / "no.json")  # of another kind of job: there is no journal
    assert len(read_jsonl(tmp_path / ".journal" / "select.jsonl")) == 1
