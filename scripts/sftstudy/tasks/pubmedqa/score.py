"""PubMedQA: a reply is yes, no or maybe and nothing else."""

import re
from typing import Any

from sftstudy.statistics.metric import Item, Metric
from sftstudy.tasks import labels
from sftstudy.tasks.replies import strip_think

VERSION = 2
PRIMARY = "accuracy"
LABELS = ("yes", "no", "maybe")
_NAMED = re.compile(
    r"[\W_]*(?:(?:the )?(?:final )?(?:answer|decision|conclusion)(?: is)?\b[\W_]*)?"
    r"(yes|no|maybe)\b(?![\W_]*(?:and|or|not|yes|no|maybe)\b)",
    re.IGNORECASE,
)


def parse(reply: str) -> str | None:
    """Return the label that the reply is, or None.

    The reply, without think blocks and surrounding blanks, must be one label; case does not count
    and one full stop may follow. "Answer: yes", "**yes**" and "yes, because" are not one label.
    """
    text, _ = strip_think(reply)
    label = text.removesuffix(".").lower()
    return label if label in LABELS else None


def named(reply: str) -> str | None:
    """Return the label that the reply begins with, or None; "the answer is" may stand before it.

    "**Yes**, because ..." names yes; "yes and no" and "maybe not" name none. Beside the strict
    accuracy this tells what a student knows from whether it keeps to the form.
    """
    text, _ = strip_think(reply)
    found = _NAMED.match(text)
    return found.group(1).lower() if found else None


def legacy_correct(reply: str, gold: str) -> bool:
    """Return the original study's verdict: gold is the first of yes, no, maybe in the reply.

    The original study went through its labels in an undefined order; ours is yes, no, maybe.
    """
    text = reply.lower()
    return next((label for label in LABELS if label in text), None) == gold


def outcomes(row: dict[str, Any], reply: str) -> dict[str, Any]:
    """Return everything known about one reply."""
    gold = row["reference"]["label"]
    return labels.outcomes(parse(reply), named(reply), gold, legacy_correct(reply, gold))


def metrics(items: list[Item]) -> dict[str, Metric]:
    """Return accuracy, macro F1, invalid rate, legacy accuracy; by label recall and precision."""
    return labels.metrics({label: label for label in LABELS})
