"""The first thing that people read: per student, what to ship, or why nothing."""

from collections.abc import Mapping

from sftstudy.documents.recommendation import Recommendation
from sftstudy.pages.numbers import number
from sftstudy.recommendation.names import (
    BASELINE_FAILS,
    MISSING,
    NO_FEASIBLE,
    PROVISIONAL,
    RECOMMENDED,
)
from sftstudy.study.variants import BASE
from sftstudy.tables.results import Cell, Results, shown_configuration
from sftstudy.tables.schema import AXES, Row, Tables, varying

# Verdict -> how it is marked and what it means; never by colour alone.
MARKS = {
    RECOMMENDED: ("good", "✓", "Recommended", "every gate and every gain is proven"),
    PROVISIONAL: ("maybe", "◐", "Provisional", "gates are passed, the proof is incomplete"),
    NO_FEASIBLE: ("bad", "✕", "None feasible", "every configuration fails a gate"),
    BASELINE_FAILS: ("broken", "!", "Baseline fails", "a gate fails before any training"),
    MISSING: ("absent", "\u2013", "Missing", "there is no recommendation yet"),
}
_FILES = (
    ("md", "in words"),
    ("trl.yaml", "TRL"),
    ("oumi.yaml", "oumi"),
    ("axolotl.yaml", "axolotl"),
    ("json", "all numbers"),
)


def verdicts(
    results: Results,
    tables: Tables,
    documents: Mapping[str, Recommendation | None],
    seconds: dict[str, dict[str, float | None]],
    counts: Mapping[Cell, Mapping[str, int]],
) -> list[Row]:
    """Return one view per student, in the order of the plan.

    `seconds` are `training_seconds`, `counts` those of `samples.encoded`.
    """
    views = [
        _view(results, tables, name, document, seconds[name], counts)
        for name, document in documents.items()
    ]
    ends = [
        end
        for view in views
        for gain in view["gains"].values()
        if gain
        for end in (gain["low"], gain["high"])
    ]
    # One scale for all students, so that intervals can be compared by eye.
    scale = {"low": min([*ends, 0.0]), "high": max([*ends, 0.01])}
    return [view | {"scale": scale} for view in views]


def tally(views: list[Row]) -> list[Row]:
    """Return how many students got each verdict, best first."""
    counts = {name: sum(view["verdict"] == name for view in views) for name in MARKS}
    return [
        dict(zip(("kind", "symbol", "word", "meaning"), MARKS[name], strict=True))
        | {"count": count}
        for name, count in counts.items()
        if count
    ]


def settings(tables: Tables, student: str, configuration: str | None) -> list[tuple[str, str]]:
    """Return the hyperparameters of a configuration that differ between the student's."""
    rows = [
        row
        for row in tables["trials"]
        if row["student"] == student and row["learning_rate"] is not None
    ]
    chosen = next((row for row in rows if row["trial"] == configuration), None)
    if chosen is None:
        return []
    names = varying(rows) or list(AXES)[:3]
    return [(AXES[name], number(chosen[name])) for name in names if chosen[name] is not None]


def _view(
    results: Results,
    tables: Tables,
    student: str,
    document: Recommendation | None,
    seconds: dict[str, float | None],
    counts: Mapping[Cell, Mapping[str, int]],
) -> Row:
    verdict = document["verdict"] if document else MISSING
    kind, symbol, word, meaning = MARKS[verdict]
    shown = shown_configuration(document)
    view = {
        "student": student,
        "verdict": verdict,
        "kind": kind,
        "symbol": symbol,
        "word": word,
        "meaning": meaning,
        "configuration": shown,
        "chosen": bool(document and document["chosen"]),
        "settings": settings(tables, student, shown),
        "reasons": document["reasons"] if document else [],
        "next_steps": document["next_steps"] if document else [],
        "gains": document["gains"]["confirm"] if document and shown else {},
        "mean": document["gains"]["mean"] if document and shown else None,
        "unread": _unread(tables, student, shown) if shown else {},
        "gates": _gates(tables, student, shown, counts),
        "cost": seconds.get(shown) if shown else None,
        "cost_total": sum(known) if (known := [s for s in seconds.values() if s]) else None,
        "files": [
            (label, file.relative_to(results.folder).as_posix())
            for suffix, label in _FILES
            if (file := results.layout.recommendation(student, suffix)).exists()
        ],
    }
    return view | _overview(view)


def _overview(view: Row) -> Row:
    """Return what the first table says of a student: its smallest gain, and how much is proven."""
    known = {task: gain for task, gain in view["gains"].items() if gain}
    gates = [gate for line in view["gates"] for gate in line["gates"]]
    worst = min(known, key=lambda task: known[task]["value"], default=None)
    return {
        "worst": worst and {"task": worst} | known[worst],
        "lost": [task for task, gain in known.items() if gain["evidence"] == "violated"],
        "proven": {
            "gains": sum(gain["evidence"] == "proven" for gain in known.values()),
            "all_gains": len(view["gains"]),
            "gates": sum(gate["evidence"] == "proven" for gate in gates),
            "all_gates": len(gates),
        },
    }


def _unread(tables: Tables, student: str, configuration: str) -> dict[str, tuple[float, float]]:
    """Return, per task, the share of test replies with no answer in them, untuned and tuned.

    A gain may be made of answers that are now in the form asked for: that is worth knowing.
    """
    shares: dict[tuple[str, str], float] = {}
    for row in tables["metrics"]:
        if row["student"] != student or not row["counts"] or row["value"] is None:
            continue
        task, _, split = row["evalset"].partition(".")
        if split == "test" and row["variant"] in (BASE, f"{task}/{configuration}"):
            share = row["value"] if row["counts"] == "unread" else 1 - row["value"]
            shares[task, row["trial"]] = share
    return {
        task: (before, shares[task, configuration])
        for (task, trial), before in shares.items()
        if not trial and (task, configuration) in shares
    }


def _gates(
    tables: Tables,
    student: str,
    configuration: str | None,
    counts: Mapping[Cell, Mapping[str, int]],
) -> list[Row]:
    """Return one line per control: its rule, and the evidence for each task's checkpoint.

    `failed` are the replies that the page's browser of replies counts as wrong: a number and what
    it leads to are one thing. It is None where the page has no replies.
    """
    rows = [
        row
        for row in tables["gates"]
        if row["student"] == student and row["trial"] == configuration
    ]
    lines: dict[str, Row] = {}
    for row in rows:
        line = lines.setdefault(
            row["control"],
            {"control": row["control"], "metric": row["metric"], "rule": row["rule"], "gates": []}
            | {"baseline": row["baseline"], "n": row["n"]},
        )
        cell = (student, f"{row['task']}/{configuration}", row["control"])
        line["gates"].append(row | {"failed": counts.get(cell, {}).get("wrong")})
    return list(lines.values())
