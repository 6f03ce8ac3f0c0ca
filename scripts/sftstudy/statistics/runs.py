"""Several training runs of one configuration: what is true of the mean over trainings.

Every run answers the same n rows, so outcomes are a table of rows x runs: what is hard for all runs
is shared by a row, what a training did to all rows is shared by a run, and the rest is their
interaction. The estimand is the mean over rows and over trainings. With one run every function here
is the one for one run, whose intervals know nothing of other trainings.

The mean is a sum of two independent parts, which have variances of their own (Owen 2007 calls such
tables crossed; Cameron, Gelbach & Miller 2011 cluster in two ways):

- what rows share over the runs. Its variance is that of the mean over runs, as if it were one
  run's, less that of the interaction, which it holds too;
- the mean of the m runs' means. Its variance is theirs over m, with m - 1 degrees of freedom; the
  interaction is in it.

Each side of an interval is the root of the sum of squares of the parts' sides (Howe 1974; Graybill
& Wang 1980; Zou & Donner 2008): (z/t quantile x se) squared, added. Satterthwaite's degrees of
freedom held the mean in as little as 84% with two runs and in 91% with three, since two runs that
happen to agree then count for certainty; this sum never held it in less than it says
(docs/statistics.md). No interval is narrower than that of the rows alone.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from sftstudy.statistics.distributions import CONFIDENCE, normal_quantile, t_quantile
from sftstudy.statistics.evidence import of_gate, only_just
from sftstudy.statistics.gates import (
    RATE_ALPHA,
    RATIO_ALPHA,
    GateResult,
    rate_gate,
    ratio_gate,
)
from sftstudy.statistics.paired import MOST_SAMPLES, Gain, paired_gain

LEAST_P = 1e-300  # smaller p-values have no normal quantile in floating point


@dataclass(frozen=True)
class RunSpread:
    """How the means of m runs on the same rows differ.

    Attributes:
        runs: m, at least 1.
        variance: Variance of the mean over runs by the runs' own means, over m; 0.0 of one run.
        interaction: What of it is to be expected of runs that are equally good: that rows come out
            otherwise in each run. Also what the rows' own variance of that mean holds of it.
    """

    runs: int
    variance: float
    interaction: float

    def beyond_rows(self, tail: float) -> float:
        """Return what is added to the squared reach of the rows alone, at one-sided `tail`."""
        if self.variance == 0:
            return 0.0
        # Lower quantiles: 1 minus a small tail is 1 in floating point.
        z, t = normal_quantile(tail), t_quantile(tail, self.runs - 1)
        return max(0.0, t * t * self.variance - z * z * self.interaction)


def run_spread(values: np.ndarray, codes: np.ndarray) -> RunSpread:
    """Return how the runs' means differ; `values` (n, m) by row and run, `codes` (n,) the groups.

    The interaction's variance is that of totals by group of what neither row nor run explains.
    With one group it cannot be told from the runs' differences, and counts as 0.
    """
    rows, runs = values.shape
    if runs == 1:
        return RunSpread(1, 0.0, 0.0)
    means = values.mean(axis=0)
    variance = float(means.var(ddof=1)) / runs
    rest = values - values.mean(axis=1, keepdims=True) - means + means.mean()
    groups = int(codes.max()) + 1
    interaction = 0.0
    if groups > 1:
        totals = np.zeros((groups, runs))
        np.add.at(totals, codes, rest)
        squares = float(np.square(totals / rows).sum())
        interaction = squares * groups / (groups - 1) / (runs * (runs - 1))
    # Sums in floating point leave dust where every run is the same.
    return RunSpread(runs, *(0.0 if part < 1e-20 else part for part in (variance, interaction)))


def gain_over_runs(tuned: np.ndarray, baseline: np.ndarray, codes: np.ndarray) -> Gain:
    """Compare m training runs (n, m) with the baseline (n,) on the same rows, groups `codes` (n,).

    The gain is that of the mean over trainings; the test against 0 is two-sided. No single run wins
    or loses a row, so `wins` and `losses` are None.
    """
    if tuned.shape[1] == 1:
        return paired_gain(tuned[:, 0], baseline, codes)
    rows = paired_gain(tuned.mean(axis=1), baseline, codes)
    spread = run_spread(tuned, codes)
    unit = all(((x >= 0) & (x <= 1)).all() for x in (tuned, baseline))
    low, high = _widened(rows.value, rows.low, rows.high, spread, 1.0 if unit else math.inf)
    return replace(
        rows,
        se=math.sqrt(rows.se**2 + max(0.0, spread.variance - spread.interaction)),
        low=low,
        high=high,
        interval=f"{rows.interval} over {spread.runs} runs",
        test=f"{rows.test} over {spread.runs} runs",
        p=2 * _p_over_runs(rows.p / 2, rows.value, spread),
        wins=None,
        losses=None,
    )


def rate_gate_over_runs(values: np.ndarray, codes: np.ndarray, above: float) -> GateResult:
    """Judge "the mean rate over trainings is above `above`" by m runs; `values` is (n, m)."""
    if values.shape[1] == 1:
        return rate_gate(values[:, 0], codes, above)
    means = values.mean(axis=1)
    rows = rate_gate(means, codes, above)
    # Failures are counted as successes are: this is the chance of no more than were seen.
    against = rate_gate(1 - means, codes, 1 - above).p
    distance, spread = float(values.mean()) - above, run_spread(values, codes)
    result = _gate_over_runs(rows, against, distance, spread, len(values), RATE_ALPHA)
    return replace(result, high=None if result.high is None else min(1.0, result.high))


def ratio_gate_over_runs(
    tuned: np.ndarray, baseline: np.ndarray, codes: np.ndarray, least: float
) -> GateResult:
    """Judge "tuned is at least `least` x baseline" of the mean over m trainings; `tuned` (n, m)."""
    if tuned.shape[1] == 1:
        return ratio_gate(tuned[:, 0], baseline, codes, least)
    rows = ratio_gate(tuned.mean(axis=1), baseline, codes, least)
    spread, base = run_spread(tuned, codes), float(baseline.mean())
    if base > 0:  # on the scale of the ratio
        spread = replace(
            spread,
            variance=spread.variance / base**2,
            interaction=spread.interaction / base**2,
        )
    distance = (float(tuned.mean()) - least * base) / (base or 1.0)
    return _gate_over_runs(rows, 1 - rows.p, distance, spread, len(tuned), RATIO_ALPHA)


def _gate_over_runs(
    rows: GateResult, against: float, distance: float, spread: RunSpread, n: int, alpha: float
) -> GateResult:
    """Return a gate's outcome over runs from that of the rows' means over runs.

    `against` is the p of the other direction, `distance` that of the estimate from the limit, on
    the scale of `spread`.
    """
    nearer = min(rows.p, against)
    p, against = (_p_over_runs(tail, distance, spread) for tail in (rows.p, against))
    low, high = rows.low, rows.high
    if rows.estimate is not None and low is not None and high is not None:
        low, high = _widened(rows.estimate, low, high, spread, math.inf)
        low = max(0.0, low)
    evidence = of_gate(p, against, alpha)
    more = 0 if evidence != "not proven" else _more_rows(nearer, distance, spread, n, alpha)
    return replace(
        rows,
        evidence=evidence,
        only_just=only_just(min(p, against), alpha),
        p=p,
        low=low,
        high=high,
        more_samples=more,
        note="",
    )


def _widened(
    value: float, low: float, high: float, spread: RunSpread, bound: float
) -> tuple[float, float]:
    """Return 95% limits of the rows alone with the variation between runs added, within bounds."""
    beyond = spread.beyond_rows((1 - CONFIDENCE) / 2)
    low = value - math.sqrt((value - low) ** 2 + beyond)
    high = value + math.sqrt((high - value) ** 2 + beyond)
    return max(-bound, low), min(bound, high)


def _p_over_runs(p: float, distance: float, spread: RunSpread) -> float:
    """Return the one-sided p with the variation between runs, from that of the rows alone.

    The rows' test says at which standard error it stands: `distance` over its normal score. p is
    the tail at which an interval with that standard error, widened by the runs, reaches the limit.
    """
    if p >= 0.5 or spread.variance == 0 or distance == 0:
        return p
    score = -normal_quantile(max(p, LEAST_P))
    square = (distance / score) ** 2

    def misses(tail: float) -> bool:
        return square * normal_quantile(tail) ** 2 + spread.beyond_rows(tail) > distance**2

    low, high = math.log(max(p, LEAST_P)), math.log(0.5)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if misses(math.exp(middle)) else (low, middle)
    return math.exp(high)


def _more_rows(p: float, distance: float, spread: RunSpread, n: int, alpha: float) -> int | None:
    """Return how many further rows would decide with these runs; None where no number would.

    More rows shrink what rows and interaction contribute, never what runs differ by.
    """
    z = normal_quantile(1 - alpha)
    left = distance**2 - max(
        0.0, t_quantile(1 - alpha, spread.runs - 1) ** 2 * (spread.variance - spread.interaction)
    )
    if p >= 0.5 or left <= 0:
        return None
    score = -normal_quantile(max(p, LEAST_P))
    reach = (distance / score * z) ** 2 + spread.beyond_rows(alpha) - (distance**2 - left)
    needed = n * reach / left
    return max(1, math.ceil(needed) - n) if needed <= MOST_SAMPLES else None
