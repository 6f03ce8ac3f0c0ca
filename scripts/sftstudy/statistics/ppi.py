"""Rates of which a part of the outcomes is known and a cheaper verdict of all of them.

Prediction-powered inference (Angelopoulos, Bates, Fannjiang, Jordan & Zrnic 2023): the mean of the
cheap verdicts over all outcomes, plus the mean of their errors over a random part. Here in strata,
of which some may be known whole: each has its own correction. The weight of the cheap verdicts is
always 1: tuning it (PPI++: Angelopoulos, Duchi & Zrnic 2023) breaks a gate's size at 100 rows
(docs/statistics.md has both).
"""

import math
from dataclasses import dataclass

import numpy as np

from sftstudy.statistics.clusters import cluster_mean
from sftstudy.statistics.distributions import CONFIDENCE, binomial_limits
from sftstudy.statistics.intervals import Estimate

LEAST = 5  # outcomes to be known of a stratum that is not known whole


@dataclass(frozen=True, eq=False)  # an array has no truth value: compare by identity
class Powered:
    """A rate estimated so.

    Attributes:
        rows: The effective number of rows: as many right-or-wrong ones would tell as much.
        values: Shape (m,), what each outcome adds to the estimate, which is their mean: the cheap
            verdict, and where the outcome is known its error times all / known of the stratum.
    """

    estimate: Estimate
    rows: float
    values: np.ndarray


def powered_rate(
    predicted: np.ndarray,
    known: np.ndarray,
    strata: np.ndarray,
    units: np.ndarray,
    codes: np.ndarray,
) -> Powered:
    """Estimate the mean of right-or-wrong outcomes, all arrays of shape (m,).

    `predicted` are the cheap verdicts (0 or 1), `known` the outcomes (NaN where not known) of a
    random part of each stratum. `units` number what was drawn: outcomes that are one and the same
    are known together. `codes` are the numbers of the groups that share nothing.

    The variance is that of the groups had all been known, plus that of the errors which are not,
    drawn without putting back (Cochran 1977, 5.5). As everywhere here one error more is counted
    than was seen, and the interval is Clopper and Pearson's at the effective number of rows: labels
    that all agree with the verdicts are no certainty.
    """
    read = ~np.isnan(known)
    values = predicted.astype(float)
    unread = doubt = 0.0
    for stratum in np.unique(strata):
        inside = strata == stratum
        total, labels = int(inside.sum()), int((inside & read).sum())
        errors = (known - predicted)[inside & read]
        values[inside & read] += errors * total / labels
        if labels == total:
            continue
        copies = np.unique(units[inside & read], return_counts=True)[1]
        drawn = labels**2 / np.square(copies).sum()  # Kish's effective number of them
        seen = float(np.mean(errors != 0))
        feared = (drawn * seen + 1) / (drawn + 2)
        spread = max(feared * (1 - feared), float(errors.var(ddof=1)))
        weight = total / len(values)
        unread += weight * weight * (1 - labels / total) * spread / drawn
        doubt += weight * abs(feared - seen)
    value = min(1.0, max(0.0, float(values.mean())))
    cautious = value + doubt if value < 0.5 else value - doubt
    cautious = min(1.0, max(0.0, cautious))
    spread = cautious * (1 - cautious)
    # Whatever the outcomes of one group have in common, a group tells no less than one row.
    groups = cluster_mean(values, codes).independent_rows
    variance = spread / groups + unread
    rows = spread / variance if variance else groups
    low, high = binomial_limits(value, rows, CONFIDENCE)
    estimate = Estimate(value, math.sqrt(variance), low, high, "prediction-powered")
    return Powered(estimate, rows, values)
