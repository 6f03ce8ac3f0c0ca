"""The replies that the page carries: a sample of every cell, small enough for one file.

Each cell is one variant on one eval set, laid beside the baseline's replies to the same prompts.
Prompts, references and the baseline's replies are stored once, however many cells show them.
"""

import base64
import json
import zlib
from collections.abc import Iterator, Mapping
from itertools import zip_longest

from sftstudy.documents.metrics import read_metrics
from sftstudy.documents.recommendation import Recommendation
from sftstudy.documents.replies import Reply, read_replies
from sftstudy.documents.rows import Message, read_rows
from sftstudy.documents.rows import Row as DataRow
from sftstudy.pages.text import cut
from sftstudy.study.variants import BASE
from sftstudy.tables.results import Cell, Results, shown_configuration
from sftstudy.tables.schema import Row

# Most samples of a cell, and what is tried next where the page would become too large.
SAMPLES = (200, 150, 100, 70, 50, 35, 25, 15, 10, 5)
BUDGET = 2_600_000  # bytes of the encoded samples
REPLY, PROMPT, REFERENCE = 700, 1200, 500  # characters kept of each text
# Taken in turn: a sample should show what training changed before what it did not.
OUTCOMES = ("broken", "fixed", "both wrong", "both right")


def encoded(results: Results, documents: Mapping[str, Recommendation | None]) -> tuple[str, int]:
    """Return the samples as base64 of deflated JSON, and the largest number per cell."""
    collected = _Collected(results)
    for cell in _cells(results, documents):
        collected.add(cell)
    for size in SAMPLES:
        text = json.dumps(collected.document(size), ensure_ascii=True, separators=(",", ":"))
        compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        packed = compressor.compress(text.encode()) + compressor.flush()
        payload = base64.b64encode(packed).decode()
        if len(payload) <= BUDGET:
            break
    return payload, size


def _cells(results: Results, documents: Mapping[str, Recommendation | None]) -> Iterator[Cell]:
    """Yield what is shown of each student on everything, and every other trial on its val split.

    Test replies of trials that were not chosen stay out of sight: they must choose nothing.
    """
    shown = {student: shown_configuration(document) for student, document in documents.items()}
    for student, task, trial in sorted(results.trials(), key=lambda key: key[2] != shown[key[0]]):
        if trial == shown[student]:
            for evalset in (*results.confirm, *results.controls):
                yield student, f"{task}/{trial}", evalset
        yield student, f"{task}/{trial}", f"{task}.val"


class _Collected:
    """Texts and samples of all cells, cut and made visible, before the budget is known."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.rows: dict[str, dict[str, DataRow]] = {}
        self.replies: dict[Cell, dict[str, Reply]] = {}
        self.items: dict[Cell, dict[str, Row]] = {}
        self.cells: list[Row] = []

    def add(self, cell: Cell) -> None:
        """Choose a cell's samples; a cell without metrics or baseline is left out."""
        student, variant, evalset = cell
        base = (student, BASE, evalset)
        if not (self._load(cell) and self._load(base)):
            return
        before, after = self.items[base], self.items.pop(cell)
        replies = self.replies.pop(cell)
        by_outcome: dict[str, list[str]] = {name: [] for name in OUTCOMES}
        for identifier, item in after.items():
            if identifier in before:
                by_outcome[_outcome(before[identifier], item)].append(identifier)
        turns = zip_longest(*by_outcome.values())
        chosen = [name for turn in turns for name in turn if name is not None][: SAMPLES[0]]
        self.cells.append(
            {
                "student": student,
                "variant": variant,
                "evalset": evalset,
                "n": len(after),
                "counts": {name: len(ids) for name, ids in by_outcome.items()},
                "samples": [
                    [
                        identifier,
                        OUTCOMES.index(_outcome(before[identifier], after[identifier])),
                        int(after[identifier]["invalid"]),
                        replies[identifier]["finish_reason"],
                        cut(replies[identifier]["text"], REPLY, keep_end=150),
                    ]
                    for identifier in chosen
                ],
            }
        )

    def _load(self, cell: Cell) -> bool:
        if cell in self.items:
            return True
        files = self.results.metrics(cell), self.results.predictions(cell)
        rows = self.results.rows(cell[2])
        if not all(path.exists() for path in (*files, rows)):
            return False
        document = read_metrics(files[0])
        key = document["metrics"][document["primary"]]["outcome"]
        is_task = document["task"] in self.results.tasks
        self.items[cell] = {
            item["id"]: {
                "right": bool(item.get(key)),
                "invalid": is_task and item.get("prediction") is None,
            }
            for item in document["items"]
        }
        self.replies[cell] = {row["id"]: row for row in read_replies(files[1])}
        if cell[2] not in self.rows:
            self.rows[cell[2]] = {row["id"]: row for row in read_rows(rows)}
        return True

    def document(self, size: int) -> Row:
        """Return everything for at most `size` samples per cell, as the page's script reads it."""
        cells = [cell | {"samples": cell["samples"][:size]} for cell in self.cells]
        prompts: dict[str, set[str]] = {}
        shown: dict[str, dict[str, set[str]]] = {}
        for cell in cells:
            ids = {sample[0] for sample in cell["samples"]}
            prompts.setdefault(cell["evalset"], set()).update(ids)
            evalsets = shown.setdefault(cell["student"], {})
            evalsets.setdefault(cell["evalset"], set()).update(ids)
        return {
            "outcomes": OUTCOMES,
            "prompts": {name: self._prompts(name, ids) for name, ids in prompts.items()},
            "base": {
                student: {name: self._base(student, name, ids) for name, ids in evalsets.items()}
                for student, evalsets in shown.items()
            },
            "cells": cells,
        }

    def _prompts(self, evalset: str, ids: set[str]) -> Row:
        rows = self.rows[evalset]
        texts = {name: _conversation(rows[name]["prompt"]) for name in sorted(ids)}
        shared = _common_lines(list(texts.values()))
        return {
            "shared": cut(shared, 4 * PROMPT, keep_end=PROMPT),
            "rows": {
                name: [
                    cut(text[len(shared) :], PROMPT, keep_end=800),
                    cut(_conversation(rows[name]["completion"]), REFERENCE),
                ]
                for name, text in texts.items()
            },
        }

    def _base(self, student: str, evalset: str, ids: set[str]) -> Row:
        cell = (student, BASE, evalset)
        found = {name: self.replies[cell][name] for name in sorted(ids)}
        return {
            name: [reply["finish_reason"], cut(reply["text"], REPLY, keep_end=150)]
            for name, reply in found.items()
        }


def _outcome(before: Row, after: Row) -> str:
    if before["right"]:
        return "both right" if after["right"] else "broken"
    return "fixed" if after["right"] else "both wrong"


def _common_lines(texts: list[str]) -> str:
    """Return the whole lines that all of several texts begin with."""
    if len(texts) < 2:
        return ""
    # What the first and the last in sorted order share, all share.
    first, last = min(texts), max(texts)
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), 0)
    return first[: first.rfind("\n", 0, length) + 1]


def _conversation(messages: list[Message]) -> str:
    """Return the text of a prompt or completion; roles are named where there are several turns."""
    if len(messages) == 1:
        return messages[0]["content"]
    return "\n\n".join(f"{message['role']}: {message['content']}" for message in messages)
