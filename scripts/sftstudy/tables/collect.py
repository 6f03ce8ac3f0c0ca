"""Reading the results of a study once and laying them out as rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sftstudy.documents.metrics import Metrics, read_metrics
from sftstudy.documents.provenance import Provenance, read_provenance
from sftstudy.documents.recommendation import Recommendation
from sftstudy.pages.text import in_words
from sftstudy.recommendation.names import MISSING
from sftstudy.study.variants import BASE, task_of, trial_of
from sftstudy.tables.results import Cell, Results, shown_configuration
from sftstudy.tables.schema import AXES, COLUMNS, NAMES, Row, Tables

# Points kept of a training curve: more than a figure shows, few enough for hundreds of trials.
CURVE_POINTS = 100
_INTERVAL = ("low", "high")


@dataclass
class _Read:
    """What one pass over the metrics files gives."""

    metrics: list[Row] = field(default_factory=list)
    primary: dict[Cell, Row] = field(default_factory=dict)
    missing: list[Row] = field(default_factory=list)


def collect(results: Results) -> Tables:
    """Return the rows of every table of the schema, in its order."""
    documents = {name: results.recommendation(name) for name in results.students}
    read = _read_cells(results)
    # Of replicates the recommendation tells all that tables say, but for what it did not find.
    of_replicates = results.replicate_cells(documents)
    read.missing += [_missing_row(results, c) for c in of_replicates if not results.has(c)]
    trials, curves = _trial_rows(results, read.primary)
    known = [document for document in documents.values() if document]
    tables = {
        "metrics": read.metrics,
        "trials": trials,
        "configurations": [row for document in known for row in _configuration_rows(document)],
        "regret": [row for document in known for row in _regret_rows(document)],
        "forgetting": [row for document in known for row in _forgetting_rows(document)],
        "gates": [row for document in known for row in _gate_rows(document)],
        "runs": [row for document in known for row in _run_rows(document)],
        "effects": [row for document in known for row in _effect_rows(document)],
        "recommendations": [
            _recommendation_row(name, document, read.missing)
            for name, document in documents.items()
        ],
        "curves": curves,
        "missing": read.missing,
    }
    return {name: tables[name] for name in NAMES}


def _read_cells(results: Results) -> _Read:
    read = _Read()
    for cell in results.cells():
        if not results.has(cell):
            read.missing.append(_missing_row(results, cell))
            continue
        document = read_metrics(results.metrics(cell))
        rows = _metric_rows(cell, document)
        read.metrics += rows
        read.primary[cell] = next(row for row in rows if row["primary"])
    return read


def _metric_rows(cell: Cell, document: Metrics) -> list[Row]:
    student, variant, evalset = cell
    identity = {
        "student": student,
        "variant": variant,
        "task": task_of(variant),
        "trial": trial_of(variant),
        "evalset": evalset,
        "dropped": document.get("dropped", 0),
        "decoding": in_words(document.get("decoding")),
    }
    return [
        {**identity, "metric": name, "primary": name == document["primary"], **metric}
        for name, metric in document["metrics"].items()
    ]


def _missing_row(results: Results, cell: Cell) -> Row:
    student, variant, evalset = cell
    reached = "nothing"
    if results.checkpoint(student, variant).exists():
        reached = "checkpoint"
    if results.predictions(cell).exists():
        reached = "predictions"
    target = results.metrics(cell).as_posix()
    identity = {"student": student, "variant": variant, "evalset": evalset}
    return identity | {"reached": reached, "target": target}


def _trial_rows(results: Results, primary: dict[Cell, Row]) -> tuple[list[Row], list[Row]]:
    """Return one row per trial, and the training curves."""
    trials, curves = [], []
    for student, task, trial in results.trials():
        identity = {"student": student, "task": task, "trial": trial}
        path = results.checkpoint(student, f"{task}/{trial}") / "provenance.json"
        row: Row = identity | dict.fromkeys(AXES)
        if path.exists():
            provenance = read_provenance(path)
            row |= _training(provenance)
            curves += [identity | point for point in _curve(provenance["log_history"])]
        base = primary.get((student, BASE, f"{task}.val"))
        tuned = primary.get((student, f"{task}/{trial}", f"{task}.val"))
        if tuned:
            row |= {key: tuned[key] for key in ("metric", "value", *_INTERVAL, "n")}
        if base:
            row["baseline"] = base["value"]
        if base and tuned and None not in (base["value"], tuned["value"]):
            row["change"] = tuned["value"] - base["value"]
        trials.append(row)
    return trials, curves


def _training(provenance: Provenance) -> Row:
    """Return a training's hyperparameters and what it has cost."""
    recipe = {"method": "full"} | provenance["recipe"]["training"]
    row = {name: recipe.get(name) for name in AXES}
    row |= {"train_flops": provenance["train_flops"], "tokens": provenance["tokens"]}
    return row | {"steps": provenance["steps"], "device": provenance["device"]}


def _curve(log_history: list[dict[str, float | None]]) -> list[Row]:
    log = [entry for entry in log_history if "loss" in entry]
    stride = max(1, -(-len(log) // CURVE_POINTS))
    names = ("step", "epoch", "loss", "learning_rate")
    return [{key: entry.get(key) for key in names} for entry in log[::stride]]


def _configuration_rows(document: Recommendation) -> list[Row]:
    rows = []
    for entry in document["configurations"]:
        row = {key: entry.get(key) for key in COLUMNS["configurations"]}
        row["student"] = document["student"]
        row["chosen"] = entry["configuration"] == document["chosen"]
        rows.append(row)
    return rows


def _regret_rows(document: Recommendation) -> list[Row]:
    return [
        {
            "student": document["student"],
            "configuration": entry["configuration"],
            "task": task,
            "gain": entry["gain"][task],
            "regret": entry["regret"][task],
        }
        for entry in document["configurations"]
        for task in document["tasks"]
    ]


def _gate_rows(document: Recommendation) -> list[Row]:
    return [
        {"student": document["student"], "trial": entry["configuration"], **gate}
        for entry in document["configurations"]
        for gate in entry["gates"]
    ]


def _run_rows(document: Recommendation) -> list[Row]:
    """Return one row per run, task and gain or gate; none of a document older than runs."""
    rows: list[Row] = []
    runs, spread = document.get("runs"), document.get("spread")
    if not runs or not spread:
        return []
    for run in runs:
        identity: Row = {"student": document["student"], "configuration": document["chosen"]}
        identity |= {"run": run["run"], "trial": run["trial"]}
        for task, gain in run["gains"].items():
            of_task = {"task": task, "seed": run["seed"][task]}
            found = {"value": gain, "sd": spread["gains"][task]}
            evalset = {"evalset": f"{task}.test", "metric": document["primary"][task]}
            rows.append({**identity, **of_task, **evalset, **found})
            rows += [
                {**identity, **of_task, "evalset": gate["control"], "metric": gate["metric"]}
                | {"value": gate["value"], "passes": gate["passes"], "sd": other["sd"]}
                for gate, other in zip(run["gates"], spread["gates"], strict=True)
                if gate["task"] == task
            ]
    return rows


def _effect_rows(document: Recommendation) -> list[Row]:
    """Return one row per outcome, hyperparameter and value."""
    rows: list[Row] = []
    for effect in document.get("effects", []):
        identity: Row = {"student": document["student"]}
        identity |= {key: effect[key] for key in ("axis", "among", "note")}
        for outcome in ("gain", "loss"):
            found: Row = {**(effect[outcome] or {})}
            levels = found.get("levels") or [{}] * len(effect["values"])
            spread = {key: found.get(key) for key in COLUMNS["effects"] if key in found}
            spread |= {f"largest_{key}": found.get(key) for key in _INTERVAL}
            rows += [
                {**identity, **spread, "outcome": outcome, "value": value, "configurations": n}
                | {key: level.get(key) for key in ("mean", "difference", *_INTERVAL)}
                for value, n, level in zip(
                    effect["values"], effect["configurations"], levels, strict=True
                )
            ]
    return rows


def _recommendation_row(student: str, document: Recommendation | None, missing: list[Row]) -> Row:
    count = sum(entry["student"] == student for entry in missing)
    row: Row = {"student": student, "missing": count}
    if document is None:
        return row | {"verdict": MISSING, "reason": "There is no recommendation file."}
    gains = document["gains"]["confirm"].values()
    known = [gain["value"] for gain in gains if gain]
    least = document["least_violating"]
    return row | {
        "verdict": document["verdict"],
        "chosen": document["chosen"],
        "least_violating": least and least["configuration"],
        "reason": next(iter(document["reasons"]), ""),
        "mean_gain": sum(known) / len(known) if known and len(known) == len(gains) else None,
        "train_flops": document["costs"]["train_flops_chosen"],
        "train_flops_total": document["costs"]["train_flops_total"],
    }


def _forgetting_rows(document: Recommendation) -> list[Row]:
    """Return the gains and side effects of the shown configuration, as one matrix."""
    configuration = shown_configuration(document)
    if configuration is None:
        return []
    side_effects = {
        (effect["trained_on"], effect["evalset"]): effect for effect in document["side_effects"]
    }
    evalsets = (*(f"{task}.test" for task in document["tasks"]), *document["controls"])
    return [
        {
            "student": document["student"],
            "configuration": configuration,
            "trained_on": task,
            "evalset": evalset,
            **(_change(side_effects.get((task, evalset)) or _gain(document, task))),
        }
        for task in document["tasks"]
        for evalset in evalsets
    ]


def _gain(document: Recommendation, task: str) -> Row:
    gain = document["gains"]["confirm"][task]
    return {"metric": document["primary"][task], **gain} if gain else {}


def _change(effect: Mapping[str, Any]) -> Row:
    """Return the columns of a gain or side effect; empty fields where it was not measured."""
    row = {key: effect.get(key) for key in ("metric", "baseline", "low", "high", "n", "test", "p")}
    return row | {
        "value": effect.get("tuned"),
        "change": effect.get("value"),
        "p_holm": effect.get("p_holm"),
    }
