"""Point estimates with standard error and 95% interval.

Which method serves which metric, and the coverage measured by simulation: docs/statistics.md.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from sftstudy.statistics.clusters import ClusterMean, cluster_mean, effective_rows
from sftstudy.statistics.distributions import (
    CONFIDENCE,
    binomial_limits,
    binomial_tail,
    normal_quantile,
    t_quantile,
)
from sftstudy.statistics.resampling import leave_one_out_weights, row_weights
from sftstudy.statistics.score import binary, falls, mean_score

RESAMPLES = 2_000  # the error of a bootstrap standard error is then 1.6% of it
JACKKNIFE_GROUPS = 200


@dataclass(frozen=True)
class Estimate:
    """A value with its uncertainty. `se` is above 0 unless `interval` says "no variation seen"."""

    value: float
    se: float
    low: float
    high: float
    interval: str


def unit_mean(values: np.ndarray, codes: np.ndarray, confidence: float = CONFIDENCE) -> Estimate:
    """Estimate the mean of outcomes between 0 and 1; `values` and `codes` have shape (n,), n >= 1.

    Right-or-wrong outcomes of rows that share nothing: the exact interval of Clopper & Pearson
    (1934). It holds every rate at least as often as it says, which none of the shorter ones does
    that are wide on average only (Brown, Cai & DasGupta 2001), and each of its ends is a one-sided
    exact test, as the gates use it; Blaker's (2000) is shorter, but its ends are not.
    Other outcomes of such rows: the same at the number of `UnitMeans.rows_at` each end. Rows in
    groups: the same at the number of `unit_rows` (Korn & Graubard 1998; Parker et al. 2017), with
    one row per (effective) group where all rows agree.
    """
    mean = cluster_mean(values, codes)
    value, se = min(1.0, max(0.0, mean.value)), math.sqrt(mean.variance)
    if mean.groups < mean.n:
        method = "cluster clopper-pearson"
        low, high = binomial_limits(value, unit_rows(mean, confidence), confidence)
    elif binary(values):
        method, se = "clopper-pearson", math.sqrt(value * (1 - value) / mean.n)
        low, high = binomial_limits(value, mean.n, confidence)
    else:
        method = "clopper-pearson, effective n"
        low, high = UnitMeans.of(values).limits(value, confidence)
    if se == 0:
        se = (high - low) / (2 * normal_quantile((1 + confidence) / 2))
    return Estimate(value, se, low, high, method)


@dataclass(frozen=True)
class UnitMeans:
    """Different outcomes between 0 and 1 of `n` rows that share nothing, and their shares."""

    values: np.ndarray
    shares: np.ndarray
    n: int

    @classmethod
    def of(cls, values: np.ndarray) -> "UnitMeans":
        different, counts = np.unique(values, return_counts=True)
        return cls(different, counts / len(values), len(values))

    def rows_at(self, rate: float) -> float:
        """Return how many right-or-wrong rows tell as much on whether the mean is `rate`.

        It is n times the variance of a right-or-wrong row over that of these, under the hypothesis
        (`score.mean_score`): where all values are alike, there is still a row at the far end that
        was not drawn. Never below n.
        """
        distance = float(self.values @ self.shares) - rate
        score = mean_score(self.values - rate, self.shares, -rate, 1 - rate)
        variance = rate * (1 - rate)
        if score and distance:
            variance = (distance / score) ** 2
        return max(1.0, rate * (1 - rate) / variance) * self.n if variance > 0 else float(self.n)

    def limits(self, value: float, confidence: float) -> tuple[float, float]:
        """Return the limits of the mean, which is `value`: each end an exact test of its rows."""
        tail = (1 - confidence) / 2

        def above(rate: float) -> bool:
            rows = self.rows_at(rate)
            return binomial_tail(value * rows, rows, rate) < tail

        def not_below(rate: float) -> bool:
            rows = self.rows_at(rate)
            return 1 - binomial_tail(value * rows + 1, rows, rate) > tail

        return falls(above, 0.0, value), falls(not_below, value, 1.0)


def unit_rows(mean: ClusterMean, confidence: float) -> float:
    """Return the effective number of rows of a mean of outcomes between 0 and 1, in groups."""
    value = min(1.0, max(0.0, mean.value))
    rare = mean.n * min(value, 1 - value)
    return effective_rows(mean, value * (1 - value), rare).at(confidence)


def real_mean(values: np.ndarray, codes: np.ndarray, confidence: float = CONFIDENCE) -> Estimate:
    """Estimate the mean of any numbers, for example reply lengths, by the (cluster) t interval.

    Where the sample shows no variation there is nothing to build an interval on: `se` is 0, both
    limits equal the value, and `interval` says so.
    """
    mean = cluster_mean(values, codes)
    variance, df = mean.variance, mean.df
    if mean.groups == 1 and mean.n > 1:
        variance, df = float(values.var(ddof=1) / mean.n), mean.n - 1
    if variance == 0:
        return Estimate(mean.value, 0.0, mean.value, mean.value, "no variation seen")
    se = math.sqrt(variance)
    reach = t_quantile((1 + confidence) / 2, df) * se
    method = "t" if mean.groups in (1, mean.n) else "cluster t"
    return Estimate(mean.value, se, mean.value - reach, mean.value + reach, method)


def statistic(
    function: Callable[[np.ndarray], np.ndarray], codes: np.ndarray, seed: int = 0
) -> Estimate:
    """Estimate any function of the whole sample by resampling its groups.

    `function` maps weights (B, n) to values (B,); `codes` (n,) are the rows' groups. The standard
    error is the cluster bootstrap's, or, for at most 200 groups, that of the delete-one-group
    jackknife (Efron & Stein 1981: not too small on average), since resamples of few rows lose rare
    classes. The interval is value +- t * se, on the logit scale for a value between 0 and 1, where
    it cannot leave that range. Resamples in which the function is undefined (NaN) are left out.
    """
    n = len(codes)
    value = float(function(np.ones((1, n), dtype=np.float32))[0])
    design = cluster_mean(np.zeros(n), codes)
    chunks: Iterable[np.ndarray]
    if design.groups <= JACKKNIFE_GROUPS:
        method, factor, chunks = "jackknife", design.groups - 1, [leave_one_out_weights(codes)]
    else:
        method, factor, chunks = "cluster bootstrap", 1, row_weights(codes, RESAMPLES, seed)
    draws = np.concatenate([function(weights) for weights in chunks])
    draws = draws[np.isfinite(draws)]
    se = math.sqrt(factor * float(draws.var())) if len(draws) > 1 else 0.0
    unit = 0 <= value <= 1 and bool(((draws >= 0) & (draws <= 1)).all())
    if se < 1e-12 or (unit and value in (0.0, 1.0)):
        if not unit:
            return Estimate(value, 0.0, value, value, "no variation seen")
        low, high = binomial_limits(value, design.independent_rows, CONFIDENCE)
        se = (high - low) / (2 * normal_quantile((1 + CONFIDENCE) / 2))
        return Estimate(value, se, low, high, "cluster clopper-pearson")
    reach = t_quantile((1 + CONFIDENCE) / 2, design.df) * se
    if not unit:
        return Estimate(value, se, value - reach, value + reach, method)
    odds, reach = math.log(value / (1 - value)), reach / (value * (1 - value))
    low, high = (1 / (1 + math.exp(min(700.0, -x))) for x in (odds - reach, odds + reach))
    return Estimate(value, se, low, high, method)
