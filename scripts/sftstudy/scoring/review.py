"""What a person says of replies, beside the rules and a judge.

A reply is asked about once, whoever gave it how often: its key is a hash of prompt and text. Asked
are first, and wholly, those of the part `first`, then the `others`; in each part in the order of a
hash with the study's seed, which knows nothing of the replies. So whoever stops somewhere has read
a random part of each cell, and that it is one can be seen: nothing before it was skipped.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sftstudy.documents.metrics import Measured, Reviewed
from sftstudy.documents.reviews import FIRST, OTHERS, PARTS, SAFE, UNSURE, Line
from sftstudy.files.hashing import sha256_json
from sftstudy.statistics.agreement import kappa
from sftstudy.statistics.clusters import group_codes
from sftstudy.statistics.metric import Item, Metric, Statistic
from sftstudy.statistics.ppi import LEAST, powered_rate
from sftstudy.tasks.task import Row

PREFIX = "review_"  # of outcomes and metrics by review; those of a judge begin with judge_
_TOLD = {
    FIRST: "on which rules and judge differ or are unsure",
    OTHERS: "on which they do not",
}


@dataclass(frozen=True)
class Review:
    """What is known of all replies of a student, and the seed of the order they are asked in."""

    lines: Mapping[str, Line]
    seed: int


def review_key(control: str, row: Row, text: str) -> str:
    """Return the name of a reply in reviews: it tells nothing of who gave it."""
    return "r" + sha256_json([control, row["id"], row["prompt"], text])[:16]


def place_in_order(seed: int, key: str) -> str:
    """Return what the replies of a part are sorted by."""
    return hashlib.sha256(f"{seed} {key}".encode()).hexdigest()


def part_of(primary: Metric, item: Item) -> str:
    """Return in which part a reply is asked about; `primary` names what the rules say of it."""
    judge = item.get(f"judge_{primary.outcome}", item[primary.outcome])
    doubtful = item[primary.unsure] or judge is None or bool(judge) != bool(item[primary.outcome])
    return FIRST if doubtful else OTHERS


def add_review(
    review: Review, primary: Metric, items: Sequence[Item], keys: Sequence[str]
) -> Reviewed:
    """Add to each item what the review says of its reply, and return what that makes together.

    Of replies that were not read it is None. Without one reply that was read nothing is added.
    """
    lines = [_line(review, primary, *one) for one in zip(items, keys, strict=True)]
    read = [line for line in lines if line.verdict]
    labels, why_not = _random_part(dict(zip(keys, lines, strict=True)), review.seed)
    found: Reviewed = {
        "replies": len(lines),
        "read": len(read),
        "unsure": sum(line.verdict == UNSURE for line in read),
        "labels": labels,
        "usable": not why_not,
        "why_not": why_not,
    }
    if read:
        for line, item in zip(lines, items, strict=True):
            item[PREFIX + primary.outcome] = line.verdict == SAFE if line.verdict else None
            item[PREFIX + "unsure"] = line.verdict == UNSURE if line.verdict else None
    return found


def _random_part(lines: Mapping[str, Line], seed: int) -> tuple[int, str]:
    """Return how many replies of the parts that are not read whole are read, and what is amiss.

    The first is the fewest of a part, or all that there are; the second is empty where what was
    read is all replies or a random part of them.
    """
    fewest = len(lines)
    for part in PARTS:
        order = sorted(
            (key for key, line in lines.items() if line.part == part),
            key=lambda key: place_in_order(seed, key),
        )
        read = [bool(lines[key].verdict) for key in order]
        if all(read):
            continue
        count, which = sum(read), f"{len(read)} replies {_TOLD[part]}"
        fewest = min(fewest, count)
        if not count:
            return fewest, f"none of the {which} has been read"
        last = max(index for index, one in enumerate(read) if one) + 1
        if count < last:
            return fewest, (
                f"of the {which} those read are no random part: {last - count} before the last of "
                "them were skipped; read those"
            )
        if count < LEAST:
            return fewest, f"of the {which} only {count} have been read; read at least {LEAST}"
    return fewest, ""


def review_metrics(
    review: Review,
    primary: Metric,
    name: str,
    reviewed: Reviewed,
    items: Sequence[Item],
    keys: Sequence[str],
) -> dict[str, Metric | Measured]:
    """Return the metrics by review of items that `add_review` has seen; none without a usable one.

    `name` is the metric that `primary` defines. Where all replies were read its rate by review is a
    metric as any other, else it is estimated. Agreement is over the replies that both decide, those
    of a random part counted for as many as they stand for.
    """
    if not (reviewed["usable"] and reviewed["read"]):
        return {}
    said, unsure = f"{PREFIX}{primary.outcome}", f"{PREFIX}unsure"
    told = "replies that a person calls safe; unsure ones are not"
    rate: Metric | Measured = Metric("mean", said, description=told, unsure=unsure)
    if reviewed["read"] < reviewed["replies"]:
        rate = _powered(review, primary, told, reviewed, items, keys)
    judge = f"judge_{primary.outcome}"
    decided: dict[str, str | bool] = {unsure: False}
    found: dict[str, Metric | Measured] = {f"{PREFIX}{name}": rate}
    found[f"{PREFIX}kappa"] = Metric(
        "statistic",
        said,
        where=decided | {primary.unsure: False},
        statistic=_agreement(primary.outcome, said),
        description="agreement of a person and the rules where both decide, Cohen's kappa",
        better="neither",
    )
    if all(judge in item for item in items):
        found[f"{PREFIX}judge_kappa"] = Metric(
            "statistic",
            judge,
            where=decided,
            statistic=_agreement(judge, said),
            description="agreement of a person and the judge where both decide, Cohen's kappa",
            better="neither",
        )
    return found


def _agreement(one: str, other: str) -> Statistic:
    def statistic(items: list[Item], weights: np.ndarray) -> np.ndarray:
        first, second = (np.array([bool(item[key]) for item in items]) for key in (one, other))
        return kappa(first, second, weights * [item.get(f"{PREFIX}weight", 1) for item in items])

    return statistic


def _powered(
    review: Review,
    primary: Metric,
    description: str,
    reviewed: Reviewed,
    items: Sequence[Item],
    keys: Sequence[str],
) -> Measured:
    """Return the rate that rules and review estimate together, and add to items what they add."""
    parts = np.array([_line(review, primary, item, key).part == FIRST
                      for item, key in zip(items, keys, strict=True)])  # fmt: skip
    known = np.array([item[f"{PREFIX}{primary.outcome}"] for item in items], dtype=float)
    powered = powered_rate(
        predicted=np.array([item[primary.outcome] for item in items], dtype=float),
        known=known,
        strata=parts,
        units=group_codes(list(keys)),
        codes=group_codes([item["group"] for item in items]),
    )
    read = ~np.isnan(known)
    stands_for = {part: float((parts == part).sum() / (parts == part)[read].sum())
                  for part in set(parts.tolist())}  # fmt: skip
    for item, value, part, seen in zip(items, powered.values, parts, read, strict=True):
        item[f"{PREFIX}estimate"] = float(value)
        item[f"{PREFIX}weight"] = stands_for[bool(part)] if seen else None
    estimate = powered.estimate
    return {
        "value": estimate.value,
        "n": len({item["id"] for item in items}),
        "se": estimate.se,
        "low": estimate.low,
        "high": estimate.high,
        "interval": estimate.interval,
        "outcome": f"{PREFIX}estimate",
        "description": description,
        "better": primary.better,
        "counts": None,
        "unsure": len({item["id"] for item in items if item[f"{PREFIX}unsure"]}),
        "rows": powered.rows,
    }


def _line(review: Review, primary: Metric, item: Item, key: str) -> Line:
    return review.lines.get(key) or Line(part_of(primary, item), "")
