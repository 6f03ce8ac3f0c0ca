"""What a reply to a TAT-QA question is worth.

``em`` and ``f1`` are what the official program (``official.py``) gives the prediction that is in
the boxes (``reply.py``). They hold answer and scale together, the program takes them apart: where
that leaves two predictions, the better counts, and is ``prediction``.

The gold answer is the program's but for what no box can hold: blank parts are left out, white space
is collapsed, a number is written without exponent (the program reads 1e-05 as 1) and minus zero as
zero.

``value_em`` is ours: ``em``, or numbers that are equal in any notation. It differs where the
program misreads the gold answer: "(1,234)" is 1234 to it, "$(9.8) million" -9.8.

The scores of the original study stand beside them so that results can be laid beside its tables.
"""

import re
from typing import Any

from sftstudy.statistics.metric import Metric
from sftstudy.tasks.replies import strip_think
from sftstudy.tasks.tatqa import official
from sftstudy.tasks.tatqa.reply import Answer, as_number, boxed_parts, readings, says_scale

VERSION = 4
PRIMARY = "em"

_LEGACY_LEAD = re.compile(r"^(?:the )?(?:final )?answer(?: is)?\s*:?\s+")


def outcomes(row: dict[str, Any], reply: str) -> dict[str, float | str | bool | None]:
    r"""Return everything known about one reply.

    `scale_correct` compares the scale read from the reply with the one read from the gold answer
    *as the target boxes it*: the gold span "$2.5 million" has no scale of its own, and no box could
    tell that from the number 2.5 with the scale million.
    """
    reference = row["reference"]
    gold = reference["answer"]
    computed = reference["answer_type"] in ("arithmetic", "count")
    spelled = isinstance(gold, list) and any(map(says_scale, gold))
    text, _ = strip_think(reply)
    parts = boxed_parts(text)
    predictions = readings(parts, computed, spelled)
    # Never empty for a row that data.py made: every gold answer has a part that is not blank.
    gold_parts = boxed_parts(row["completion"][0]["content"])
    scale = readings(gold_parts, computed, spelled)[0].scale
    scored = [(_official(reference, prediction), prediction) for prediction in predictions]
    best = max(scored, key=lambda pair: (pair[0].exact_match, pair[0].f1), default=None)
    exact_match = best is not None and best[0].exact_match
    return {
        "prediction": str(best[1]) if best else None,
        "em": exact_match,
        "f1": best[0].f1 if best else 0.0,
        "value_em": exact_match or _same_value(gold_parts, parts),
        "scale_correct": bool(predictions) and predictions[0].scale == scale,
        "boxed": bool(parts),
        "answer_type": reference["answer_type"],
        "answer_from": reference["answer_from"],
        **_legacy_outcomes(gold, reply),
    }


def _official(reference: dict[str, Any], prediction: Answer) -> official.Scores:
    """Return the official scores of a prediction, against the gold as a box can hold it."""
    gold = reference["answer"]
    if isinstance(gold, list):
        gold = [" ".join(part.split()) for part in gold if part.strip()]
    elif isinstance(gold, float):
        gold = f"{gold:f}" if "e" in str(gold) else gold + 0.0
    return official.score(
        gold, reference["scale"], reference["answer_type"], prediction.parts, prediction.scale
    )


def _same_value(gold_parts: list[str], parts: list[str]) -> bool:
    """Return whether both answers are numbers in some notation, and officially equal as such."""
    gold, answer = as_number(gold_parts), as_number(parts)
    if not gold or not answer:
        return False
    return official.score(gold.parts, gold.scale, "span", answer.parts, answer.scale).exact_match


def metrics(items: list[dict[str, Any]]) -> dict[str, Metric]:
    """Return the metrics over the outcomes of all rows; by type only for types that occur."""
    table = {
        "em": Metric("proportion", "em", description="official exact match, scale included"),
        "f1": Metric("mean", "f1", description="official F1, scale included"),
        "value_em": Metric(
            "proportion", "value_em", description="em, or equal numbers in any notation"
        ),
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
