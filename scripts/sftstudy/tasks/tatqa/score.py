"""What a reply to a TAT-QA question is worth.

The official scores are in ``official.py``, the reading of replies in ``reply.py``. The scores
of the original study stand beside them so that results can be laid beside its tables.
"""

import re
from typing import Any

from sftstudy.statistics.metric import Metric
from sftstudy.tasks.replies import strip_think
from sftstudy.tasks.tatqa import official
from sftstudy.tasks.tatqa.reply import read_answer

VERSION = 2
PRIMARY = "em"

_LEGACY_LEAD = re.compile(r"^(?:the )?(?:final )?answer(?: is)?\s*:?\s+")


def outcomes(row: dict[str, Any], reply: str) -> dict[str, float | str | bool | None]:
    r"""Return everything known about one reply.

    `scale_correct` compares the scale read from the reply with the one read from the gold answer
    *as the target boxes it*: the gold span "$2.5 million" has no scale of its own, and no box could
    tell that from the number 2.5 with the scale million.
    """
    reference = row["reference"]
    text, _ = strip_think(reply)
    answer = read_answer(text)
    # Never None for a row that data.py made: every gold answer has a part that is not blank.
    gold = read_answer(row["completion"][0]["content"])
    scores = official.score(
        reference["answer"],
        reference["scale"],
        reference["answer_type"],
        answer.parts if answer else [],
        answer.scale if answer else "",
    )
    return {
        "prediction": str(answer) if answer else None,
        "em": scores.exact_match,
        "f1": scores.f1,
        "scale_correct": bool(answer and gold and answer.scale == gold.scale),
        "boxed": answer is not None,
        "answer_type": reference["answer_type"],
        "answer_from": reference["answer_from"],
        **_legacy_outcomes(reference["answer"], reply),
    }


def metrics(items: list[dict[str, Any]]) -> dict[str, Metric]:
    """Return the metrics over the outcomes of all rows; by type only for types that occur."""
    table = {
        "em": Metric("proportion", "em", description="official exact match, scale included"),
        "f1": Metric("mean", "f1", description="official F1, scale included"),
        "scale_accuracy": Metric(
            "proportion", "scale_correct", description="scale as in the boxed gold answer"
        ),
        "boxed_rate": Metric(
            "proportion", "boxed", description="replies with an answer in a box", counts="read"
        ),
    }
    for key in ("answer_type", "answer_from"):
        for value in sorted({item[key] for item in items}):
            where = {key: value}
            label = f"[{key}={value}]"
            table[f"em{label}"] = Metric("proportion", "em", where, description=f"em, {value}")
            table[f"f1{label}"] = Metric("mean", "f1", where, description=f"f1, {value}")
    return table | {
        "legacy_em": Metric(
            "proportion", "legacy_em", description="the original study's exact match", legacy=True
        ),
        "legacy_f1": Metric(
            "mean", "legacy_f1", description="the original study's F1 on token sets", legacy=True
        ),
        "legacy_boxed_rate": Metric(
            "proportion",
            "legacy_boxed",
            description="the original study's boxed rate",
            legacy=True,
        ),
    }


def _legacy_outcomes(answer: list[str] | str | int | float, reply: str) -> dict[str, float | bool]:
    """Return the legacy scores: first box up to the first brace, no scale, thinking included."""
    _, _, behind = reply.partition(r"\boxed{")
    content, closed, _ = behind.partition("}")
    prediction = _legacy_normalise(content) if closed else ""
    gold = _legacy_normalise(", ".join(answer) if isinstance(answer, list) else str(answer))
    predicted, wanted = set(prediction.split()), set(gold.split())
    common = len(predicted & wanted)
    return {
        "legacy_em": bool(prediction) and prediction == gold,
        "legacy_f1": 2 * common / (len(predicted) + len(wanted)) if common else 0.0,
        "legacy_boxed": r"\boxed{" in reply,
    }


def _legacy_normalise(text: str) -> str:
    text = " ".join(text.lower().split()).rstrip(".,;:!?")
    return _LEGACY_LEAD.sub("", text)
