"""The tables between verdicts and predictions: key metrics, and regret by configuration."""

from collections.abc import Mapping

from sftstudy.documents.recommendation import Recommendation
from sftstudy.study.variants import BASE, task_of
from sftstudy.tables.results import Results, shown_configuration
from sftstudy.tables.schema import Row, Tables, is_significant


def key_metrics(
    results: Results, tables: Tables, documents: Mapping[str, Recommendation | None]
) -> Row:
    """Return baseline and shown checkpoints of every student against all test splits and controls.

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
    for student in results.students:
        shown = shown_configuration(documents[student])
        for variant in (BASE, *(f"{task}/{shown}" for task in results.tasks if shown)):
            keys = [(student, variant, evalset) for evalset in evalsets]
            cells = [_metric_cell(primary.get(key), changes.get(key)) for key in keys]
            lines.append({"student": student, "task": task_of(variant), "cells": cells})
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
        cell["change"] = change
        if is_significant(change):
            cell["direction"] = "up" if change["change"] > 0 else "down"
    return cell


def regret(results: Results, tables: Tables) -> dict[str, list[Row]]:
    """Return, per student, one line per configuration with its gain and regret on every task."""
    found = {(row["student"], row["configuration"], row["task"]): row for row in tables["regret"]}
    lines: dict[str, list[Row]] = {student: [] for student in results.students}
    for row in tables["configurations"]:
        student, name = row["student"], row["configuration"]
        tasks = [found.get((student, name, task)) for task in results.tasks]
        lines[student].append(row | {"tasks": tasks})
    return lines
