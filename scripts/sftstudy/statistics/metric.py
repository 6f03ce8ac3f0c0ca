"""What a task says about a metric, so that one engine can put value, n and interval to it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Item = dict[str, Any]
Statistic = Callable[[list[Item], np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Metric:
    """A metric's definition over items (one reply's outcomes, ``id`` and ``group`` each).

    Attributes:
        kind: ``"proportion"`` of items whose `outcome` is true (0 or 1), ``"mean"`` of `outcome`,
            or ``"statistic"``, any function of the whole sample.
        outcome: Key in the items. Items whose value is None are left out, and out of n.
        where: Only items that have these values, e.g. ``{"answer_type": "span"}``.
        statistic: ``(items, weights) -> values`` for kind ``"statistic"``: `weights` has shape
            (B, n) and holds how often each of the n items occurs in each of B resamples (all ones
            for the point estimate); `values` has shape (B,).
        description: One line for tables.
        better: Which values are better; ``"neither"`` where the metric only describes.
        counts: ``"unread"`` where the metric is the share of replies in which no answer could be
            read, ``"read"`` where it is the share of the others. The report lays that share beside
            the gain. At most one metric of a task does either.
        unsure: Key in the items that is true where the scorer could not decide and `outcome` says 0
            for that reason; empty where it always decides. How many there are is told wherever
            the metric decides something.
        legacy: Whether it is a score of the original study, which other tools do not get.
    """

    kind: Literal["proportion", "mean", "statistic"]
    outcome: str = ""
    where: dict[str, str | bool] = field(default_factory=dict)
    statistic: Statistic | None = None
    description: str = ""
    better: Literal["higher", "lower", "neither"] = "higher"
    counts: Literal["read", "unread"] | None = None
    unsure: str = ""
    legacy: bool = False
