"""What has been generated already, so that no token is generated twice.

A journal is a folder of JSONL files beside the predictions, one per suite, so that suites can run
at the same time. An entry is keyed by everything that determines a reply: the checkpoint's content,
the rendered prompt and the generation parameters. It outlives killed jobs and changed eval sets.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict

from sftstudy.files.writing import write_jsonl, writing


class Generated(TypedDict):
    """A reply as the journal keeps it: all of a line of predictions but the row's id."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int


class Journal:
    """Replies by key, read like a dictionary: all that any suite wrote; new ones go to one file."""

    def __init__(self, folder: Path, suite: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / f"{suite}.jsonl"
        _cut_torn_line(self.file)
        self._replies: dict[str, Generated] = {}
        for file in sorted(folder.glob("*.jsonl")):
            self._replies |= _read(file)

    def __contains__(self, key: str) -> bool:
        return key in self._replies

    def __getitem__(self, key: str) -> Generated:
        return self._replies[key]

    def add(self, key: str, reply: Generated) -> None:
        """Append a reply. It is flushed to the system, so that a killed job has not lost it."""
        with writing(self.file), self.file.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps({"key": key, **reply}, ensure_ascii=False) + "\n")
        self._replies[key] = reply

    def compact(self, keys: Iterable[str]) -> None:
        """Keep only these keys in this suite's file; what they replaced is of no use any more."""
        write_jsonl(self.file, ({"key": key, **self._replies[key]} for key in dict.fromkeys(keys)))


def _read(file: Path) -> dict[str, Generated]:
    replies: dict[str, Generated] = {}
    for line in file.read_bytes().split(b"\n"):
        try:
            entry = json.loads(line)
            key = entry.pop("key")
        except (ValueError, KeyError, AttributeError, TypeError):
            continue  # a line that a kill cut short: its reply is generated again
        replies[key] = entry
    return replies


def _cut_torn_line(file: Path) -> None:
    """Drop an unfinished last line, so that the next entry starts on a line of its own."""
    if file.is_file():
        data = file.read_bytes()
        if not data.endswith(b"\n"):
            os.truncate(file, data.rfind(b"\n") + 1)
