"""From a metric's definition and the outcomes of all rows to value, n, standard error, interval."""

from collections.abc import Sequence

import numpy as np

from sftstudy.documents.metrics import Estimate
from sftstudy.errors import StudyError
from sftstudy.statistics.clusters import group_codes
from sftstudy.statistics.intervals import real_mean, statistic, unit_mean
from sftstudy.statistics.metric import Item, Metric


def estimate(metric: Metric, items: Sequence[Item]) -> Estimate:
    """Return ``{"value", "n", "se", "low", "high", "interval"}`` of a metric over `items`.

    Rows that share a ``group`` are resampled and counted together. With no row to measure on,
    `n` is 0 and everything else None: a metric over nothing has no value. Raises `StudyError` for
    an outcome that is missing or not a number.
    """
    chosen = [item for item in items if selected(metric, item)]
    if not chosen:
        return {"value": None, "n": 0, "se": None, "low": None, "high": None, "interval": None}
    codes = group_codes([item["group"] for item in chosen])
    function = metric.statistic
    if function is not None:
        result = statistic(lambda weights: function(chosen, weights), codes)
    else:
        values = np.array([_number(metric, item) for item in chosen])
        unit = bool(((values >= 0) & (values <= 1)).all())
        if metric.kind == "proportion" and not np.isin(values, (0.0, 1.0)).all():
            raise StudyError(
                f"metric over outcome {metric.outcome!r}: declared as a proportion, but it has "
                "values other than 0 and 1; declare it as a mean"
            )
        result = unit_mean(values, codes) if unit else real_mean(values, codes)
    return {
        "value": result.value,
        "n": len(chosen),
        "se": result.se,
        "low": result.low,
        "high": result.high,
        "interval": result.interval,
    }


def unsure(metric: Metric, items: Sequence[Item]) -> int | None:
    """Return of how many items of a metric the scorer was unsure; None where it always decides."""
    if not metric.unsure:
        return None
    return sum(bool(item[metric.unsure]) for item in items if selected(metric, item))


def concerns(metric: Metric, item: Item) -> bool:
    """Return whether an item is among those that a metric is over."""
    return all(item.get(key) == value for key, value in metric.where.items())


def selected(metric: Metric, item: Item) -> bool:
    """Return whether a metric is measured on an item: it is over it, and there is an outcome."""
    if not concerns(metric, item):
        return False
    if not metric.outcome:
        return True
    if metric.outcome not in item:
        raise StudyError(
            f"row {item.get('id')!r}: has no outcome {metric.outcome!r}; "
            f"it has {', '.join(sorted(item))}"
        )
    return item[metric.outcome] is not None


def _number(metric: Metric, item: Item) -> float:
    value = item[metric.outcome]
    if not isinstance(value, bool | int | float) or not np.isfinite(value):
        raise StudyError(
            f"row {item.get('id')!r}: outcome {metric.outcome!r} is {value!r}, expected a number"
        )
    return float(value)
