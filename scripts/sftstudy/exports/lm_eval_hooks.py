"""What the task files of `lm_eval_files` call while lm-eval runs."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftstudy.documents.rows import read_rows
from sftstudy.exports.lm_eval_files import whole_sample_metrics
from sftstudy.tasks.registry import score_module, scoring_options

if TYPE_CHECKING:
    from datasets import Dataset


def documents(task: str, file: Path, options: Mapping[str, Any]) -> "dict[str, Dataset]":
    """Return the rows of a split as lm-eval reads them, each with the options of its scorer.

    The row itself is one column of JSON: its reference has another type from row to row, which a
    table has no column for.
    """
    from datasets import Dataset

    rows = [
        {
            "id": row["id"],
            "prompt": row["prompt"][0]["content"],
            "target": row["completion"][0]["content"],
            "task": task,
            "options": json.dumps(options),
            "row": json.dumps(row),
        }
        for row in read_rows(file)
    ]
    return {"test": Dataset.from_list(rows)}


def process_results(document: dict[str, Any], results: list[str]) -> dict[str, float]:
    """Return what one reply is worth, by metric; a metric that does not apply to it is left out."""
    task = document["task"]
    options = scoring_options(task, json.loads(document["options"]))
    outcomes = score_module(task).outcomes(json.loads(document["row"]), results[0], **options)
    values = {
        name: outcomes[metric.outcome]
        for name, metric in whole_sample_metrics(task, outcomes).items()
    }
    return {name: float(value) for name, value in values.items() if value is not None}
