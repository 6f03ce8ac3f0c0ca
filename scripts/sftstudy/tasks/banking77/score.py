"""banking77: a reply is an intent's id and nothing else."""

import re
from typing import Any

from sftstudy.statistics.metric import Item, Metric
from sftstudy.tasks import labels
from sftstudy.tasks.replies import strip_think

VERSION = 2
PRIMARY = "accuracy"
_NUMBER = re.compile(r"(?<![\w.-])\d{1,4}(?![\w-]|\.\d)", re.ASCII)


def parse(reply: str, intents: int) -> str | None:
    """Return the id that the reply is, or None.

    The reply, without think blocks and surrounding blanks, must be one of the ids as the prompt
    lists them: ASCII digits, no sign, no leading zero, 0 to `intents` - 1.
    """
    text, _ = strip_think(reply)
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(intents))
    return text if digits and text == str(int(text)) and int(text) < intents else None


def named(reply: str, intents: int) -> str | None:
    """Return the one id that the reply names, whatever stands around it, or None.

    "The answer is **11**." names 11; two different numbers name none. Beside the strict accuracy
    this tells what a student knows from whether it keeps to the form.
    """
    text, _ = strip_think(reply)
    numbers = {number.group() for number in _NUMBER.finditer(text)}
    return parse(numbers.pop(), intents) if len(numbers) == 1 else None


def legacy_correct(reply: str, gold: str) -> bool:
    """Return the original study's verdict: the gold id occurs anywhere in the reply."""
    return gold in reply.strip().lower()


def outcomes(row: dict[str, Any], reply: str) -> dict[str, Any]:
    """Return everything known about one reply."""
    reference = row["reference"]
    prediction = parse(reply, reference["intents"])
    return {
        **labels.outcomes(
            prediction,
            named(reply, reference["intents"]),
            reference["label"],
            legacy_correct(reply, reference["label"]),
        ),
        "intent": reference["intent"],
    }


def metrics(items: list[Item]) -> dict[str, Metric]:
    """Return accuracy, macro F1, invalid rate, legacy accuracy; by intent recall and precision."""
    names = {item["label"]: item["intent"] for item in items}
    return labels.metrics(dict(sorted(names.items(), key=lambda pair: int(pair[0]))))
