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

Each side of an interval is the root of the sum of the squares of the parts' sides, each a quantile
of the normal or of t times a standard error (Howe 1974; Zou & Donner 2008). Satterthwaite's
degrees of freedom held the mean in as little as 82% with two runs and 88% with three: runs that
happen to agree count for certainty there. This sum holds it in 95% (docs/statistics.md). No
interval is narrower than that of the rows alone.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from sftstudy.statistics.clusters import cluster_mean
from sftstudy.statistics.distributions import (
    CONFIDENCE,
    binomial_limits,
    normal_quantile,
    t_quantile,
)
from sftstudy.statistics.evidence import Evidence, of_gate, only_just
from sftstudy.statistics.gates import GateResult, rate_evidence, rate_gate, rate_tails, ratio_gate
from sftstudy.statistics.paired import MOST_SAMPLES, Gain, more_pairs, paired_gain

# Of gates, one-sided. Rates of one run are tested at twice that, but right-or-wrong outcomes of 100
# prompts err in 2.4% there; means over runs take up their whole level, and the first run was chosen
# for passing: of those that pass by chance alone twice the level is then proven.
RUNS_ALPHA = 0.025
LEAST_P = 1e-300  # smaller p-values have no normal quantile in floating point


@dataclass(frozen=True)
class RunSpread:
    """How the means of m runs on the same rows differ.

    Attributes:
        runs: m, at least 2.
        variance: Variance of the mean over runs by the runs' own means: theirs over m.
        interaction: What of it is to be expected of runs that are equally good, since rows come out
            otherwise in each run. The rows' own variance of the mean over runs holds it too.
        shared: That variance without it: of what rows share over the runs.
    """

    runs: int
    variance: float
    interaction: float
    shared: float

    @property
    def of_runs(self) -> float:
        """The variance that training again has in the mean, however many the rows are."""
        return max(0.0, self.variance - self.interaction)

    def beyond_rows(self, tail: float) -> float:
        """Return what is added to the squared reach of the rows alone, at one-sided `tail`.

        The interaction is known from many rows, so a part of it needs no quantile of t. A part
        only: the rest of `variance` must stay so large that few runs seldom come out alike by
        chance. With a fifth of what rows share, and nothing of two runs, intervals hold 95%
        whatever the three variances are; the fifth is ours (docs/statistics.md).
        """
        if self.variance == 0:
            return 0.0
        known = min(self.interaction, self.shared / 5) if self.runs > 2 else 0.0
        # Lower quantiles: 1 minus a small tail is 1 in floating point.
        z, t = normal_quantile(tail), t_quantile(tail, self.runs - 1)
        of_runs, of_rows = t * t * (self.variance - known), z * z * (self.interaction - known)
        return max(0.0, of_runs - of_rows)

    def scaled(self, factor: float) -> "RunSpread":
        """Return the spread of means that are multiplied by a factor."""
        parts = (self.variance, self.interaction, self.shared)
        return RunSpread(self.runs, *(factor * factor * part for part in parts))


def run_spread(values: np.ndarray, codes: np.ndarray, baseline: np.ndarray | float) -> RunSpread:
    """Return how the runs' means differ; `values` (n, m) by row and run, `codes` (n,) the groups.

    `baseline` (n,) is what their mean over runs is compared with, row by row. The interaction's
    variance is that of group totals of what neither row nor run explains; with one group it cannot
    be told from the runs' differences, and counts as 0.
    """
    rows, runs = values.shape
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
    variance, interaction = (0.0 if part < 1e-20 else part for part in (variance, interaction))
    of_rows = cluster_mean(values.mean(axis=1) - baseline, codes).variance
    return RunSpread(runs, variance, interaction, max(0.0, of_rows - interaction))


def gain_over_runs(tuned: np.ndarray, baseline: np.ndarray, codes: np.ndarray) -> Gain:
    """Compare m training runs (n, m) with the baseline (n,) on the same rows, groups `codes` (n,).

    The gain is that of the mean over trainings; the test against 0 is two-sided. No single run wins
    or loses a row, so `wins` and `losses` are None.
    """
    if tuned.shape[1] == 1:
        return paired_gain(tuned[:, 0], baseline, codes)
    rows = paired_gain(tuned.mean(axis=1), baseline, codes)
    spread = run_spread(tuned, codes, baseline)
    unit = all(((x >= 0) & (x <= 1)).all() for x in (tuned, baseline))
    low, high = _widened(rows.value, rows.low, rows.high, spread, 1.0 if unit else math.inf)
    return replace(
        rows,
        se=math.sqrt(rows.se**2 + spread.of_runs),
        low=low,
        high=high,
        interval=f"{rows.interval} over {spread.runs} runs",
        test=f"{rows.test} over {spread.runs} runs",
        p=2 * _p_over_runs(rows.p / 2, rows.value, spread),
        wins=None,
        losses=None,
    )


def rate_gate_over_runs(values: np.ndarray, codes: np.ndarray, above: float) -> GateResult:
    """Judge "the mean rate over trainings is above `above`" by m runs; `values` is (n, m).

    Of several runs at `RUNS_ALPHA`, at which the 95% interval lies above the limit.
    """
    if values.shape[1] == 1:
        return rate_gate(values[:, 0], codes, above)
    means = values.mean(axis=1)
    rows = rate_gate(means, codes, above)
    # Failures are counted as successes are: this is the chance of no more than were seen.
    against = rate_gate(1 - means, codes, 1 - above).p
    spread = run_spread(values, codes, above)
    result = _gate_over_runs(rows, against, float(values.mean()) - above, spread, len(values))
    return replace(result, high=None if result.high is None else min(1.0, result.high))


def rate_evidence_over_runs(values: np.ndarray, codes: np.ndarray, above: float) -> Evidence:
    """Return the evidence of `rate_gate_over_runs` alone; `gates.rate_evidence` says why."""
    if values.shape[1] == 1:
        return rate_evidence(values[:, 0], codes, above)
    means = values.mean(axis=1)
    tails = rate_tails(means, codes, above)[0], rate_tails(1 - means, codes, 1 - above)[0]
    spread = run_spread(values, codes, above)
    distance = float(values.mean()) - above
    p, against = (_p_over_runs(tail, distance, spread) for tail in tails)
    return of_gate(p, against, RUNS_ALPHA)


def ratio_gate_over_runs(
    tuned: np.ndarray, baseline: np.ndarray, codes: np.ndarray, least: float
) -> GateResult:
    """Judge "tuned is at least `least` x baseline" of the mean over m trainings; `tuned` (n, m)."""
    if tuned.shape[1] == 1:
        return ratio_gate(tuned[:, 0], baseline, codes, least)
    rows = ratio_gate(tuned.mean(axis=1), baseline, codes, least)
    base = float(baseline.mean()) or 1.0  # a baseline of 0 has no ratio: differences stay as is
    spread = run_spread(tuned, codes, least * baseline).scaled(1 / base)
    distance = float(tuned.mean() - least * baseline.mean()) / base
    return _gate_over_runs(rows, 1 - rows.p, distance, spread, len(tuned))


def _gate_over_runs(
    rows: GateResult, against: float, distance: float, spread: RunSpread, n: int
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
    evidence = of_gate(p, against, RUNS_ALPHA)
    more = 0 if evidence != "not proven" else more_rows_with_runs(nearer, distance, spread, n)
    return replace(
        rows,
        evidence=evidence,
        only_just=only_just(min(p, against), RUNS_ALPHA),
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


def more_rows_of_gain(
    tuned: np.ndarray, baseline: np.ndarray, codes: np.ndarray, alpha: float
) -> int | None:
    """Return how many further rows would decide a gain of these runs at two-sided `alpha`.

    Arrays are as of `gain_over_runs`; None where no number of rows would. Of one run, and of runs
    that are all the same, that is `paired.more_pairs`.
    """
    rows = paired_gain(tuned.mean(axis=1), baseline, codes)
    spread = run_spread(tuned, codes, baseline) if tuned.shape[1] > 1 else None
    if not spread or spread.variance == 0:
        return more_pairs(rows, alpha)
    return more_rows_with_runs(rows.p / 2, rows.value, spread, rows.n, alpha / 2)


def more_rows_with_runs(
    p: float, distance: float, spread: RunSpread, n: int, alpha: float = RUNS_ALPHA
) -> int | None:
    """Return how many further rows would decide with these runs; None where no number would.

    More rows shrink what rows and interaction contribute, never what runs differ by. `p` is that of
    the rows alone, and `alpha` the level, both one-sided.
    """
    if p >= 0.5:
        return None
    z, t = normal_quantile(alpha), t_quantile(alpha, spread.runs - 1)
    stays = t * t * spread.of_runs
    if stays >= distance**2:
        return None
    reach = (z * distance / normal_quantile(max(p, LEAST_P))) ** 2 + spread.beyond_rows(alpha)
    needed = n * (reach - stays) / (distance**2 - stays)
    return max(1, math.ceil(needed) - n) if needed <= MOST_SAMPLES else None


def failing_at_most(failures: int, runs: int) -> float:
    """Return which share of all trainings may fail, where so many of m `runs` did.

    The one-sided 95% limit of Clopper & Pearson (1934): 63% after 3 runs without a failure, 45%
    after 5. The first run was chosen for passing, which is in its favour.
    """
    return binomial_limits(failures / runs, runs, 2 * CONFIDENCE - 1)[1]


def next_run_within(runs: int) -> float:
    """Return how far the next run may lie from the mean of m >= 2 `runs`, in units of their sd.

    With 95%, where runs are normal: the prediction interval by t with m - 1 degrees of freedom.
    """
    return t_quantile((1 + CONFIDENCE) / 2, runs - 1) * math.sqrt(1 + 1 / runs)


def evidence_of_runs(over_runs: Evidence, every_run_holds: bool) -> Evidence:
    """Return the evidence that a verdict may rest on: proof that no single run speaks against.

    `over_runs` is what all runs together say, the first included. Their mean alone is not enough:
    where one training in four loses far more than a margin allows, the others make up for it. A run
    holds when it passes the gate by point verdict, or gains something.

    Why not the fresh runs alone, since the first was chosen for doing well: its luck is one part in
    m, and the level pays for it (`RUNS_ALPHA`); without it there is a run less, and one fresh run
    says nothing of how runs differ (docs/statistics.md has both measured).
    """
    return "not proven" if over_runs == "proven" and not every_run_holds else over_runs
