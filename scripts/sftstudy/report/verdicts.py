"""The first thing that people read: per student, what to ship, or why nothing."""

from collections.abc import Mapping, Sequence

from sftstudy.documents.recommendation import (
    JudgedConfiguration,
    JudgedGate,
    Recommendation,
    SideEffect,
    failed_gates,
)
from sftstudy.pages.numbers import number
from sftstudy.recommendation.names import (
    BASELINE_FAILS,
    MISSING,
    NO_FEASIBLE,
    PROVISIONAL,
    RECOMMENDED,
)
from sftstudy.recommendation.phrases import judged_by, level_of, limit_of
from sftstudy.report.evidence import whole
from sftstudy.study.variants import BASE
from sftstudy.tables.results import Results, shown_configuration
from sftstudy.tables.schema import AXES, Row, Tables, varying

# Verdict -> how it is marked and what it means; never by colour alone.
MARKS = {
    RECOMMENDED: (
        "good",
        "✓",
        "Recommended",
        "every gate is proven, and for each task the gain of the checkpoint trained on it",
    ),
    PROVISIONAL: (
        "maybe",
        "◐",
        "Provisional",
        "no gate failed when it was chosen, the proof is incomplete",
    ),
    NO_FEASIBLE: ("bad", "✕", "None feasible", "no configuration is known to pass every gate"),
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
    seconds: dict[str, dict[str, list[float | None]]],
) -> list[Row]:
    """Return one view per student, what to ship first; `seconds` are `training_seconds`."""
    views = [
        _view(results, tables, name, document, seconds[name])
        for name, document in documents.items()
    ]
    views.sort(key=_rank)
    gains = [line["gain"] for view in views for line in view["checkpoints"] if line["gain"]]
    ends = [gain[end] for gain in gains for end in ("low", "high")]
    # One scale for all students, so that intervals can be compared by eye.
    scale = {"low": min([*ends, 0.0]), "high": max([*ends, 0.01])}
    return [view | {"scale": scale} for view in views]


def _rank(view: Row) -> tuple[int, float]:
    """Order by verdict, of equal ones by mean gain; the plan's order decides the rest."""
    mean = view["mean"]["value"] if view["mean"] else float("-inf")
    return list(MARKS).index(view["verdict"]), -mean


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
    seconds: dict[str, list[float | None]],
) -> Row:
    verdict = document["verdict"] if document else MISSING
    kind, symbol, word, meaning = MARKS[verdict]
    shown = shown_configuration(document)
    judged = _judged(document, shown)
    checkpoints = _checkpoints(tables, document, judged) if document and judged else []
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
        "mean": document["gains"]["mean"] if document and shown else None,
        "checkpoints": checkpoints,
        "controls": _controls(judged),
        "notes": list(dict.fromkeys(gate["note"] for gate in _gates(checkpoints) if gate["note"])),
        "runs": _runs(document) if document else None,
        "elsewhere": elsewhere(document["side_effects"] if document and shown else []),
        "cost": whole(seconds.get(shown, [None])) if shown else None,
        "cost_total": sum(known := [s for each in seconds.values() for s in each if s is not None]),
        "trained": len(known),
        "trainings": sum(map(len, seconds.values())),
        "resamples": judged and judged["selection_probability"],
        "files": [
            (label, file.relative_to(results.folder).as_posix())
            for suffix, label in _FILES
            if (file := results.layout.recommendation(student, suffix)).exists()
        ],
    }
    return view | _overview(view)


def _judged(document: Recommendation | None, shown: str | None) -> JudgedConfiguration | None:
    """Return the shown configuration as the recommendation judged it."""
    found = document["configurations"] if document else []
    return next((entry for entry in found if entry["configuration"] == shown), None)


def _overview(view: Row) -> Row:
    """Return what the first table says of a student: its smallest gain, and how much is proven."""
    known = [line for line in view["checkpoints"] if line["gain"]]
    gates = _gates(view["checkpoints"])
    return {
        "worst": min(known, key=lambda line: line["gain"]["value"], default=None),
        "lost": [line["task"] for line in known if line["gain"]["evidence"] == "violated"],
        "proven": {
            "gains": sum(line["gain"]["evidence"] == "proven" for line in known),
            "all_gains": len(view["checkpoints"]),
            "gates": sum(gate["evidence"] == "proven" for gate in gates),
            "all_gates": len(gates),
            "only_just": sum(
                one["evidence"] == "proven" and one["only_just"]
                for one in (*gates, *(line["gain"] for line in known))
            ),
        },
    }


def _checkpoints(
    tables: Tables, document: Recommendation, judged: JudgedConfiguration
) -> list[Row]:
    """Return one line per task: the gain, the gates and the side effects of its checkpoint."""
    unread = _unread(tables, document["student"], judged["configuration"])
    return [
        {
            "task": task,
            "gain": document["gains"]["confirm"][task],
            "unread": unread.get(task),
            "gates": [
                {
                    **gate,
                    "limit": limit_of(gate),
                    "level": level_of(gate),
                    "judged": judged_by(gate),
                    "stands_in": "instead_of" in gate,
                    "single": is_single(document, gate["control"]),
                }
                for gate in judged["gates"]
                if gate["task"] == task
            ],
            "elsewhere": elsewhere(
                [effect for effect in document["side_effects"] if effect["trained_on"] == task]
            ),
        }
        for task in document["tasks"]
    ]


def is_single(document: Recommendation, evalset: str) -> bool:
    """Return whether a row of an eval set is one reply of one run, so that both count alike."""
    drawn = document.get("decoding", {}).get(evalset)
    return len(document.get("runs", [])) < 2 and (drawn is None or drawn["samples"] == 1)


def _gates(checkpoints: list[Row]) -> list[Row]:
    return [gate for line in checkpoints for gate in line["gates"]]


def _runs(document: Recommendation) -> Row | None:
    """Return the runs of the choice, what they differ by, and which fail; None of a single one."""
    runs, spread = document.get("runs", []), document.get("spread")
    if len(runs) < 2 or spread is None:
        return None
    failing = [run["trial"] for run in runs if failed_gates(run)]
    return {"each": runs, "spread": spread, "failing": failing}


def elsewhere(effects: Sequence[SideEffect]) -> Row:
    """Return of side effects the proven losses and gains, and the largest loss that is not proven.

    Each the largest first; ``unknown`` counts those that were not measured.
    """
    known = sorted((one for one in effects if one["value"] is not None), key=_change)
    unproven = [one for one in known if one["evidence"] == "not proven" and _change(one) < 0]
    return {
        "losses": [one for one in known if one["evidence"] == "violated"],
        "gains": [one for one in reversed(known) if one["evidence"] == "proven"],
        "largest": unproven[0] if unproven else None,
        "unknown": len(effects) - len(known),
    }


def _change(effect: SideEffect) -> float:
    return effect["value"] or 0.0


def _controls(judged: JudgedConfiguration | None) -> list[JudgedGate]:
    """Return one gate of each control: its rule, and the baseline that it is held against."""
    return list({gate["control"]: gate for gate in judged["gates"]}.values()) if judged else []


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
