"""What has been generated already, so that no token is generated twice.

A journal is a folder of JSONL files beside the predictions, one per suite, so that suites can run
at the same time. It outlives killed jobs and changed eval sets. An entry answers a question (a
prompt, with all of the study that determines the reply to it) for one maker: an engine, in a
version of its code and of the packages that compute. For another maker it is no answer.
"""

import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict

from sftstudy.documents.shapes import require
from sftstudy.errors import StudyError
from sftstudy.files.hashing import sha256_json
from sftstudy.files.writing import write_jsonl, write_text, writing
from sftstudy.prediction.engine import Kept
from sftstudy.prediction.maker import Made, Maker, engine_code

FOLDER = ".journal"  # beside the predictions


class _Entry(TypedDict):
    """A line of a journal's file."""

    key: str  # of question and maker
    question: str
    reply: Kept
    sha256: str  # of question and reply: a damaged entry is none
    made_by: Made


class Journal:
    """Replies by question, read like a dictionary: all that any suite wrote and `maker` would
    make; new ones go to the file of the suite whose first predictions are `output`.
    """

    def __init__(self, output: Path, maker: Maker) -> None:
        self.file = _file(output)
        with writing(self.file):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            _cut_torn_line(self.file)
        self._maker = maker
        self._forced = _forced(output)
        self._entries: dict[str, _Entry] = {}
        self._others: dict[str, Made] = {}  # by question: who made what this maker would not
        for entry in _all_entries(self.file.parent):
            if entry["key"] == _key(entry["question"], maker, self._forced):
                self._entries[entry["question"]] = entry
            else:
                self._others[entry["question"]] = entry["made_by"]

    def __contains__(self, question: str) -> bool:
        return question in self._entries

    def __getitem__(self, question: str) -> Kept:
        return self._entries[question]["reply"]

    def made_by(self, question: str) -> Made:
        """Return what is known of the making of a reply."""
        return self._entries[question]["made_by"]

    def replaced(self, questions: Iterable[str]) -> list[Made]:
        """Return who has replied to questions that are open here: a maker for each such reply."""
        return [self._others[q] for q in questions if q not in self and q in self._others]

    def add(self, question: str, reply: Kept, made_by: Made) -> None:
        """Append a reply. It is flushed to the system, so that a killed job has not lost it."""
        entry: _Entry = {
            "key": _key(question, self._maker, self._forced),
            "question": question,
            "reply": reply,
            "sha256": sha256_json([question, reply]),
            "made_by": made_by,
        }
        with writing(self.file), self.file.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(entry, ensure_ascii=False) + "\n")
        self._entries[question] = entry

    def compact(self, questions: Iterable[str]) -> None:
        """Keep only these in this suite's file; what they replaced is of no use any more."""
        write_jsonl(self.file, (self._entries[q] for q in dict.fromkeys(questions)))


def generate_anew(outputs: Iterable[Path]) -> None:
    """Have suites know none of their replies, until they have generated them anew.

    Each is told by its first file of predictions; beside files that are none is no journal. What is
    generated from now on is known again, so that a job that is killed goes on.
    """
    for output in outputs:
        # Of any suite: another order of tasks gives this one another first file, and so does a new
        # suite that asks what another has asked.
        if any(_file(output).parent.glob("*.jsonl")):
            write_text(_forced_file(output), secrets.token_hex(8) + "\n")


def accept(output: Path) -> None:
    """Have a suite's replies count as those of the present code of their engine.

    For results that are kept across an update (`sftstudy.run.keeping`). Who made them stays told.
    """
    file, forced = _file(output), _forced(output)
    entries = list(_entries(file)) if file.is_file() else []
    for entry in entries:
        maker = entry["made_by"]["maker"]
        now: Maker = {**maker, "code": engine_code(maker["engine"])}
        entry["key"] = _key(entry["question"], now, forced)
    if entries:
        write_jsonl(file, entries)


def _key(question: str, maker: Maker, forced: str) -> str:
    return sha256_json([question, maker, forced])


def _file(output: Path) -> Path:
    return output.parent / FOLDER / f"{output.stem}.jsonl"


def _forced_file(output: Path) -> Path:
    return _file(output).with_suffix(".forced")


def _forced(output: Path) -> str:
    """Return what tells replies after the last forced run from those before it."""
    file = _forced_file(output)
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def _all_entries(folder: Path) -> Iterable[_Entry]:
    for file in sorted(folder.glob("*.jsonl")):
        yield from _entries(file)


def _entries(file: Path) -> Iterable[_Entry]:
    """Yield the entries of a file, but for what is none: a line that a kill cut short, one that was
    damaged or edited, or one of an older version. Their replies are generated again."""
    for line in file.read_bytes().split(b"\n"):
        try:
            entry: _Entry = json.loads(line)
            require(entry, _Entry, str(file))
        except (ValueError, RecursionError, StudyError):
            continue
        if entry["sha256"] == sha256_json([entry["question"], entry["reply"]]):
            yield entry


def _cut_torn_line(file: Path) -> None:
    """Drop an unfinished last line, so that the next entry starts on a line of its own."""
    if file.is_file():
        data = file.read_bytes()
        if not data.endswith(b"\n"):
            os.truncate(file, data.rfind(b"\n") + 1)
