"""Point estimates with standard error and 95% interval.

Which method serves which metric, and the coverage measured by simulation: docs/statistics.md.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from sftstudy.statistics.clusters import ClusterMean, cluster_mean
from sftstudy.statistics.distributions import CONFIDENCE, normal_quantile, t_quantile
from sftstudy.statistics.resampling import leave_one_out_weights, row_weights

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


def wilson(proportion: float, n: float, z: float | None = None) -> tuple[float, float]:
    """Return the limits of Wilson's score interval for a proportion of `n` rows.

    `n` may be fractional (an effective number of rows). Wilson (1927); Newcombe (1998), method 3.
    """
    z = normal_quantile((1 + CONFIDENCE) / 2) if z is None else z
    centre = proportion + z * z / (2 * n)
    reach = z * math.sqrt(proportion * (1 - proportion) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # At 0 and 1 one limit is the proportion itself; rounding must not push it past.
    return (
        min(proportion, max(0.0, (centre - reach) / scale)),
        max(proportion, min(1.0, (centre + reach) / scale)),
    )


def unit_mean(values: np.ndarray, codes: np.ndarray, confidence: float = CONFIDENCE) -> Estimate:
    """Estimate the mean of outcomes between 0 and 1; `values` and `codes` have shape (n,), n >= 1.

    Right-or-wrong outcomes of rows that share nothing: Wilson's interval. Otherwise Wilson's
    interval at the effective number of rows m(1-m)/variance, reduced by (z/t)^2 for the few
    degrees of freedom of the variance (Korn & Graubard 1998; Franco, Little, Louis & Slud 2019).
    A sample without variation is counted as one row per (effective) group, since outcomes between
    0 and 1 vary at most as right-or-wrong ones do.
    """
    mean = cluster_mean(values, codes)
    z = normal_quantile((1 + confidence) / 2)
    value = min(1.0, max(0.0, mean.value))
    binary = bool(np.isin(values, (0.0, 1.0)).all())
    spread = value * (1 - value)
    if binary and mean.groups == mean.n:
        effective, method = float(mean.n), "wilson"
        se = math.sqrt(spread / mean.n)
    else:
        effective, method = _effective_rows(mean, spread, confidence), "cluster wilson"
        if mean.groups == mean.n:
            method = "wilson, effective n"
        se = math.sqrt(mean.variance)
    low, high = wilson(value, effective, z)
    if se == 0:
        se = (high - low) / (2 * z)
    return Estimate(value, se, low, high, method)


def _effective_rows(mean: ClusterMean, spread: float, confidence: float) -> float:
    if mean.variance == 0 or spread == 0:
        return mean.independent_rows
    level = (1 + confidence) / 2
    ratio = normal_quantile(level) / t_quantile(level, mean.df)
    return max(spread / mean.variance * ratio * ratio, 0.1)


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
        low, high = wilson(value, design.independent_rows)
        se = (high - low) / (2 * normal_quantile((1 + CONFIDENCE) / 2))
        return Estimate(value, se, low, high, "cluster wilson")
    reach = t_quantile((1 + CONFIDENCE) / 2, design.df) * se
    if not unit:
        return Estimate(value, se, value - reach, value + reach, method)
    odds, reach = math.log(value / (1 - value)), reach / (value * (1 - value))
    low, high = (1 / (1 + math.exp(min(700.0, -x))) for x in (odds - reach, odds + reach))
    return Estimate(value, se, low, high, method)
