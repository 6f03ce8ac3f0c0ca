"""Reading the results of a study once and laying them out as rows."""

from dataclasses import dataclass, field

import numpy as np

from sftstudy.documents.metrics import Metrics, read_metrics
from sftstudy.documents.provenance import Provenance, read_provenance
from sftstudy.documents.recommendation import Recommendation
from sftstudy.recommendation.names import MISSING
from sftstudy.statistics.clusters import group_codes
from sftstudy.statistics.multiplicity import holm
from sftstudy.statistics.paired import paired_gain
from sftstudy.study.variants import BASE, task_of, trial_of
from sftstudy.tables.results import Cell, Results, shown_configuration
from sftstudy.tables.schema import AXES, COLUMNS, NAMES, Row, Tables, is_own

# Points kept of a training curve: more than a figure shows, few enough for hundreds of trials.
CURVE_POINTS = 100
_INTERVAL = ("low", "high")


@dataclass
class _Read:
    """What one pass over the metrics files gives."""

    metrics: list[Row] = field(default_factory=list)
    primary: dict[Cell, Row] = field(default_factory=dict)
    documents: dict[Cell, Metrics] = field(default_factory=dict)  # of the cells to compare
    missing: list[Row] = field(default_factory=list)


def collect(results: Results) -> Tables:
    """Return the rows of every table of the schema, in its order."""
    documents = {name: results.recommendation(name) for name in results.students}
    shown = {name: shown_configuration(document) for name, document in documents.items()}
    read = _read_cells(results, shown)
    trials, curves = _trial_rows(results, read.primary)
    known = [document for document in documents.values() if document]
    tables = {
        "metrics": read.metrics,
        "trials": trials,
        "configurations": [row for document in known for row in _configuration_rows(document)],
        "regret": [row for document in known for row in _regret_rows(document)],
        "forgetting": _forgetting_rows(results, shown, read),
        "gates": [row for document in known for row in _gate_rows(document)],
        "effects": [row for document in known for row in _effect_rows(document)],
        "recommendations": [
            _recommendation_row(name, document, read.missing)
            for name, document in documents.items()
        ],
        "curves": curves,
        "missing": read.missing,
    }
    return {name: tables[name] for name in NAMES}


def _read_cells(results: Results, shown: dict[str, str | None]) -> _Read:
    read = _Read()
    compared = {*results.confirm, *results.controls}
    for cell in results.cells():
        path = results.metrics(cell)
        if not path.exists():
            read.missing.append(_missing_row(results, cell))
            continue
        document = read_metrics(path)
        rows = _metric_rows(cell, document)
        read.metrics += rows
        read.primary[cell] = next(row for row in rows if row["primary"])
        student, variant, evalset = cell
        if evalset in compared and trial_of(variant) in ("", shown[student]):
            read.documents[cell] = document
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


def _forgetting_rows(results: Results, shown: dict[str, str | None], read: _Read) -> list[Row]:
    """Compare each task's checkpoint of the shown configuration with the baseline everywhere."""
    rows: list[Row] = []
    for student, configuration in shown.items():
        compared: list[Row] = []
        for task in results.tasks if configuration else ():
            identity: Row = {"student": student, "configuration": configuration, "trained_on": task}
            for evalset in (*results.confirm, *results.controls):
                base = read.documents.get((student, BASE, evalset))
                tuned = read.documents.get((student, f"{task}/{configuration}", evalset))
                compared.append(identity | {"evalset": evalset} | _comparison(base, tuned))
        # Two questions, two families: the gains that the verdict rests on, and side effects.
        for own in (True, False):
            tested = [row for row in compared if "p" in row and is_own(row) == own]
            for row, p in zip(tested, holm([row["p"] for row in tested]), strict=True):
                row["p_holm"] = p
        rows += compared
    return rows


def _comparison(base: Metrics | None, tuned: Metrics | None) -> Row:
    """Return the paired comparison of two metrics documents by their primary metric.

    Empty where one is missing or measured nothing; without a test where the metric is no mean over
    items.
    """
    if base is None or tuned is None:
        return {}
    metric = base["primary"]
    before, after = (document["metrics"][metric] for document in (base, tuned))
    if before["value"] is None or after["value"] is None:
        return {}
    row = {"metric": metric, "baseline": before["value"], "value": after["value"]}
    row["change"] = after["value"] - before["value"]
    if not before["outcome"]:
        return row
    key = before["outcome"]
    baseline = {item["id"]: item[key] for item in base["items"]}
    pairs = [
        (float(item[key]), float(baseline[item["id"]]), item["group"])
        for item in tuned["items"]
        if item[key] is not None and baseline.get(item["id"]) is not None
    ]
    after_values, before_values, groups = zip(*pairs, strict=True)
    gain = paired_gain(np.array(after_values), np.array(before_values), group_codes(groups))
    tested = {key: getattr(gain, key) for key in ("low", "high", "n", "test", "p")}
    return row | {"change": gain.value} | tested
