"""Gates: what a tuned student must not lose, and whether the data prove that it did not.

Each gate has a point verdict (the estimate is on the right side) and evidence:
``proven``      the hypothesis that the gate is broken is rejected,
``violated``    the hypothesis that the gate holds is rejected,
``not proven``  neither.
"""

import math
from dataclasses import dataclass

import numpy as np

from sftstudy.statistics.clusters import ClusterMean, cluster_mean, effective_rows
from sftstudy.statistics.distributions import (
    binomial_tail,
    normal_quantile,
    normal_tail,
    t_tail,
)
from sftstudy.statistics.evidence import Evidence, of_gate, only_just
from sftstudy.statistics.intervals import Estimate, UnitMeans, unit_mean, unit_rows
from sftstudy.statistics.paired import MOST_SAMPLES, more_rows
from sftstudy.statistics.score import PairedMeans, binary, bisect, mean_score, unit

RATE_ALPHA = 0.05
# Non-inferiority is by convention (ICH E9, section 3.3.2) shown at one-sided 2.5%, that is, when
# the 95% interval lies beyond the margin. It also leaves room for having chosen among trials.
RATIO_ALPHA = 0.025
LEVELS = {"value": RATE_ALPHA, "ratio": RATIO_ALPHA}  # by what a gate's limit is of
# Means are quotients of sums in floating point, those of the bootstrap in single precision: what is
# exactly at a limit lands up to some 1e-7 to either side of it. Rates that differ by less than this
# count as equal. One row makes that little difference only from a million rows on.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class GateResult:
    """Outcome of one gate. `estimate`, `low`, `high` are of the rate, or of tuned / baseline.

    `p` is one-sided, of the hypothesis that the gate is broken; `more_samples` is the number of
    further rows that would decide at the observed rates (0: decided; None: none would);
    `only_just`: the evidence decides, but by little (`sftstudy.statistics.evidence.only_just`).
    """

    passes: bool
    evidence: Evidence
    only_just: bool
    p: float
    estimate: float | None
    low: float | None
    high: float | None
    more_samples: int | None
    note: str = ""


def proven_from(n: int, above: float, alpha: float = RATE_ALPHA) -> int | None:
    """Return the smallest count out of `n` that proves a rate `above`; None if none does."""
    for successes in range(math.ceil(above * n), n + 1):
        if binomial_tail(successes, n, above) <= alpha:
            return successes
    return None


def passes(
    tuned: float | np.ndarray, limit: float, baseline: float | np.ndarray | None = None
) -> np.ndarray:
    """Return whether mean outcomes pass a gate, in the shape of `tuned`.

    Without `baseline` they must be above `limit`; with it at least `limit` times the baseline's
    mean. This is the one comparison behind point verdicts, resampled studies, and other limits.
    """
    if baseline is None:
        return np.asarray(tuned > limit + TOLERANCE)
    return np.asarray(tuned >= limit * baseline - TOLERANCE)


def rate_gate(values: np.ndarray, codes: np.ndarray, above: float) -> GateResult:
    """Judge "the rate is above `above`"; `values` between 0 and 1 and `codes` have shape (n,).

    Right-or-wrong rows that share nothing: exact binomial test, one-sided 5%, which is the
    one-sided limit of their interval. Otherwise the same at the effective number of rows, for means
    of several replies that of a rate at the limit (`intervals.UnitMeans`).
    """
    n, successes = len(values), int(values.sum())
    if int(codes.max()) + 1 < n or not binary(values):
        return _effective_rate_gate(values, codes, above)
    estimate = unit_mean(values, codes)
    p = binomial_tail(successes, n, above)
    against = 1 - binomial_tail(successes + 1, n, above)
    evidence = of_gate(p, against, RATE_ALPHA)
    more = 0 if evidence != "not proven" else _more_for_rate(successes, n, above)
    return GateResult(
        passes=bool(passes(successes / n, above)),
        evidence=evidence,
        only_just=only_just(min(p, against), RATE_ALPHA),
        p=p,
        estimate=estimate.value,
        low=estimate.low,
        high=estimate.high,
        more_samples=more,
        note=_rate_note(n, above) if evidence == "not proven" else "",
    )


def _rate_note(n: int, above: float) -> str:
    least = proven_from(n, above)
    if least is None:
        return f"with {n} rows a rate above {above:g} cannot be proven, not even by {n} of {n}"
    return f"with {n} rows a rate above {above:g} is proven from {least} of {n} on"


def _more_for_rate(successes: int, n: int, above: float) -> int | None:
    rate = successes / n
    if math.isclose(rate, above):
        return None
    return more_rows(n, lambda total: _rate_decided(rate, total, above))


def _rate_decided(rate: float, total: int, above: float) -> bool:
    # Whole rows, rounded towards the threshold.
    if rate > above:
        return binomial_tail(math.floor(rate * total + 1e-9), total, above) <= RATE_ALPHA
    return 1 - binomial_tail(math.ceil(rate * total - 1e-9) + 1, total, above) <= RATE_ALPHA


def _effective_rate_gate(values: np.ndarray, codes: np.ndarray, above: float) -> GateResult:
    mean = cluster_mean(values, codes)
    return effective_rate_gate(
        unit_mean(values, codes), _effective_rows(values, mean, above), mean.n, above
    )


def effective_rate_gate(estimate: Estimate, rows: float, n: int, above: float) -> GateResult:
    """Judge "the rate is above `above`" by an estimate from `n` rows that are worth `rows`."""
    p, against = _rate_test(estimate.value, rows, above)
    evidence = of_gate(p, against, RATE_ALPHA)
    more: int | None = 0
    if evidence == "not proven":
        more = _more_for_effective_rate(estimate.value, rows / n, n, above)
    return GateResult(
        passes=bool(passes(estimate.value, above)),
        evidence=evidence,
        only_just=only_just(min(p, against), RATE_ALPHA),
        p=p,
        estimate=estimate.value,
        low=estimate.low,
        high=estimate.high,
        more_samples=more,
    )


def _effective_rows(values: np.ndarray, mean: ClusterMean, above: float) -> float:
    """Return as how many right-or-wrong rows `values`, of this mean, count at the limit."""
    if mean.groups < mean.n:
        return unit_rows(mean, 1 - 2 * RATE_ALPHA)
    return UnitMeans.of(values).rows_at(above)


def _rate_test(rate: float, rows: float, above: float) -> tuple[float, float]:
    """Return p, and p of the other direction, of a rate from so many effective rows."""
    successes = min(1.0, max(0.0, rate)) * rows
    return binomial_tail(successes, rows, above), 1 - binomial_tail(successes + 1, rows, above)


def rate_evidence(values: np.ndarray, codes: np.ndarray, above: float) -> Evidence:
    """Return the evidence of `rate_gate` alone: of many drawn studies, intervals take the time."""
    return of_gate(*rate_tails(values, codes, above), RATE_ALPHA)


def rate_tails(values: np.ndarray, codes: np.ndarray, above: float) -> tuple[float, float]:
    """Return the one-sided p of `rate_gate`, and that of the hypothesis that the gate holds."""
    n, successes = len(values), int(values.sum())
    if int(codes.max()) + 1 < n or not binary(values):
        mean = cluster_mean(values, codes)
        return _rate_test(mean.value, _effective_rows(values, mean, above), above)
    return binomial_tail(successes, n, above), 1 - binomial_tail(successes + 1, n, above)


def _more_for_effective_rate(rate: float, worth: float, n: int, above: float) -> int | None:
    """Return how many rows beyond `n` would decide, each `worth` that part of an effective row."""
    if math.isclose(rate, above):
        return None

    def decided(total: int) -> bool:
        rows = total * worth
        against = 1 - binomial_tail(rate * rows + 1, rows, above)
        return min(binomial_tail(rate * rows, rows, above), against) <= RATE_ALPHA

    return more_rows(n, decided)


def ratio_score(
    both: float, tuned_only: float, baseline_only: float, n: float, ratio: float
) -> float:
    """Return the score statistic of "tuned rate = `ratio` x baseline rate" on paired rows.

    Standard normal under that hypothesis; large values speak for a larger ratio. Nam & Blackwelder
    (2002): the variance is n * ratio * (p10 + p01) at the constrained maximum-likelihood
    estimates, which solve a quadratic equation.
    """
    tuned, baseline = both + tuned_only, both + baseline_only
    distance = tuned - ratio * baseline
    informative = tuned + baseline_only
    if informative == 0:
        return 0.0
    share = informative / n
    a = ratio * (1 + ratio) * informative
    b = -share * (
        tuned_only * (2 * ratio**2 - 1) + baseline_only * ratio**2 - both * (1 - ratio**2)
    )
    c = -tuned_only * ratio * (1 - ratio) * share**2
    p10 = (-b + math.sqrt(max(0.0, b * b - 4 * a * c))) / (2 * a)
    p01 = ratio * p10 + (1 - ratio) * share
    variance = n * ratio * (p10 + p01)
    if variance <= 1e-12:
        return math.copysign(1e9, distance) if distance else 0.0
    return distance / math.sqrt(variance)


def ratio_gate(
    tuned: np.ndarray, baseline: np.ndarray, codes: np.ndarray, least: float
) -> GateResult:
    """Judge "tuned is at least `least` x baseline" (non-inferiority) on paired rows, shape (n,).

    Right-or-wrong outcomes of rows that share nothing: Nam & Blackwelder's score test and the
    interval of the ratio that inverts it. Its size, calculated exactly, is at most 2.6% for ratios
    of 0.90 to 0.97 and at most 2.8% for 0.99 (docs/statistics.md). Of rows in groups: the same at
    the effective number of pairs. Other outcomes between 0 and 1, such as means of several
    replies: `score.mean_score`, to which Nam & Blackwelder's is what counts are to means, likewise
    with its interval and in groups. Other numbers: a paired (cluster) t test of the mean of
    tuned - `least` x baseline (Fieller's form), and no interval of the ratio.
    """
    estimate = float(tuned.mean() / baseline.mean()) if baseline.any() else None
    low = high = None
    mean = cluster_mean(tuned - least * baseline, codes)
    if binary(tuned) and binary(baseline):
        counts = _pair_counts(tuned, baseline)
        score = ratio_score(*counts, mean.n, least)
        p, against, pairs = _score_test(score, mean, mean.n - max(*counts, mean.n - sum(counts)))
        if estimate is not None:
            both, tuned_only, baseline_only = (count * pairs / mean.n for count in counts)
            low, high = ratio_limits(both, tuned_only, baseline_only, pairs)
    elif unit(tuned) and unit(baseline):
        means = PairedMeans.of(tuned, baseline)
        score = means.ratio_score(least) * math.sqrt(mean.n)
        p, against, pairs = _score_test(score, mean, means.rare * mean.n)
        if estimate is not None:
            low, high = means.ratio_limits(normal_quantile(1 - RATIO_ALPHA) / math.sqrt(pairs))
    else:
        # Differences without any variation carry no evidence, in whatever direction.
        z = mean.value / math.sqrt(mean.variance) if mean.variance else 0.0
        p, against = t_tail(z, mean.df), t_tail(-z, mean.df)
    evidence = of_gate(p, against, RATIO_ALPHA)
    return GateResult(
        passes=bool(passes(float(tuned.mean()), least, float(baseline.mean()))),
        evidence=evidence,
        only_just=only_just(min(p, against), RATIO_ALPHA),
        p=p,
        estimate=estimate,
        low=low,
        high=high,
        more_samples=_more_pairs(mean.n, min(p, against)) if evidence == "not proven" else 0,
    )


def powered_ratio_gate(
    tuned: np.ndarray,
    baseline: np.ndarray,
    codes: np.ndarray,
    errors: tuple[float, float],
    labels: float,
    weight: float,
    least: float,
) -> GateResult:
    """Judge "tuned is at least `least` x baseline" where the rates are prediction-powered.

    `tuned` and `baseline` (n,) are what each row adds to the rate (`ppi.Powered.values`, or
    outcomes that all are known); `errors` are the standard errors of both rates, 0 of one that is
    known whole. p is the larger of two tests':

    - Fieller's form as of partial credit: a t test with as many degrees of freedom as the fewer
      `labels` leave, of a variance that is no smaller than those of the two rates ask for;
    - the score test of a bounded mean (`score.mean_score`). A loss that the cheap verdicts do not
      see counts for `weight` rows where it is read (1: all are), and for none where it is not. That
      is the end of the range, so rows tell no more of such losses than labels would.
    """
    mean = cluster_mean(tuned - least * baseline, codes)
    variance = mean.variance
    for values, error, factor in ((tuned, errors[0], 1.0), (baseline, errors[1], least)):
        lacking = error**2 - cluster_mean(values, codes).variance
        variance += factor**2 * max(0.0, lacking)
    t = mean.value / math.sqrt(variance) if variance else 0.0
    freedom = max(1.0, min(mean.df, labels - 1))
    score = _weighted_score(tuned - least * baseline, codes, (1 - weight - least, weight))
    p, against = (max(t_tail(s * t, freedom), normal_tail(s * score)) for s in (1, -1))
    evidence = of_gate(p, against, RATIO_ALPHA)
    return GateResult(
        passes=bool(passes(float(tuned.mean()), least, float(baseline.mean()))),
        evidence=evidence,
        only_just=only_just(min(p, against), RATIO_ALPHA),
        p=p,
        estimate=float(tuned.mean() / baseline.mean()) if baseline.mean() > 0 else None,
        low=None,
        high=None,
        more_samples=_more_pairs(mean.n, min(p, against)) if evidence == "not proven" else 0,
    )


def _weighted_score(values: np.ndarray, codes: np.ndarray, ends: tuple[float, float]) -> float:
    """Return the score of "the mean of `values` (n,) is 0", which one may reach `ends`.

    Rows of a group count as one: their mean, with the group's share of the rows.
    """
    shares = np.bincount(codes) / len(values)
    means = np.bincount(codes, weights=values) / len(values) / shares
    low, high = min(ends[0], float(means.min())), max(ends[1], float(means.max()))
    return mean_score(means, shares, low, high) / math.sqrt(float(np.square(shares).sum()))


def _score_test(score: float, mean: ClusterMean, rare: float) -> tuple[float, float, float]:
    """Return p, p of the other direction, and the effective number of pairs.

    `score` is that of all rows as if they shared nothing, `mean` of tuned - `least` x baseline,
    `rare` the number of rows that are not of the commonest kind.
    """
    n = mean.n
    if mean.groups == n:
        return normal_tail(score), normal_tail(-score), n
    rows = effective_rows(mean, mean.row_variance, rare)
    tail = rows.p_value(score / math.sqrt(n)) / 2
    p, against = (tail, 1 - tail) if score > 0 else (1 - tail, tail)
    return p, against, rows.at(1 - 2 * RATIO_ALPHA)


def _more_pairs(n: int, p: float) -> int | None:
    """Return how many further pairs would decide what `n` pairs leave at `p`, one-sided."""
    z = normal_quantile(1 - p)
    needed = n * (normal_quantile(1 - RATIO_ALPHA) / z) ** 2 if z > 0 else math.inf
    return None if needed > MOST_SAMPLES else max(1, math.ceil(needed) - n)


def ratio_limits(
    both: float, tuned_only: float, baseline_only: float, n: float, alpha: float = RATIO_ALPHA
) -> tuple[float, float]:
    """Return the limits of tuned / baseline, each at one-sided `alpha`: inverts `ratio_score`."""
    z = normal_quantile(1 - alpha)
    counts = (both, tuned_only, baseline_only, n)
    low = bisect(lambda log: ratio_score(*counts, math.exp(log)) - z, -12.0, 12.0)
    high = bisect(lambda log: ratio_score(*counts, math.exp(log)) + z, -12.0, 12.0)
    return (0.0 if both + tuned_only == 0 else math.exp(low)), math.exp(high)


def _pair_counts(tuned: np.ndarray, baseline: np.ndarray) -> tuple[int, int, int]:
    return (
        int((tuned * baseline).sum()),
        int((tuned * (1 - baseline)).sum()),
        int(((1 - tuned) * baseline).sum()),
    )
