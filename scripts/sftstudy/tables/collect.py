"""Reading the results of a study once and laying them out as rows."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sftstudy.documents.shapes import read_metrics, read_provenance
from sftstudy.statistics.clusters import group_codes
from sftstudy.statistics.multiplicity import holm
from sftstudy.statistics.paired import paired_gain
from sftstudy.tables.results import Cell, Results, shown_trial, task_of
from sftstudy.tables.schema import AXES, COLUMNS, NAMES

Row = dict[str, Any]

# Points kept of a training curve: more than a figure shows, few enough for hundreds of trials.
CURVE_POINTS = 100
_INTERVAL = ("low", "high")


@dataclass
class _Read:
    """What one pass over the metrics files gives."""

    metrics: list[Row] = field(default_factory=list)
    primary: dict[Cell, Row] = field(default_factory=dict)
    documents: dict[Cell, Row] = field(default_factory=dict)  # of the cells to compare
    missing: list[Row] = field(default_factory=list)


def collect(results: Results) -> dict[str, list[Row]]:
    """Return the rows of every table of the schema, in its order."""
    documents = {name: results.recommendation(name) for name in results.students}
    shown = {name: shown_trial(document) for name, document in documents.items()}
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
        if evalset in compared and variant.partition("/")[2] in ("", shown[student]):
            read.documents[cell] = document
    return read


def _metric_rows(cell: Cell, document: Row) -> list[Row]:
    student, variant, evalset = cell
    identity = {
        "student": student,
        "variant": variant,
        "task": task_of(variant),
        "trial": variant.partition("/")[2],
        "evalset": evalset,
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
        provenance = read_provenance(path) if path.exists() else {}
        recipe = {"method": "full"} | provenance["recipe"]["training"] if provenance else {}
        row = identity | {name: recipe.get(name) for name in AXES}
        cost = ("train_flops", "tokens", "steps", "device")
        row |= {name: provenance.get(name) for name in cost}
        base = primary.get((student, "base", f"{task}.val"))
        tuned = primary.get((student, f"{task}/{trial}", f"{task}.val"))
        if tuned:
            row |= {key: tuned[key] for key in ("metric", "value", *_INTERVAL, "n")}
        if base:
            row["baseline"] = base["value"]
        if base and tuned and None not in (base["value"], tuned["value"]):
            row["change"] = tuned["value"] - base["value"]
        trials.append(row)
        log = [entry for entry in provenance.get("log_history", []) if "loss" in entry]
        stride = max(1, -(-len(log) // CURVE_POINTS))
        names = ("step", "epoch", "loss", "learning_rate")
        curves += [identity | {key: e.get(key) for key in names} for e in log[::stride]]
    return trials, curves


def _configuration_rows(document: Row) -> list[Row]:
    rows = []
    for configuration in document["configurations"]:
        row = {key: configuration.get(key) for key in COLUMNS["configurations"]}
        row["student"] = document["student"]
        row["chosen"] = configuration["trial"] == document["chosen"]
        rows.append(row)
    return rows


def _regret_rows(document: Row) -> list[Row]:
    return [
        {
            "student": document["student"],
            "trial": configuration["trial"],
            "task": task,
            "gain": configuration["gain"][task],
            "regret": configuration["regret"][task],
        }
        for configuration in document["configurations"]
        for task in document["tasks"]
    ]


def _gate_rows(document: Row) -> list[Row]:
    return [
        {"student": document["student"], "trial": configuration["trial"], **gate}
        for configuration in document["configurations"]
        for gate in configuration["gates"]
    ]


def _recommendation_row(student: str, document: Row | None, missing: list[Row]) -> Row:
    row = {"student": student, "missing": sum(entry["student"] == student for entry in missing)}
    if document is None:
        return row | {"verdict": "MISSING", "reason": "There is no recommendation file."}
    gains = [gain and gain["value"] for gain in document["gains"]["confirm"].values()]
    least = document["least_violating"]
    return row | {
        "verdict": document["verdict"],
        "chosen": document["chosen"],
        "least_violating": least and least["trial"],
        "reason": next(iter(document["reasons"]), ""),
        "mean_gain": None if None in gains or not gains else sum(gains) / len(gains),
        "train_flops": document["costs"]["train_flops_chosen"],
        "train_flops_total": document["costs"]["train_flops_total"],
    }


def _forgetting_rows(results: Results, shown: dict[str, str | None], read: _Read) -> list[Row]:
    """Compare each task's checkpoint of the shown configuration with the baseline everywhere."""
    rows = []
    for student, trial in shown.items():
        compared = []
        for task in results.tasks if trial else ():
            for evalset in (*results.confirm, *results.controls):
                base = read.documents.get((student, "base", evalset))
                tuned = read.documents.get((student, f"{task}/{trial}", evalset))
                identity = {"student": student, "trial": trial, "trained_on": task}
                compared.append(identity | {"evalset": evalset} | _comparison(base, tuned))
        # Two questions, two families: the gains that the verdict rests on, and side effects.
        for own in (True, False):
            tested = [row for row in compared if "p" in row and _is_own(row) == own]
            for row, p in zip(tested, holm([row["p"] for row in tested]), strict=True):
                row["p_holm"] = p
        rows += compared
    return rows


def _is_own(row: Row) -> bool:
    """Return whether a checkpoint is compared on the task that it was trained on."""
    return row["evalset"] == f"{row['trained_on']}.test"


def _comparison(base: Row | None, tuned: Row | None) -> Row:
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
