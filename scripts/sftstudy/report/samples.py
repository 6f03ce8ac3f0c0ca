"""The replies that the page carries: a sample of every cell, small enough for one file.

Each cell is one variant on one eval set, laid beside the baseline's replies to the same prompts.
Prompts, references and the baseline's replies are stored once, however many cells show them. Where
prompts have several replies each one is a sample of its own, named `{id}#{number}`, beside the
baseline's of the same number, which was drawn by the same seed; first replies come first.

Which cells: everything of a student's shown configuration, the val splits of all other trials, and
each control whose gate a trial fails. Test splits of trials that were not chosen stay out of sight:
they must choose nothing.
"""

import base64
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import NamedTuple

from sftstudy.documents.metrics import Metrics, read_metrics
from sftstudy.documents.recommendation import Recommendation
from sftstudy.documents.replies import Reply, read_replies
from sftstudy.documents.rows import Message, read_rows
from sftstudy.documents.rows import Row as DataRow
from sftstudy.pages.text import cut
from sftstudy.report.verdicts import settings
from sftstudy.study.variants import BASE
from sftstudy.tables.results import Cell, Results, shown_configuration
from sftstudy.tables.schema import Row, Tables
from sftstudy.tasks.replies import reply_name

Counts = dict[Cell, dict[str, int]]  # replies of a cell by CHOICES: all of them, not a sample
Gates = dict[Cell, Row]  # the rows of the table `gates`, by the cell that each one judges


class PerCell(NamedTuple):
    """Most samples of a cell, by why it is in the page."""

    shown: int  # the shown configuration: chosen, or least violating
    failing: int  # a control of another trial that fails its gate
    other: int  # the val split of another trial


# From the largest to the smallest that is tried to keep the budget: the first keep theirs longest.
SIZES = (
    PerCell(200, 50, 100),
    PerCell(150, 40, 70),
    PerCell(100, 30, 50),
    PerCell(80, 20, 35),
    PerCell(60, 20, 25),
    PerCell(50, 20, 18),
    PerCell(40, 16, 12),
    PerCell(30, 12, 9),
    PerCell(22, 9, 7),
    PerCell(16, 7, 6),
    PerCell(11, 6, 6),
    PerCell(8, 6, 4),
    PerCell(8, 4, 2),
    PerCell(6, 3, 1),
    PerCell(4, 2, 1),
)
BUDGET = 750_000  # bytes of the encoded samples
REPLY, PROMPT, REFERENCE = 700, 1200, 500  # characters kept of each text
# Taken in turn: a sample should show what training changed before what it did not.
OUTCOMES = ("broken", "fixed", "both wrong", "both right")
_WRONG = ("broken", "both wrong")
# What the page lets people choose, in this order. Wrong and right are the tuned student's replies.
CHOICES = ("all", "wrong", "right", "fixed", "broken", "both wrong", "both right", "invalid")

Text = str | list[str]  # a text of the page; in a list where characters were cut


def encoded(
    results: Results, documents: Mapping[str, Recommendation | None], tables: Tables
) -> tuple[str, PerCell, Counts]:
    """Return the samples as base64 of deflated JSON, the most per cell, and all replies' counts.

    The counts have a key for every cell that the page carries, and for no other.
    """
    gates: Gates = {
        (row["student"], f"{row['task']}/{row['trial']}", row["control"]): row
        for row in tables["gates"]
    }
    shown = {student: shown_configuration(document) for student, document in documents.items()}
    collected = _Collected(results, gates)
    for student, task, trial, evalset in _cells(results, shown, gates):
        collected.add(student, task, trial, evalset, chosen=trial == shown[student])
    trials = _trials(results, documents, shown, tables)
    payload, size = _fitting(collected, {"trials": trials})
    return payload, size, collected.counts


def _cells(
    results: Results, shown: Mapping[str, str | None], gates: Gates
) -> Iterator[tuple[str, str, str, str]]:
    """Yield (student, task trained on, trial, eval set) of every cell, in the order of the page."""
    order = {student: index for index, student in enumerate(results.students)}
    tasks = results.tasks

    def rank(key: tuple[str, str, str]) -> tuple[int, int, bool]:
        student, task, trial = key
        return order[student], tasks.index(task), trial != shown[student]

    for student, task, trial in sorted(results.trials(), key=rank):
        is_shown = trial == shown[student]
        if is_shown:
            # What it was trained for stands first.
            yield from (
                (student, task, trial, evalset)
                for evalset in sorted(results.confirm, key=lambda name: name != f"{task}.test")
            )
        yield student, task, trial, f"{task}.val"
        for control in results.controls:
            if is_shown or _fails(gates.get((student, f"{task}/{trial}", control))):
                yield student, task, trial, control


def _fails(gate: Row | None) -> bool:
    return gate is not None and gate["passes"] is False


def _trials(
    results: Results,
    documents: Mapping[str, Recommendation | None],
    shown: Mapping[str, str | None],
    tables: Tables,
) -> dict[str, dict[str, str]]:
    """Return, per student, each trial's name -> the hyperparameters that tell it from others."""
    labels: dict[str, dict[str, str]] = {student: {} for student in results.students}
    for student, _, trial in results.trials():
        if trial in labels[student]:
            continue
        values = ", ".join(f"{name} {value}" for name, value in settings(tables, student, trial))
        label = values or trial
        if trial == shown[student]:
            document = documents[student]
            label += " (chosen)" if document and document["chosen"] else " (least violating)"
        labels[student][trial] = label
    return labels


def _fitting(collected: "_Collected", more: Row) -> tuple[str, PerCell]:
    """Return the samples, packed, of the largest size that keeps the budget (or the smallest)."""

    def packed(size: PerCell) -> str:
        document = collected.document(size) | more
        text = json.dumps(document, ensure_ascii=True, separators=(",", ":"))
        compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        return base64.b64encode(compressor.compress(text.encode()) + compressor.flush()).decode()

    # By halves, not from the largest on: packing is what costs, and large ones cost most.
    low, high = 0, len(SIZES) - 1
    found: dict[int, str] = {}
    while low < high:
        middle = (low + high) // 2
        found[middle] = packed(SIZES[middle])
        if len(found[middle]) <= BUDGET:
            high = middle
        else:
            low = middle + 1
    return found.get(low) or packed(SIZES[low]), SIZES[low]


class _Collected:
    """Texts and samples of all cells, cut and made visible, before the budget is known."""

    def __init__(self, results: Results, gates: Gates) -> None:
        self.results = results
        self.gates = gates
        self.rows: dict[str, dict[str, DataRow]] = {}
        self.replies: dict[Cell, dict[str, Reply]] = {}
        self.items: dict[Cell, dict[str, Row]] = {}
        self.to_each: dict[Cell, int] = {}  # replies to each row
        self.metrics: dict[str, str] = {}  # by eval set: what counts as right there
        self.counts: Counts = {}
        self.cells: list[tuple[str, Row]] = []  # why it is in the page (of PerCell), the cell

    def add(self, student: str, task: str, trial: str, evalset: str, chosen: bool) -> None:
        """Choose a cell's samples; a cell without metrics or baseline is left out."""
        cell, base = (student, f"{task}/{trial}", evalset), (student, BASE, evalset)
        if not (self._load(cell) and self._load(base)):
            return
        before, after, replies = self.items[base], self.items.pop(cell), self.replies.pop(cell)
        outcomes = {
            identifier: _outcome(before[identifier], item)
            for identifier, item in after.items()
            if identifier in before
        }
        invalid = {identifier for identifier in outcomes if after[identifier]["invalid"]}
        gate = self.gates.get(cell)
        why = "shown" if chosen else "failing" if _fails(gate) else "other"
        most = max(getattr(size, why) for size in SIZES)
        self.counts[cell] = counts(outcomes.values(), len(invalid))
        self.cells.append(
            (
                why,
                {
                    "student": student,
                    "trained": task,
                    "trial": trial,
                    "evalset": evalset,
                    "metric": self.metrics[evalset],
                    "rule": gate["rule"] if gate else None,
                    "fails": _fails(gate),
                    "counts": self.counts[cell],
                    "replies": self.to_each[cell],
                    "samples": [
                        [
                            identifier,
                            OUTCOMES.index(outcomes[identifier]),
                            int(identifier in invalid),
                            replies[identifier]["finish_reason"],
                            _text(replies[identifier]["text"], REPLY, keep_end=150),
                        ]
                        for identifier in _in_turn(outcomes, invalid, _fails(gate))[:most]
                    ],
                },
            )
        )

    def _load(self, cell: Cell) -> bool:
        if cell in self.items:
            return True
        evalset = cell[2]
        files = self.results.metrics(cell), self.results.predictions(cell)
        rows = self.results.rows(evalset)
        if not all(path.exists() for path in (*files, rows)):
            return False
        document = read_metrics(files[0])
        self.metrics[evalset] = self._metric(document)
        self.to_each[cell] = document.get("decoding", {"samples": 1})["samples"]
        self.items[cell] = self._items(document, self.metrics[evalset])
        self.replies[cell] = {
            reply_name(reply["id"], reply.get("sample", 0), self.to_each[cell]): reply
            for reply in read_replies(files[1])
        }
        if evalset not in self.rows:
            self.rows[evalset] = {row["id"]: row for row in read_rows(rows)}
        return True

    def _metric(self, document: Metrics) -> str:
        """Return the metric that says right or wrong: that of the control's gate, or the primary.

        A gate's number and the replies behind it are then one thing.
        """
        gate = self.results.plan["gates"].get(document["task"])
        name = gate["metric"] if gate else document["primary"]
        return name if name in document["metrics"] else document["primary"]

    def _items(self, document: Metrics, metric: str) -> dict[str, Row]:
        """Return name -> right, invalid, of each reply; without those of which the metric says
        nothing."""
        key = document["metrics"][metric]["outcome"] or metric
        is_task = document["task"] in self.results.tasks
        to_each = document.get("decoding", {"samples": 1})["samples"]
        replies = document.get("samples", document["items"])
        of_row = {item["id"]: item for item in document["items"]}
        return {
            reply_name(reply["id"], reply.get("sample", 0), to_each): {
                "right": value >= 1,  # part of the points is not right
                "invalid": is_task and reply.get("prediction") is None,
            }
            for reply in sorted(replies, key=lambda reply: reply.get("sample", 0))
            # What a metric says of all replies to a row together it says of each.
            for value in [reply.get(key, of_row[reply["id"]].get(key))]
            if value is not None
        }

    def document(self, size: PerCell) -> Row:
        """Return everything for at most `size` samples per cell, as the page's script reads it."""
        cells = [
            cell | {"samples": cell["samples"][: getattr(size, why)]} for why, cell in self.cells
        ]
        prompts: dict[str, set[str]] = {}
        shown: dict[str, dict[str, set[str]]] = {}
        for cell in cells:
            ids = {sample[0] for sample in cell["samples"]}
            rows = {row_of(name, cell["replies"]) for name in ids}
            prompts.setdefault(cell["evalset"], set()).update(rows)
            evalsets = shown.setdefault(cell["student"], {})
            evalsets.setdefault(cell["evalset"], set()).update(ids)
        return {
            "outcomes": OUTCOMES,
            "choices": CHOICES,
            "controls": self.results.controls,
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
            "shared": _text(shared, 4 * PROMPT, keep_end=PROMPT),
            "rows": {
                name: [
                    _text(text[len(shared) :], PROMPT, keep_end=800),
                    _text(_conversation(rows[name]["completion"]), REFERENCE),
                ]
                for name, text in texts.items()
            },
        }

    def _base(self, student: str, evalset: str, ids: set[str]) -> Row:
        cell = (student, BASE, evalset)
        found = {name: self.replies[cell][name] for name in sorted(ids)}
        return {
            name: [reply["finish_reason"], _text(reply["text"], REPLY, keep_end=150)]
            for name, reply in found.items()
        }


def row_of(name: str, replies: int) -> str:
    """Return the id of the row that a reply of this name is to, one of so many."""
    return name if replies == 1 else name.rpartition("#")[0]


def counts(outcomes: Iterable[str], invalid: int) -> dict[str, int]:
    """Return how many replies each of CHOICES holds, from the outcome of each and the invalid."""
    every = list(outcomes)
    tally = {name: every.count(name) for name in OUTCOMES}
    wrong = sum(tally[name] for name in _WRONG)
    whole = {"all": len(every), "wrong": wrong, "right": len(every) - wrong, "invalid": invalid}
    return {name: (tally | whole)[name] for name in CHOICES}


def _in_turn(outcomes: Mapping[str, str], invalid: set[str], wrong_first: bool) -> list[str]:
    """Return all ids, those of each outcome in turn; invalid ones are an outcome of their own.

    With `wrong_first` what the tuned student gets right comes after all that it gets wrong.
    """
    heaps: dict[tuple[str, bool], list[str]] = {
        (name, flag): [] for name in OUTCOMES for flag in (False, True)
    }
    for identifier, outcome in outcomes.items():
        heaps[outcome, identifier in invalid].append(identifier)
    if not wrong_first:
        return _turns(heaps.values())
    wrong = [heap for (name, _), heap in heaps.items() if name in _WRONG]
    right = [heap for (name, _), heap in heaps.items() if name not in _WRONG]
    return _turns(wrong) + _turns(right)


def _turns(heaps: Iterable[list[str]]) -> list[str]:
    return [name for turn in zip_longest(*heaps) for name in turn if name is not None]


def _outcome(before: Row, after: Row) -> str:
    if before["right"]:
        return "both right" if after["right"] else "broken"
    return "fixed" if after["right"] else "both wrong"


def _text(text: str, limit: int, keep_end: int = 0) -> Text:
    shown = cut(text, limit, keep_end)
    return [shown] if len(text) > limit else shown


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
