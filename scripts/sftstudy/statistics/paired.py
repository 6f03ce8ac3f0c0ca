"""Baseline against tuned on the same rows: the gain, its interval, and the test against 0."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sftstudy.statistics.clusters import ClusterMean, cluster_mean, effective_rows
from sftstudy.statistics.distributions import (
    CONFIDENCE,
    binomial_tail,
    normal_quantile,
    normal_tail,
    t_quantile,
    t_tail,
)
from sftstudy.statistics.multiplicity import ALPHA
from sftstudy.statistics.score import PairedMeans, binary, bisect, unit

EXACT = "exact McNemar"
MOST_SAMPLES = 10_000_000  # beyond this many rows "more samples" is no advice


@dataclass(frozen=True)
class Gain:
    """Mean of tuned minus baseline over the same rows, and a two-sided test against 0.

    `wins` and `losses` count the rows that only the tuned or only the baseline student gets
    right; None where outcomes are not right-or-wrong.
    """

    value: float
    n: int
    groups: int
    se: float
    low: float
    high: float
    interval: str
    test: str
    p: float
    wins: int | None
    losses: int | None


def mcnemar_exact(wins: int, losses: int) -> float:
    """Return the two-sided p-value of McNemar's exact test; 1.0 where the pairs never differ.

    Under the hypothesis of no gain each discordant pair is a fair coin. McNemar (1947); twice the
    smaller tail as in Agresti (2013), section 11.1.
    """
    discordant = wins + losses
    return min(1.0, 2 * binomial_tail(max(wins, losses), discordant, 0.5))


def difference_limits(
    wins: float, losses: float, n: float, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Return the score limits of a difference of paired proportions. Tango (1998), section 3.

    Counts may be fractional, those of effective pairs.
    """
    z = normal_quantile((1 + confidence) / 2)

    def score(delta: float) -> float:
        b = -wins - losses + (2 * n - wins + losses) * delta
        c = -losses * delta * (1 - delta)
        only_baseline = (math.sqrt(max(0.0, b * b - 8 * n * c)) - b) / (4 * n)
        variance = n * (2 * only_baseline + delta * (1 - delta))
        distance = wins - losses - n * delta
        return distance / math.sqrt(variance) if variance > 0 else math.copysign(1e9, distance)

    value = (wins - losses) / n
    return (
        bisect(lambda delta: score(delta) - z, -1.0, value),
        bisect(lambda delta: score(delta) + z, value, 1.0),
    )


def paired_gain(tuned: np.ndarray, baseline: np.ndarray, codes: np.ndarray) -> Gain:
    """Compare two students on the same rows; arrays of shape (n,), `codes` the rows' groups.

    Right-or-wrong outcomes of rows that share nothing: McNemar's exact test and Tango's score
    interval. Other outcomes between 0 and 1, such as means of several replies: the score test of a
    mean and the interval that inverts it (`score.mean_score`). Of rows in groups: Tango's interval
    at the effective number of pairs, and the score test that it inverts. Whatever else: paired
    (cluster) t of `cluster_mean` on the rows' differences, of the rows' own where all are of one
    group; where those are all equal they carry no estimate of their variance: p is 1 and the
    interval is that of n pairs of which one more had differed.
    """
    n, groups = len(tuned), int(codes.max()) + 1
    difference = tuned - baseline
    counted = binary(tuned) and binary(baseline)
    wins, losses = int((difference > 0).sum()), int((difference < 0).sum())
    counts = (wins, losses) if counted else (None, None)
    value = float(difference.mean())
    if counted and groups == n:
        low, high = difference_limits(wins, losses, n)
        # One discordant pair is added so that the standard error of a gain is never 0.
        se = math.sqrt(max((wins + losses) / n - value * value, 1 / (n + 1) / (n + 1)) / n)
        p = mcnemar_exact(wins, losses)
        return Gain(value, n, groups, se, low, high, "tango", EXACT, p, *counts)
    mean = cluster_mean(difference, codes)
    if groups == n and unit(tuned) and unit(baseline):
        se, low, high, p = _score_of_means(PairedMeans.of(tuned, baseline), mean)
        return Gain(value, n, groups, se, low, high, "paired score", "paired score", p, *counts)
    if groups < n and np.abs(difference).max() <= 1:
        se, low, high, p = _score_in_groups(difference, mean)
        interval, test = "cluster tango", "paired cluster score"
        return Gain(value, n, groups, se, low, high, interval, test, p, *counts)
    variance, df = mean.variance, mean.df
    if groups == 1 and n > 1:
        variance, df = mean.row_variance / (n - 1), n - 1
    if variance == 0:
        largest = max(1.0, float(np.abs(difference).max()))
        se, p = largest / (groups + 1), 1.0
        reach = min(largest, t_quantile((1 + CONFIDENCE) / 2, df) * se)
        interval, test = "cluster t, no variation seen", "none"
    else:
        se = math.sqrt(variance)
        reach = t_quantile((1 + CONFIDENCE) / 2, df) * se
        p = min(1.0, 2 * t_tail(abs(value) / se, df))
        interval = test = "paired t" if groups in (1, n) else "paired cluster t"
    return Gain(value, n, groups, se, value - reach, value + reach, interval, test, p, *counts)


def _score_of_means(means: PairedMeans, mean: ClusterMean) -> tuple[float, float, float, float]:
    """Return standard error, limits and p of a gain on independent rows; `mean` is its own."""
    level = normal_quantile((1 + CONFIDENCE) / 2)
    low, high = means.difference_limits(level / math.sqrt(mean.n))
    p = min(1.0, 2 * normal_tail(abs(means.difference_score(0.0)) * math.sqrt(mean.n)))
    # As of pairs in groups that do not vary: what the interval stands for.
    return math.sqrt(mean.variance) or (high - low) / (2 * level), low, high, p


def _score_in_groups(
    difference: np.ndarray, mean: ClusterMean
) -> tuple[float, float, float, float]:
    """Return standard error, limits and p of differences between -1 and 1, shape (n,), in groups.

    A difference of 0.3 counts as 0.3 of a pair won, and the effective number of pairs makes up for
    what such pairs vary less.
    """
    won = float(difference.clip(min=0).mean())
    lost = float((-difference).clip(min=0).mean())
    rare = mean.n * (1 - max(won, lost, 1 - won - lost))
    rows = effective_rows(mean, won + lost - mean.value**2, rare)
    pairs = rows.at(CONFIDENCE)
    low, high = difference_limits(won * pairs, lost * pairs, pairs)
    p = rows.p_value(mean.value / math.sqrt(won + lost)) if won + lost > 0 else 1.0
    se = math.sqrt(mean.variance) or (high - low) / (2 * normal_quantile((1 + CONFIDENCE) / 2))
    return se, low, high, p


def mean_of_gains(gains: Sequence[tuple[float, float, float]]) -> tuple[float, float, float]:
    """Return value, low and high of the mean of independent gains, given as such triples.

    The square-and-add limits of Zou & Donner (2008), "MOVER": each side of the interval comes from
    the same sides of the single intervals, so that it may be as lopsided as they are.
    """
    count = len(gains)
    below = math.sqrt(sum((value - low) ** 2 for value, low, _ in gains)) / count
    above = math.sqrt(sum((high - value) ** 2 for value, _, high in gains)) / count
    mean = sum(value for value, _, _ in gains) / count
    return mean, mean - below, mean + above


def more_pairs(gain: Gain, alpha: float = ALPHA) -> int | None:
    """Return how many further rows would decide at the observed rates: 0 if decided already.

    None where no number would: a gain of 0, or one that needs more than ten million rows.
    """
    if gain.p <= alpha:
        return 0
    if gain.value == 0:
        return None
    if gain.test == EXACT and gain.wins is not None and gain.losses is not None:
        pairs = (gain.wins, gain.losses)
        return more_rows(gain.n, lambda rows: _scaled_mcnemar(*pairs, gain.n, rows) <= alpha)
    z = normal_quantile(1 - gain.p / 2)
    needed = gain.n * (normal_quantile(1 - alpha / 2) / z) ** 2 if z > 0 else math.inf
    return max(1, math.ceil(needed) - gain.n) if needed <= MOST_SAMPLES else None


def _scaled_mcnemar(wins: int, losses: int, n: int, rows: int) -> float:
    # Whole pairs, rounded against the gain.
    more, fewer = max(wins, losses), min(wins, losses)
    return mcnemar_exact(math.floor(more * rows / n), math.ceil(fewer * rows / n))


def more_rows(n: int, decided: Callable[[int], bool]) -> int | None:
    """Return the smallest number of rows beyond `n` for which `decided` holds, by bisection."""
    high = n
    while not decided(high):
        high *= 2
        if high > MOST_SAMPLES:
            return None
    low = max(n, high // 2)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decided(middle) else (middle, high)
    return high - n
