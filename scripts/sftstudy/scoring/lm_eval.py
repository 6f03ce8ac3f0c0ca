"""From what lm-eval says of each document to a metrics file like all others."""

from collections import Counter
from pathlib import Path

from sftstudy.documents.lm_eval import CHOSEN, Outcome, Task, read_outcomes, read_task
from sftstudy.documents.metrics import Metrics
from sftstudy.documents.rows import read_scored
from sftstudy.errors import StudyError
from sftstudy.files.hashing import sha256_file, sha256_json
from sftstudy.run.code import code_sha256
from sftstudy.scoring.document import COMMON, SCHEMA, answered
from sftstudy.scoring.several import measured
from sftstudy.statistics.metric import Item, Metric
from sftstudy.tasks.replies import strip_think


def lm_eval_document(
    student: str, variant: str, predictions_file: Path, data_file: Path, task_file: Path
) -> Metrics:
    """Return the document of the metrics file of one variant on a control from lm-eval.

    Its metrics are those of the task that are means over documents. Of the others (F1 over a
    corpus, perplexity) there is no outcome of one document, so none is compared and none stands
    here. Raises `StudyError` when predictions and data do not hold the same ids, or none.
    """
    task, rows = read_task(task_file), read_scored(data_file)
    asked, _ = answered(rows, predictions_file, data_file)
    lines = {line["id"]: line for line in read_outcomes(predictions_file)}
    items = [_item(row["group"], lines[row["id"]], task) for row in asked]
    metrics = _metrics(task)
    if task["output_type"] == "generate_until":
        metrics |= COMMON
        times = Counter(lines[row["id"]]["text"] for row in asked)
        items = [item | {"repeated": times[lines[item["id"]]["text"]] > 1} for item in items]
    return {
        "schema": SCHEMA,
        "student": student,
        "variant": variant,
        "evalset": task["control"],
        "task": task["control"],
        "split": "test",
        "task_version": _number(task["version"]),
        "primary": task["primary"],
        "n": len(items),
        "dropped": len(rows) - len(items),
        "groups": len({item["group"] for item in items}),
        "metrics": {name: measured(metric, items, items) for name, metric in metrics.items()},
        "items": items,
        "prompt_sha256": sha256_json([row["prompt"] for row in rows]),
        "data_sha256": sha256_file(data_file),
        "predictions_sha256": sha256_file(predictions_file),
        "versions": {"lm-eval": task["lm_eval"], task["task"]: task["version"]},
        "task_sha256": task["config_sha256"],
        "code_sha256": code_sha256("scripts/score_lm_eval.py"),
    }


def _metrics(task: Task) -> dict[str, Metric]:
    return {
        metric["name"]: Metric(
            "mean",
            metric["name"],
            description=f"{metric['metric']} of lm-eval's {task['task']}"
            + ("" if metric["filter"] == "none" else f", replies read by {metric['filter']}"),
            better="higher" if metric["better"] == "higher" else "lower",
        )
        for metric in task["metrics"]
        if metric["mean"]
    }


def _item(group: str, line: Outcome, task: Task) -> Item:
    names = [metric["name"] for metric in task["metrics"] if metric["mean"]]
    outcomes = {name: _outcome(name, line) for name in names}
    item: Item = {"id": line["id"], "group": group, **outcomes}
    if line["finish_reason"] == CHOSEN:
        return item
    return item | {
        "reply_chars": len(line["text"]),
        "think": strip_think(line["text"])[1],
        "cut": line["finish_reason"] == "length",
    }


def _outcome(name: str, line: Outcome) -> float | None:
    """Return an outcome; None where the task says nothing of the document by this metric."""
    value = line["outcomes"].get(name)
    if value is None or isinstance(value, bool | int | float):
        return value
    raise StudyError(
        f"document {line['id']!r}: lm-eval says {value!r} by {name!r}, expected a number, for the "
        "metric is to be their mean; choose another task"
    )


def _number(version: str) -> int:
    """Return a task's version as a whole number; what lm-eval says stands in `versions`."""
    try:
        return int(float(version))
    except ValueError:
        return 0
