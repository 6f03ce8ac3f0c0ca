"""From predictions to a metrics file, the same way for every task and control."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sftstudy.documents.metrics import Measured, Metrics, Reviewed
from sftstudy.documents.replies import DROPPED, Reply, read_replies
from sftstudy.documents.rows import Scored, read_scored
from sftstudy.errors import StudyError
from sftstudy.files.hashing import file_marks, sha256_file, sha256_json
from sftstudy.records.record import use
from sftstudy.run.code import code_sha256
from sftstudy.scoring.review import Review, add_review, review_key, review_metrics
from sftstudy.statistics.estimate import estimate, unsure
from sftstudy.statistics.metric import Item, Metric
from sftstudy.tasks.registry import judge_module, module_files, score_module, scoring_options
from sftstudy.tasks.replies import strip_think
from sftstudy.tasks.task import Outcomes, ReadsFiles, Row, Versioned

SCHEMA = 1


def metrics_document(
    task: str,
    split: str,
    student: str,
    variant: str,
    predictions_file: Path,
    data_file: Path,
    options: Mapping[str, Any] | None = None,
    judgements_file: Path | None = None,
    review: Review | None = None,
) -> Metrics:
    """Score one eval set of one variant; return the document of its metrics file.

    The document has every metric with value, n, standard error and 95% interval, and every item's
    outcomes by id. `options` are those of the task's block in the study file; what a judge answered
    (`judgements_file`) and what a person did (`review`) is added to the items. Rows that were
    dropped as too long are counted and not scored. Raises `StudyError` when predictions and data do
    not hold the same ids, or none.
    """
    all_rows = read_scored(data_file)
    rows, predictions = answered(all_rows, predictions_file, data_file)
    judged = _judged(task, rows, judgements_file, data_file)
    module = score_module(task)
    given = scoring_options(task, options or {})
    times = Counter(predictions[row["id"]]["text"] for row in rows)
    with _unchanged(module.inputs(rows, **given) if isinstance(module, ReadsFiles) else []):
        items = []
        for row in rows:
            reply = predictions[row["id"]]
            found = judged.get(row["id"], {}) | module.outcomes(row, reply["text"], **given)
            items.append(_item(row, reply, found) | {"repeated": times[reply["text"]] > 1})
    measured = {
        name: _measured(metric, items) for name, metric in (module.metrics(items) | _COMMON).items()
    }
    reviewed: Reviewed | None = None
    if review:
        keys = [review_key(task, row, predictions[row["id"]]["text"]) for row in rows]
        primary = module.metrics(items)[module.PRIMARY]
        reviewed = add_review(review, primary, items, keys)
        measured |= {
            name: found if isinstance(found, dict) else _measured(found, items)
            for name, found in review_metrics(
                review, primary, module.PRIMARY, reviewed, items, keys
            ).items()
        }
    document: Metrics = {
        "schema": SCHEMA,
        "student": student,
        "variant": variant,
        "evalset": task if split == "" else f"{task}.{split}",
        "task": task,
        "split": split or "test",
        "task_version": module.VERSION,
        "primary": module.PRIMARY,
        "n": len(items),
        "dropped": len(all_rows) - len(rows),
        "groups": len({item["group"] for item in items}),
        "metrics": measured,
        "items": items,
        "prompt_sha256": sha256_json([row["prompt"] for row in all_rows]),
        "data_sha256": sha256_file(data_file),
        "predictions_sha256": sha256_file(predictions_file),
        "versions": dict(module.versions()) if isinstance(module, Versioned) else {},
        "code_sha256": code_sha256("scripts/score.py", module_files(task, "score")),
    }
    if reviewed and reviewed["read"]:
        document["review"] = reviewed
    return document


def _measured(metric: Metric, items: list[Item]) -> Measured:
    return {
        **estimate(metric, items),
        "outcome": "" if metric.kind == "statistic" else metric.outcome,
        "description": metric.description,
        "better": metric.better,
        "counts": metric.counts,
        "unsure": unsure(metric, items),
    }


@contextmanager
def _unchanged(files: Iterable[Path]) -> Iterator[None]:
    """Enter files as inputs of this run; a `StudyError` if one changes while the block runs."""
    before = file_marks(files)
    for file in before:
        use(file)
    yield
    after = file_marks(before)
    if changed := [file for file in before if after.get(file) != before[file]]:
        raise StudyError(f"{changed[0]}: was changed while replies were scored on it; run again")


_COMMON = {
    "reply_chars": Metric(
        "mean", "reply_chars", description="characters of a reply", better="neither"
    ),
    "think_rate": Metric(
        "proportion", "think", description="replies with a think block", better="neither"
    ),
    "cut_rate": Metric(
        "proportion", "cut", description="replies that reached the token limit", better="lower"
    ),
    "repeated_rate": Metric(
        "proportion",
        "repeated",
        description="replies that another prompt got as well, word for word",
        better="neither",
    ),
}


def _judged(
    task: str, rows: Sequence[Row], judgements_file: Path | None, data_file: Path
) -> dict[str, Outcomes]:
    """Return what a judge answered about the replies, by the rows' ids; nothing without one."""
    if judgements_file is None:
        return {}
    judge = judge_module(task)
    answers = replies_by_id(rows, judgements_file, data_file)
    return {name: judge.outcomes(answer["text"]) for name, answer in answers.items()}


def _item(row: Row, prediction: Reply, outcomes: Outcomes) -> Outcomes:
    reply = prediction["text"]
    return {
        "id": row["id"],
        "group": row["group"],
        **outcomes,
        "reply_chars": len(reply),
        "think": strip_think(reply)[1],
        "cut": prediction["finish_reason"] == "length",
    }


def answered(
    rows: Sequence[Scored], predictions_file: Path, data_file: Path
) -> tuple[list[Scored], dict[str, Reply]]:
    """Return the rows that were asked, and the predictions by id.

    Rows that were not are marked as dropped in the predictions. A row without any line is an error
    as in `replies_by_id`, and so are predictions that hold no reply.
    """
    predictions = replies_by_id(rows, predictions_file, data_file)
    asked = [row for row in rows if predictions[row["id"]]["finish_reason"] != DROPPED]
    if not asked:
        raise StudyError(
            f"{predictions_file}: all {len(rows)} rows were dropped as too long; raise the "
            "student's max_length and predict again"
        )
    return asked, predictions


def replies_by_id(rows: Sequence[Row], predictions_file: Path, data_file: Path) -> dict[str, Reply]:
    """Return the predictions for `rows`, by id; a `StudyError` where they do not fit the rows."""
    predictions = _by_id(read_replies(predictions_file), predictions_file)
    _check_complete(rows, predictions, predictions_file, data_file)
    return predictions


def _by_id(predictions: Iterable[Reply], file: Path) -> dict[str, Reply]:
    found: dict[str, Reply] = {}
    for number, row in enumerate(predictions, start=1):
        if row["id"] in found:
            raise StudyError(
                f"{file}, line {number}: the id {row['id']!r} occurs a second time; "
                "delete the file and predict again"
            )
        found[row["id"]] = row
    return found


def _check_complete(
    rows: Sequence[Row],
    predictions: Mapping[str, Reply],
    predictions_file: Path,
    data_file: Path,
) -> None:
    if not rows:
        raise StudyError(f"{data_file}: holds no rows; an empty evaluation has no metrics")
    ids = [row["id"] for row in rows]
    for found, wanted, file, lacks in (
        (set(predictions), ids, data_file, "has no prediction in"),
        (set(ids), list(predictions), predictions_file, "does not occur in"),
    ):
        other = predictions_file if file is data_file else data_file
        strangers = [identifier for identifier in wanted if identifier not in found]
        if strangers:
            raise StudyError(
                f"{file}: the id {strangers[0]!r} {lacks} {other} "
                f"({len(strangers)} of {len(wanted)} ids); predict again from this data"
            )
