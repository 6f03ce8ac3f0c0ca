"""The score test of the mean of bounded numbers, whatever their distribution.

For outcomes that are means of several replies there is no table of right and wrong to count. The
test here takes the distribution as it was drawn, and asks which one with a mean of 0 is the
likeliest: it weighs the numbers drawn anew (empirical likelihood: Owen 2001, chapter 2) and, where
that is likelier, gives part of the weight to the end of the range that no row has reached. The
statistic is the mean over its standard error under that distribution. The end of the range is what
counts where losses are rare: a t test of rows of which none happens to be lost knows no variance,
and proves anything; this one counts rows. Of right-or-wrong outcomes it is, to the digit, the score
test of Tango (1998) for a difference and that of Nam & Blackwelder (2002) for a ratio.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

_DUST = 1e-12  # means below are 0: sums in floating point


def unit(values: np.ndarray) -> bool:
    """Return whether all outcomes lie between 0 and 1."""
    return bool(((values >= 0) & (values <= 1)).all())


def binary(values: np.ndarray) -> bool:
    """Return whether all outcomes are right or wrong, 1 or 0."""
    return bool(np.isin(values, (0.0, 1.0)).all())


@dataclass(frozen=True)
class PairedMeans:
    """Different pairs of outcomes, tuned and baseline, and which share of the rows has each."""

    tuned: np.ndarray
    baseline: np.ndarray
    shares: np.ndarray

    @classmethod
    def of(cls, tuned: np.ndarray, baseline: np.ndarray) -> "PairedMeans":
        """Return those of the rows' outcomes, both (n,) and between 0 and 1."""
        # Complex numbers are sorted as pairs, and faster than rows of an array.
        pairs, counts = np.unique(tuned + 1j * baseline, return_counts=True)
        return cls(pairs.real.copy(), pairs.imag.copy(), counts / len(tuned))

    @property
    def rare(self) -> float:
        """The share of rows that are not of the commonest kind: both, one, the other, neither.

        A row counts as part of a kind: 0.75 against 0.5 is half a row of both and a quarter of
        the first alone.
        """
        both = float(np.minimum(self.tuned, self.baseline) @ self.shares)
        tuned, baseline = float(self.tuned @ self.shares), float(self.baseline @ self.shares)
        return 1 - max(both, tuned - both, baseline - both, 1 - tuned - baseline + both)

    def difference_score(self, difference: float) -> float:
        """Return the score of "tuned - baseline is `difference`"; large values speak for more."""
        return mean_score(*self._around(difference))

    def ratio_score(self, ratio: float) -> float:
        """Return the score of "tuned is `ratio` x baseline"; large values speak for more."""
        return mean_score(*self._below(ratio))

    def difference_limits(self, level: float) -> tuple[float, float]:
        """Return the differences whose score is `level` and -`level`, as of one row."""
        return (
            falls(lambda delta: exceeds(*self._around(delta), level), -1.0, 1.0),
            falls(lambda delta: exceeds(*self._around(delta), -level), -1.0, 1.0),
        )

    def ratio_limits(self, level: float) -> tuple[float, float]:
        """Return the ratios whose score is `level` and -`level`, as of one row."""
        low = falls(lambda log: exceeds(*self._below(math.exp(log)), level), -12.0, 12.0)
        high = falls(lambda log: exceeds(*self._below(math.exp(log)), -level), -12.0, 12.0)
        return (math.exp(low) if self.tuned.any() else 0.0), math.exp(high)

    def _around(self, difference: float) -> tuple[np.ndarray, np.ndarray, float, float]:
        values = self.tuned - self.baseline - difference
        return values, self.shares, -1 - difference, 1 - difference

    def _below(self, ratio: float) -> tuple[np.ndarray, np.ndarray, float, float]:
        return self.tuned - ratio * self.baseline, self.shares, -ratio, 1.0


def mean_score(values: np.ndarray, shares: np.ndarray, least: float, most: float) -> float:
    """Return the score of "the mean of `values` (m,) is 0" as of one row: times the root of n.

    `shares` (m,) are the shares of rows that have each value; values lie between `least` <= 0 and
    `most` >= 0. Standard normal under the hypothesis, times the root of n. With the weights
    share / (1 + t * value) the constrained variance is mean / t, where t is the multiplier that
    makes the weighted mean 0, but at most 1 / -least: there the end of the range takes weight.
    """
    mean = float(values @ shares)
    if abs(mean) <= _DUST:
        return 0.0
    if mean < 0:
        return -mean_score(-values, shares, -most, -least)
    if least > -_DUST:
        return math.inf  # no distribution over this range has a mean of 0
    return math.sqrt(mean * _multiplier(values, shares, -1 / least))


def exceeds(
    values: np.ndarray, shares: np.ndarray, least: float, most: float, level: float
) -> bool:
    """Return whether `mean_score` is above `level`, of either sign, without calculating it."""
    mean = float(values @ shares)
    if level < 0:
        return not exceeds(-values, shares, -most, -least, -level)
    if mean <= level * level * -least:
        return False  # the multiplier that such a score takes is beyond the end of the range
    return float((values / (1 + level * level / mean * values)) @ shares) > 0


def _multiplier(values: np.ndarray, shares: np.ndarray, most: float) -> float:
    """Return t of sum(share * value / (1 + t * value)) = 0, or `most`: Newton's way, bracketed.

    The sum has a pole where the least value's part is divided by 0, which may be `most` itself.
    Beside it Newton's steps are tiny and lead nowhere, so the sum is taken times that divisor.
    """
    worst = float(values.min())
    if worst * most > -1 and float((values / (1 + most * values)) @ shares) >= 0:
        return most
    low, high, t = 0.0, most, 0.0
    for _ in range(100):
        terms = values / (1 + t * values)
        slack, room = float(terms @ shares), 1 + t * worst
        low, high = (t, high) if slack > 0 else (low, t)
        slope = room * float((terms * terms) @ shares) - worst * slack  # downwards
        step = t + room * slack / slope if slope > 0 else low
        if not low < step < high:
            step = (low + high) / 2
        if abs(step - t) <= 1e-9 * most:
            return step  # Newton's error is then that squared
        t = step
    return t


def bisect(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where the decreasing `function` crosses 0 between `low` and `high`."""
    return falls(lambda middle: function(middle) > 0, low, high)


def falls(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Return up to where between `low` and `high` something `holds`, by halving."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return (low + high) / 2
