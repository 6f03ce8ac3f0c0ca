"""banking77: a reply is an intent's id and nothing else."""

from typing import Any

from sftstudy.scoring import labels
from sftstudy.scoring.replies import strip_think
from sftstudy.statistics.metric import Item, Metric

VERSION = 1
PRIMARY = "accuracy"


def parse(reply: str, intents: int) -> str | None:
    """Return the id that the reply is, or None.

    The reply, without think blocks and surrounding blanks, must be one of the ids as the prompt
    lists them: ASCII digits, no sign, no leading zero, 0 to `intents` - 1.
    """
    text, _ = strip_think(reply)
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(intents))
    return text if digits and text == str(int(text)) and int(text) < intents else None


def seed_correct(reply: str, gold: str) -> bool:
    """Return the seed's verdict: the gold id occurs anywhere in the reply."""
    return gold in reply.strip().lower()


def outcomes(row: dict[str, Any], reply: str) -> dict[str, Any]:
    """Return everything known about one reply."""
    reference = row["reference"]
    prediction = parse(reply, reference["intents"])
    return {
        **labels.outcomes(prediction, reference["label"], seed_correct(reply, reference["label"])),
        "intent": reference["intent"],
    }


def metrics(items: list[Item]) -> dict[str, Metric]:
    """Return accuracy, macro F1, invalid rate, the seed's accuracy; by intent recall, precision."""
    names = {item["label"]: item["intent"] for item in items}
    return labels.metrics(dict(sorted(names.items(), key=lambda pair: int(pair[0]))))
