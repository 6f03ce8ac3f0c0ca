"""The tables between verdicts and predictions: key metrics, forgetting, regret."""

from collections.abc import Mapping

from sftstudy.documents.recommendation import JudgedGate, Recommendation
from sftstudy.recommendation.judging import violation
from sftstudy.study.variants import BASE, task_of
from sftstudy.tables.results import Results, shown_configuration
from sftstudy.tables.schema import Row, Tables, is_own, is_significant


def key_metrics(
    results: Results, tables: Tables, documents: Mapping[str, Recommendation | None]
) -> Row:
    """Return baseline and shown checkpoints of every student against all test splits and controls.

    Students are in the order of `documents`.
    A cell is None where nothing was measured. ``best`` marks the largest value of a column.
    """
    evalsets = [*results.confirm, *results.controls]
    primary = {
        (row["student"], row["variant"], row["evalset"]): row
        for row in tables["metrics"]
        if row["primary"]
    }
    changes = {
        (row["student"], f"{row['trained_on']}/{row['configuration']}", row["evalset"]): row
        for row in tables["forgetting"]
    }
    lines: list[Row] = []
    for student, document in documents.items():
        shown = shown_configuration(document)
        for variant in (BASE, *(f"{task}/{shown}" for task in results.tasks if shown)):
            keys = [(student, variant, evalset) for evalset in evalsets]
            cells = [_metric_cell(primary.get(key), changes.get(key)) for key in keys]
            ships = bool(document and document["chosen"])
            line = {"student": student, "task": task_of(variant), "ships": ships}
            lines.append(line | {"configuration": shown, "cells": cells})
    for column in zip(*(line["cells"] for line in lines), strict=True):
        measured = [cell for cell in column if cell]
        for cell in measured:
            cell["best"] = cell["value"] == max(other["value"] for other in measured)
    names = {row["evalset"]: row["metric"] for row in primary.values()}
    columns = [{"evalset": evalset, "metric": names.get(evalset, "")} for evalset in evalsets]
    return {"columns": columns, "lines": lines}


def _metric_cell(metric: Row | None, change: Row | None) -> Row | None:
    if metric is None or metric["value"] is None:
        return None
    cell = {key: metric[key] for key in ("value", "low", "high", "n", "interval")}
    cell |= {"change": None, "direction": "", "unsure": metric.get("unsure")}
    if change and change["change"] is not None:
        cell |= {"change": change, "value": change["value"]}  # the mean over runs
        if is_significant(change):
            cell["direction"] = "up" if change["change"] > 0 else "down"
    return cell


def forgetting(results: Results, tables: Tables) -> Row:
    """Return, per student, one line per task trained on, with the change on every eval set.

    ``depth`` is a change's share of the largest change of all students, ``reach``.
    """
    reach = max((abs(row["change"] or 0) for row in tables["forgetting"]), default=0) or 1.0
    lines: dict[str, dict[str, list[Row]]] = {student: {} for student in results.students}
    for row in tables["forgetting"]:
        cell = row | {"own": is_own(row), "significant": is_significant(row)}
        cell["depth"] = abs(row["change"] or 0) / reach
        lines[row["student"]].setdefault(row["trained_on"], []).append(cell)
    return {
        "reach": reach,
        "lines": {
            student: [{"task": task, "cells": cells} for task, cells in found.items()]
            for student, found in lines.items()
        },
    }


def regret(
    results: Results, tables: Tables, documents: Mapping[str, Recommendation | None]
) -> dict[str, list[Row]]:
    """Return, per student, one line per configuration with its gain and regret on every task.

    ``failed`` is the gate that ``why_not`` names first, where one fails.
    """
    failed = _worst_gates(documents)
    found = {(row["student"], row["configuration"], row["task"]): row for row in tables["regret"]}
    lines: dict[str, list[Row]] = {student: [] for student in results.students}
    for row in tables["configurations"]:
        student, name = row["student"], row["configuration"]
        tasks = [found.get((student, name, task)) for task in results.tasks]
        lines[student].append(row | {"tasks": tasks, "failed": failed.get((student, name))})
    return lines


def _worst_gates(
    documents: Mapping[str, Recommendation | None],
) -> dict[tuple[str, str], JudgedGate]:
    """Return, by student and configuration, the failed gate that is missed by most."""
    found = {}
    for student, document in documents.items():
        for entry in document["configurations"] if document else ():
            failed = [g for g in entry["gates"] if not g["passes"] and g["value"] is not None]
            if failed:
                found[student, entry["configuration"]] = max(failed, key=violation)
    return found
