"""Several replies to a row: what the row scores by them, and what a metric is over them.

Rows are what is measured, and their outcomes are means over their replies. What is no mean of such
outcomes (a statistic of the whole sample, a share among replies that are alike) is taken over the
single replies, whose rows then count as clusters.
"""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from sftstudy.documents.metrics import Measured
from sftstudy.statistics.estimate import concerns, estimate, selected, unsure
from sftstudy.statistics.metric import Item, Metric
from sftstudy.tasks.task import Outcomes, Score, Together


def together(module: Score, replies: Sequence[Outcomes]) -> list[Item]:
    """Return an item for each row, from the outcomes of its replies, which stand together.

    Of a single reply the item holds its outcomes; of several their means (`_mean`), and what the
    task says of them together.
    """
    rows: dict[str, list[Outcomes]] = {}
    for reply in replies:
        rows.setdefault(reply["id"], []).append(
            {name: value for name, value in reply.items() if name != "sample"}
        )
    return [own[0] if len(own) == 1 else _item(module, own) for own in rows.values()]


def _item(module: Score, replies: list[Outcomes]) -> Item:
    names = dict.fromkeys(name for reply in replies for name in reply)
    item = {name: _mean([reply.get(name) for reply in replies]) for name in names}
    return item | (module.together(replies) if isinstance(module, Together) else {})


def _mean(values: list[Any]) -> Any:
    """Return the mean of numbers and truth values, of those that are known; of anything else what
    all replies agree on; None where there is neither."""
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, bool | int | float) for value in known):
        return fmean(known)
    return values[0] if all(value == values[0] for value in values) else None


def measured(metric: Metric, items: list[Item], replies: list[Outcomes]) -> Measured:
    """Return the entry of a metric, over items or over the single replies; `n` counts rows."""
    several = len(replies) > len(items)
    if several and (metric.kind == "statistic" or not _by_row(metric, replies)):
        found = estimate(metric, replies)
        found["n"] = len({reply["id"] for reply in replies if selected(metric, reply)})
    else:
        found = estimate(replace(metric, kind="mean") if several else metric, items)
    return {
        **found,
        "outcome": "" if metric.kind == "statistic" else metric.outcome,
        "description": metric.description,
        "better": metric.better,
        "counts": metric.counts,
        "unsure": unsure(metric, items),
    }


def _by_row(metric: Metric, replies: list[Outcomes]) -> bool:
    """Say whether a metric takes all replies to a row or none, by what it is over."""
    taken: dict[str, bool] = {}
    return all(
        taken.setdefault(reply["id"], chosen) == chosen
        for reply in replies
        for chosen in [concerns(metric, reply)]
    )
