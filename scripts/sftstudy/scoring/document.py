"""From predictions to a metrics file, the same way for every task and control."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sftstudy.documents.decoding import Decoding
from sftstudy.documents.metrics import Judge, Metrics
from sftstudy.documents.replies import DROPPED, Reply, read_replies
from sftstudy.documents.rows import Scored, read_scored
from sftstudy.errors import StudyError
from sftstudy.files.hashing import file_marks, sha256_file, sha256_json
from sftstudy.records.record import use
from sftstudy.run.code import code_sha256
from sftstudy.scoring.several import measured, together
from sftstudy.statistics.metric import Metric
from sftstudy.tasks.registry import (
    judge_file,
    judge_module,
    module_files,
    score_module,
    scoring_options,
)
from sftstudy.tasks.replies import reply_name, strip_think
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
    decoding: Decoding | None = None,
    judge: Judge | None = None,
) -> Metrics:
    """Score one eval set of one variant; return the document of its metrics file.

    The document has every metric with value, n, standard error and 95% interval, and every item's
    outcomes by id. `options` are those of the task's block in the study file; what a `judge`
    answered (`judgements_file`) is added to the items. `decoding` says how the replies were drawn
    (None: one greedy reply to each row); with several to a row the items are means over them. Rows
    that were dropped as too long are counted and not scored. Raises `StudyError` when predictions
    and data do not hold the same ids, or none, or when rows have another number of replies.
    """
    all_rows = read_scored(data_file)
    rows, predictions = answered(all_rows, predictions_file, data_file)
    _require_number(predictions[rows[0]["id"]], decoding, predictions_file)
    judged: dict[tuple[str, int], Outcomes] = {}
    if judge is not None:
        assert judgements_file is not None, "what a judge answered"
        judged = _judged(task, rows, predictions, judge, judgements_file)
    module = score_module(task)
    given = scoring_options(task, options or {})
    with _unchanged(module.inputs(rows, **given) if isinstance(module, ReadsFiles) else []):
        replies = [
            _outcomes(row, number, reply, judged.get((row["id"], number), {}) | found)
            for row in rows
            for number, reply in enumerate(predictions[row["id"]])
            for found in [module.outcomes(row, reply["text"], **given)]
        ]
    _add_repeated(replies, [reply["text"] for row in rows for reply in predictions[row["id"]]])
    several = len(replies) > len(rows)
    items = together(module, replies)
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
        "metrics": {
            name: measured(metric, items, replies)
            for name, metric in (module.metrics(items) | _COMMON).items()
        },
        "items": items,
        "prompt_sha256": sha256_json([row["prompt"] for row in all_rows]),
        "data_sha256": sha256_file(data_file),
        "predictions_sha256": sha256_file(predictions_file),
        "versions": dict(module.versions()) if isinstance(module, Versioned) else {},
        "code_sha256": code_sha256(
            "scripts/score.py",
            module_files(task, "score") + ([judge_file(task, judge["format"])] if judge else []),
        ),
    }
    if decoding:
        document["decoding"] = decoding
    if judge:
        document["judge"] = judge
    if several:
        document["samples"] = replies
    return document


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
    task: str,
    rows: Sequence[Row],
    predictions: Mapping[str, Sequence[Reply]],
    judge: Judge,
    judgements_file: Path,
) -> dict[tuple[str, int], Outcomes]:
    """Return what a judge answered about the replies, by row and number."""
    module = judge_module(task, judge["format"])
    asked = {
        (row["id"], number): [question["id"] for question in module.questions(named, reply["text"])]
        for row in rows
        for own in [predictions[row["id"]]]
        for number, reply in enumerate(own)
        for named in [{**row, "id": reply_name(row["id"], number, len(own))}]
    }
    answers = replies_by_id(
        [name for names in asked.values() for name in names],
        judgements_file,
        judgements_file.with_name("questions.jsonl"),
    )
    return {
        place: module.outcomes([answers[name][0]["text"] for name in names])
        for place, names in asked.items()
    }


def _outcomes(row: Row, number: int, prediction: Reply, outcomes: Outcomes) -> Outcomes:
    reply = prediction["text"]
    return {
        "id": row["id"],
        "group": row["group"],
        "sample": number,
        **outcomes,
        "reply_chars": len(reply),
        "think": strip_think(reply)[1],
        "cut": prediction["finish_reason"] == "length",
    }


def _add_repeated(replies: Sequence[Outcomes], texts: Sequence[str]) -> None:
    """Add to each reply whether another row got the same text, among the replies of one number:
    that does not grow with the number of replies."""
    times = Counter((reply["sample"], text) for reply, text in zip(replies, texts, strict=True))
    for reply, text in zip(replies, texts, strict=True):
        reply["repeated"] = times[reply["sample"], text] > 1


def answered(
    rows: Sequence[Scored], predictions_file: Path, data_file: Path
) -> tuple[list[Scored], dict[str, list[Reply]]]:
    """Return the rows that were asked, and the replies to each by id; equally many to all.

    Rows that were not are marked as dropped in the predictions. A row without any line is an error
    as in `replies_by_id`, and so are predictions that hold no reply.
    """
    predictions = replies_by_id([row["id"] for row in rows], predictions_file, data_file)
    asked = [row for row in rows if predictions[row["id"]][0]["finish_reason"] != DROPPED]
    if not asked:
        raise StudyError(
            f"{predictions_file}: all {len(rows)} rows were dropped as too long; raise the "
            "student's max_length and predict again"
        )
    first = asked[0]["id"]
    for row in asked:
        if len(predictions[row["id"]]) != len(predictions[first]):
            raise StudyError(
                f"{predictions_file}: the id {row['id']!r} has {len(predictions[row['id']])} "
                f"replies, expected {len(predictions[first])} as of {first!r}; delete the file and "
                "predict again"
            )
    return asked, predictions


def _require_number(replies: Sequence[Reply], decoding: Decoding | None, file: Path) -> None:
    expected = decoding["samples"] if decoding else 1
    if len(replies) != expected:
        raise StudyError(
            f"{file}: holds {len(replies)} replies to a row, expected {expected} (`samples` in the "
            "study file); predict again"
        )


def replies_by_id(
    ids: Sequence[str], predictions_file: Path, data_file: Path
) -> dict[str, list[Reply]]:
    """Return the replies to each of `ids`, in the order of their numbers.

    Raises `StudyError` where they do not fit the rows of `data_file`, which have these ids.
    """
    predictions = _by_id(read_replies(predictions_file), predictions_file)
    _check_complete(ids, predictions, predictions_file, data_file)
    return predictions


def _by_id(predictions: Iterable[Reply], file: Path) -> dict[str, list[Reply]]:
    found: dict[str, dict[int, Reply]] = {}
    for line, reply in enumerate(predictions, start=1):
        replies, number = found.setdefault(reply["id"], {}), reply.get("sample", 0)
        if number in replies:
            raise StudyError(
                f"{file}, line {line}: the id {reply['id']!r} occurs a second time"
                f"{f' with sample {number}' if 'sample' in reply else ''}; "
                "delete the file and predict again"
            )
        replies[number] = reply
    for name, replies in found.items():
        if set(replies) != set(range(len(replies))):
            raise StudyError(
                f"{file}: the id {name!r} has the samples {', '.join(map(str, sorted(replies)))}, "
                f"expected 0 to {len(replies) - 1}; delete the file and predict again"
            )
    return {name: [replies[n] for n in range(len(replies))] for name, replies in found.items()}


def _check_complete(
    ids: Sequence[str],
    predictions: Mapping[str, Sequence[Reply]],
    predictions_file: Path,
    data_file: Path,
) -> None:
    if not ids:
        raise StudyError(f"{data_file}: holds no rows; an empty evaluation has no metrics")
    for found, wanted, file, lacks in (
        (set(predictions), list(ids), data_file, "has no prediction in"),
        (set(ids), list(predictions), predictions_file, "does not occur in"),
    ):
        other = predictions_file if file is data_file else data_file
        strangers = [identifier for identifier in wanted if identifier not in found]
        if strangers:
            raise StudyError(
                f"{file}: the id {strangers[0]!r} {lacks} {other} "
                f"({len(strangers)} of {len(wanted)} ids); predict again from this data"
            )
