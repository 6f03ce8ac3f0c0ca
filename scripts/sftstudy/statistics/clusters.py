"""Means over rows that share a document or database: totals by group, and their variance.

Rows of one group resemble each other, so the group is what was sampled. Independent rows are the
special case of one row per group, and every formula here reduces to the textbook one for them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sftstudy.statistics.distributions import normal_quantile, normal_tail, t_quantile, t_tail


def group_codes(groups: Sequence[str]) -> np.ndarray:
    """Return for each row the number of its group, 0 to G-1 in order of appearance. Shape (n,)."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(group, len(numbers)) for group in groups], dtype=np.int64)


@dataclass(frozen=True)
class ClusterMean:
    """A mean over rows with the variance that its groups give it.

    Attributes:
        value: Mean over rows (every row counts the same, whatever its group).
        variance: Variance of `value`, 0.0 where the sample shows none.
        df: Degrees of freedom of `variance`, at least 1.
        n: Rows.
        groups: Groups.
        independent_rows: What n would be for as many rows that share nothing, if rows of one
            group were copies of each other: Kish's effective number of groups.
        row_variance: Variance of a single row.
    """

    value: float
    variance: float
    df: float
    n: int
    groups: int
    independent_rows: float
    row_variance: float


def cluster_mean(values: np.ndarray, codes: np.ndarray) -> ClusterMean:
    """Return the mean of `values` (n,) and its variance over groups `codes` (n,), n >= 1.

    The variance is the delete-one-group jackknife, also called CV3: (G-1)/G times the sum of
    squared changes of the mean when one group is left out. Of the cluster-robust estimators it is
    the one advised for few or unequal groups (Cameron & Miller 2015, section VI; MacKinnon,
    Nielsen & Webb 2023). For rows that share nothing it is s^2/n exactly. The degrees of freedom
    are one less than Kish's effective number of groups, which is G for groups of one size: a few
    large groups are few groups (Carter, Schnepel & Steigerwald 2017).
    """
    n = len(values)
    sizes = np.bincount(codes).astype(float)
    totals = np.bincount(codes, weights=values)
    groups = len(sizes)
    mean = float(totals.sum() / n)
    share = sizes / n
    effective = float(1 / np.square(share).sum())
    df = max(1.0, effective - 1)
    variance = 0.0
    if groups > 1:
        without = (totals.sum() - totals) / (n - sizes)
        variance = float((groups - 1) / groups * np.square(without - mean).sum())
    # Sums in floating point leave dust where every row is the same.
    dust = 1e-20 * max(1.0, mean * mean)
    variance, row_variance = (0.0 if x < dust else x for x in (variance, float(values.var())))
    return ClusterMean(mean, variance, df, n, groups, effective, row_variance)


def design_effect(mean: ClusterMean, spread: float, rare: float) -> float:
    """Return by which factor groups make `mean` more variable than `mean.n` rows on their own.

    `spread` is the variance of a row on its own, `rare` the number of rows whose outcome is not the
    commonest one. The estimate rests on those: of few groups that happen to agree on all but a
    handful of rows, the jackknife sees next to no variance. One row more is therefore counted as
    rare, with the largest effect that there can be, that of a group whose rows are copies. This
    weight is ours; docs/statistics.md has what it does to the coverage, and what it costs.
    """
    largest = mean.n / mean.independent_rows
    if mean.groups == 1 or spread == 0:
        return largest
    return (rare * mean.n * mean.variance / spread + largest) / (rare + 1)


@dataclass(frozen=True)
class EffectiveRows:
    """How many rows that share nothing would tell as much as rows in groups do.

    Korn & Graubard (1998): n over the design effect, times (z/t)^2 for the few degrees of freedom
    of that effect; no more than there are rows, and no fewer than if groups were rows.
    """

    estimated: float
    df: float
    least: float
    most: float

    def at(self, confidence: float) -> float:
        """Return the number of rows for an interval of that confidence."""
        level = (1 + confidence) / 2
        ratio = normal_quantile(level) / t_quantile(level, self.df)
        return min(max(self.estimated * ratio * ratio, self.least), self.most)

    def p_value(self, score: float) -> float:
        """Return the two-sided p of a score that is `score` for one row and grows with their root.

        It is at most 1 - confidence exactly where the score at that many rows is significant.
        """
        few, many = (2 * normal_tail(abs(score) * math.sqrt(n)) for n in (self.least, self.most))
        estimated = 2 * t_tail(abs(score) * math.sqrt(self.estimated), self.df)
        return min(1.0, few, max(many, estimated))


def effective_rows(mean: ClusterMean, spread: float, rare: float) -> EffectiveRows:
    """Return the effective rows of a mean of bounded outcomes; see `design_effect`.

    `spread` is the largest variance that rows with this mean can have, p(1-p) of a proportion:
    partial credit varies less, and is worth more rows.
    """
    least = mean.independent_rows
    if mean.groups == 1 or mean.row_variance == 0 or spread <= 0:
        return EffectiveRows(least, mean.df, least, least)
    most = max(float(mean.n), mean.n * spread / mean.row_variance)
    return EffectiveRows(mean.n / design_effect(mean, spread, rare), mean.df, least, most)
