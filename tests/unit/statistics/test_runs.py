"""Gains and gates over several training runs: values worked out by hand, and known truths."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from paired_outcomes import outcomes
from sftstudy.statistics.gates import rate_gate, ratio_gate
from sftstudy.statistics.paired import more_pairs, paired_gain
from sftstudy.statistics.runs import (
    RUNS_ALPHA,
    evidence_of_runs,
    failing_at_most,
    gain_over_runs,
    more_rows_of_gain,
    next_run_within,
    rate_evidence_over_runs,
    rate_gate_over_runs,
    ratio_gate_over_runs,
    run_spread,
)

# Four rows by three runs. Means of rows 1, 2/3, 1/3, 0; of runs 1/4, 3/4, 1/2; of all 1/2.
TABLE = np.array([[1, 1, 1], [0, 1, 1], [0, 1, 0], [0, 0, 0]], dtype=float)
OWN = np.arange(4)


def runs_of(rates: list[float], n: int, seed: int) -> np.ndarray:
    """Return right-or-wrong outcomes (n, m) whose rows are as hard for one run as for another."""
    generator = np.random.default_rng(seed)
    hard, own = generator.normal(size=(n, 1)), generator.normal(size=(n, len(rates)))
    latent = math.sqrt(0.8) * hard + math.sqrt(0.2) * own
    return (latent < stats.norm.ppf(rates)).astype(float)


@pytest.mark.parametrize("runs", [1, 2, 3, 5])
@pytest.mark.parametrize("rate", [0.8, 0.93, 0.97])
def test_evidence_alone_is_that_of_the_gate_over_runs(rate, runs):
    """What the planner asks for is what the gate says, without its interval."""
    generator = np.random.default_rng(runs)
    for groups, k in itertools.product((200, 20), (1, 8)):
        for spread in (0.0, 0.02):
            rates = np.clip(rate + spread * generator.normal(size=runs), 0, 1)
            values, codes = generator.binomial(k, rates, (200, runs)) / k, np.arange(200) % groups
            gate = rate_gate_over_runs(values, codes, 0.9)
            assert rate_evidence_over_runs(values, codes, 0.9) == gate.evidence


# -- the parts of the variance, by hand ---------------------------------------------------------


def test_the_spread_of_runs_and_what_of_it_rows_explain():
    spread = run_spread(TABLE, OWN, 0.0)
    # Runs: squares of -1/4, 1/4, 0 over m - 1 = 2, over m = 3.
    assert spread.variance == pytest.approx((2 / 16) / 2 / 3)
    # What neither row nor run explains, in twelfths: 3 -3 0, -5 1 4, -1 5 -4, 3 -3 0; their squares
    # sum to 120/144, over (4 - 1)(3 - 1) degrees of freedom, over the 12 outcomes.
    assert spread.interaction == pytest.approx(120 / 144 / 6 / 12)
    # Rows: squares of 1/2, 1/6, 1/6, 1/2 over n - 1 = 3, over n = 4, less the interaction.
    assert spread.shared == pytest.approx((20 / 36) / 3 / 4 - 120 / 144 / 6 / 12)
    assert spread.of_runs == pytest.approx(1 / 48 - 120 / 144 / 72)


def test_rows_of_a_group_are_one_when_the_interaction_is_told_from_the_runs():
    # Every row twice, as a group: totals and their number are the same.
    doubled = run_spread(np.repeat(TABLE, 2, axis=0), np.repeat(OWN, 2), 0.0)
    single = run_spread(TABLE, OWN, 0.0)
    assert doubled.interaction == pytest.approx(single.interaction)
    assert doubled.shared == pytest.approx(single.shared)
    alone = run_spread(TABLE, np.zeros(4, dtype=int), 0.0)
    assert (alone.variance, alone.interaction) == (pytest.approx(1 / 48), 0.0)


def test_the_squared_reaches_of_rows_and_runs_are_added():
    spread = run_spread(TABLE, OWN, 0.0)
    z, t = stats.norm.ppf(0.975), stats.t.ppf(0.975, 2)
    known = spread.shared / 5
    assert known < spread.interaction
    beyond = t**2 * (spread.variance - known) - z**2 * (spread.interaction - known)
    assert spread.beyond_rows(0.025) == pytest.approx(beyond)
    gain, rows = gain_over_runs(TABLE, np.zeros(4), OWN), paired_gain(TABLE.mean(1), 0 * OWN, OWN)
    assert gain.high == pytest.approx(min(1.0, 0.5 + math.sqrt((rows.high - 0.5) ** 2 + beyond)))
    assert gain.se == pytest.approx(math.sqrt(rows.se**2 + spread.of_runs))


def test_of_two_runs_nothing_of_their_difference_is_taken_for_known():
    spread = run_spread(TABLE[:, :2], OWN, 0.0)
    z, t = stats.norm.ppf(0.95), stats.t.ppf(0.95, 1)
    assert spread.beyond_rows(0.05) == pytest.approx(
        t**2 * spread.variance - z**2 * spread.interaction
    )


# -- one run, runs that agree --------------------------------------------------------------------


@pytest.mark.parametrize("codes", [np.arange(100), np.repeat(np.arange(20), 5)])
def test_one_run_is_judged_as_ever(codes):
    tuned, baseline, _ = outcomes(60, 12, 5, 23)
    one = tuned[:, None]
    assert gain_over_runs(one, baseline, codes) == paired_gain(tuned, baseline, codes)
    assert rate_gate_over_runs(one, codes, 0.6) == rate_gate(tuned, codes, 0.6)
    assert ratio_gate_over_runs(one, baseline, codes, 0.95) == ratio_gate(
        tuned, baseline, codes, 0.95
    )


def test_runs_that_agree_on_every_row_prove_what_one_of_them_proves():
    tuned, baseline, codes = outcomes(60, 12, 5, 23)
    for runs in (2, 3, 5):
        same = np.tile(tuned[:, None], runs)
        gain, one = gain_over_runs(same, baseline, codes), paired_gain(tuned, baseline, codes)
        assert (gain.low, gain.high) == pytest.approx((one.low, one.high))
        assert gain.p == one.p
        gate, alone = rate_gate_over_runs(same, codes, 0.6), rate_gate(tuned, codes, 0.6)
        assert (gate.low, gate.high) == pytest.approx((alone.low, alone.high))
        assert gate.p == alone.p
    # 100 of 100 in each of three runs are 100 rows, not 300: Clopper & Pearson's 0.025^(1/100).
    gate = rate_gate_over_runs(np.ones((100, 3)), np.arange(100), 0.9)
    assert (gate.low, gate.high) == pytest.approx((0.025 ** (1 / 100), 1.0))
    assert gate.p == pytest.approx(0.9**100)


def test_names_tell_of_runs_and_no_run_alone_wins_or_loses_a_row():
    tuned, baseline = runs_of([0.7, 0.75, 0.7], 200, 0), runs_of([0.6], 200, 1)[:, 0]
    gain = gain_over_runs(tuned, baseline, np.arange(200))
    assert gain.interval.endswith(" over 3 runs")
    assert gain.test.endswith(" over 3 runs")
    assert (gain.wins, gain.losses, gain.n) == (None, None, 200)
    assert gain.value == pytest.approx(tuned.mean() - baseline.mean())


# -- more spread, less certainty -----------------------------------------------------------------


def spread_out(by: int) -> np.ndarray:
    """Return three runs of 400 rows that get 280 - by, 280 and 280 + by right."""
    return (np.arange(400)[:, None] < np.array([280 - by, 280, 280 + by])).astype(float)


@pytest.mark.parametrize("codes", [np.arange(400), np.repeat(np.arange(80), 5)])
def test_the_more_runs_differ_the_wider_the_interval_and_the_weaker_the_proof(codes):
    baseline = (np.arange(400) < 240).astype(float)
    found = [
        (
            gain_over_runs(tuned, baseline, codes),
            rate_gate_over_runs(tuned, codes, 0.6),
            ratio_gate_over_runs(tuned, baseline, codes, 1.0),
        )
        for tuned in map(spread_out, (0, 10, 20, 40, 80))
    ]
    for before, after in itertools.pairwise(found):
        assert after[0].high - after[0].low > before[0].high - before[0].low
        assert after[1].high - after[1].low > before[1].high - before[1].low
        assert all(later.p > earlier.p for earlier, later in zip(before, after, strict=True))


@pytest.mark.parametrize("seed", range(20))
def test_no_interval_is_narrower_and_no_p_smaller_than_of_the_rows_alone(seed):
    tuned, baseline = runs_of([0.7, 0.72, 0.69], 150, seed), runs_of([0.65], 150, 99)[:, 0]
    codes = np.arange(150)
    gain, rows = gain_over_runs(tuned, baseline, codes), paired_gain(tuned.mean(1), baseline, codes)
    assert gain.low <= rows.low + 1e-12
    assert gain.high >= rows.high - 1e-12
    assert gain.p >= rows.p * (1 - 1e-9)
    gate, alone = (
        rate_gate_over_runs(tuned, codes, 0.6),
        rate_gate(tuned.mean(axis=1), codes, 0.6),
    )
    assert gate.low <= alone.low + 1e-12
    assert gate.p >= alone.p * (1 - 1e-9)


@pytest.mark.parametrize("by", [8, 12, 16, 20, 24])
def test_p_is_at_its_level_where_the_interval_ends_at_the_limit(by):
    tuned, codes = spread_out(by), np.arange(400)
    low = rate_gate_over_runs(tuned, codes, 0.6).low
    for limit, below in ((low - 0.004, True), (low + 0.004, False)):
        assert (rate_gate_over_runs(tuned, codes, limit).p <= 0.025) == below
    gain = gain_over_runs(tuned, (codes < 234).astype(float), codes)
    assert abs(gain.low) > 0.004
    assert (gain.low > 0) == (gain.p < 0.05)


# -- extremes ------------------------------------------------------------------------------------


def test_limits_stay_in_range_where_runs_are_everything_and_nothing():
    tuned = np.array([[0.0, 1.0]] * 30)
    gain = gain_over_runs(tuned, np.zeros(30), np.arange(30))
    assert (gain.low, gain.high) == (-1.0, 1.0)
    assert gain.p > 0.4
    gate = rate_gate_over_runs(tuned, np.arange(30), 0.4)
    assert (gate.low, gate.high) == (0.0, 1.0)
    assert gate.evidence == "not proven"
    assert gate.more_samples is None  # rows do not mend what runs differ by


def test_outcomes_without_a_natural_range_have_none():
    tuned = np.array([[100.0, 200.0, 150.0]] * 10) + np.arange(10)[:, None]
    gain = gain_over_runs(tuned, np.zeros(10), np.arange(10))
    assert gain.low < 154.5 - stats.t.ppf(0.975, 2) * 50 / math.sqrt(3)
    assert gain.high > 154.5 + stats.t.ppf(0.975, 2) * 50 / math.sqrt(3)


def test_a_baseline_of_nothing_and_tiny_tails_are_judged():
    tuned, codes = runs_of([0.9, 0.91, 0.9], 2000, 3), np.arange(2000)
    gain = gain_over_runs(tuned, np.zeros(2000), codes)
    assert 0 < gain.p < 1e-3
    gate = ratio_gate_over_runs(tuned, np.zeros(2000), codes, 0.95)
    assert (gate.passes, gate.estimate) == (True, None)
    same = np.tile(tuned[:, :1], 3)
    assert gain_over_runs(same, np.zeros(2000), codes).p < 1e-20


def test_a_gate_far_below_its_limit_is_violated():
    gate = rate_gate_over_runs(runs_of([0.5, 0.52, 0.51], 500, 4), np.arange(500), 0.9)
    assert (gate.evidence, gate.passes, gate.more_samples) == ("violated", False, 0)


def test_more_rows_decide_what_only_rows_leave_open():
    # Runs that get other rows right, but as many.
    tuned = np.column_stack([np.roll(spread_out(0)[:, 0], by) for by in (0, 20, 40)])
    gate = rate_gate_over_runs(tuned, np.arange(400), 0.66)
    assert gate.evidence == "not proven"
    many = np.repeat(tuned, 1 + math.ceil(gate.more_samples / 400), axis=0)
    assert rate_gate_over_runs(many, np.arange(len(many)), 0.66).evidence == "proven"


@pytest.mark.parametrize("alpha", [0.05, 0.0125])
def test_a_gain_that_rows_leave_open_is_decided_by_as_many_as_are_told(alpha):
    tuned = np.column_stack([np.roll(spread_out(0)[:, 0], by) for by in (0, 20, 40)])
    baseline = np.roll((np.arange(400) < 268).astype(float), 150)
    codes = np.arange(400)
    assert gain_over_runs(tuned, baseline, codes).p > 0.05
    more = more_rows_of_gain(tuned, baseline, codes, alpha)
    times = (400 + more) / 400
    for copies, decided in ((math.ceil(times), True), (math.floor(times), False)):
        rows = [np.repeat(values, copies, axis=0) for values in (tuned, baseline)]
        assert (gain_over_runs(*rows, np.arange(400 * copies)).p <= alpha) == decided


def test_no_rows_decide_a_gain_that_the_runs_themselves_leave_open():
    """Gains of 40, 15 and 2 points: the mean, 19, is 1.7 standard errors, t(2) asks for 4.3."""
    ease = np.random.default_rng(0).permutation(600)
    tuned = (ease[:, None] < [480, 330, 252]).astype(float)
    baseline = (ease < 240).astype(float)
    assert gain_over_runs(tuned, baseline, np.arange(600)).p > 0.05
    assert more_rows_of_gain(tuned, baseline, np.arange(600), 0.05) is None


def test_one_run_and_runs_that_agree_take_as_many_rows_as_ever():
    tuned, baseline, codes = outcomes(60, 12, 5, 23)
    one = more_pairs(paired_gain(tuned, baseline, codes), 0.01)
    for runs in (1, 3):
        same = np.tile(tuned[:, None], runs)
        assert more_rows_of_gain(same, baseline, codes, 0.01) == one > 0


# -- what a verdict may claim --------------------------------------------------------------------


def test_a_single_run_that_fails_takes_the_proof_away_and_nothing_else():
    assert evidence_of_runs("proven", True) == "proven"
    assert evidence_of_runs("proven", False) == "not proven"
    assert evidence_of_runs("violated", False) == "violated"
    assert evidence_of_runs("not proven", True) == "not proven"


@pytest.mark.parametrize(("runs", "within"), [(2, 15.56), (3, 4.968), (5, 3.041)])
def test_how_far_off_the_next_run_may_be(runs, within):
    # t = 12.706, 4.3027, 2.7764 times the root of 1 + 1/m.
    assert next_run_within(runs) == pytest.approx(within, rel=1e-3)


def test_the_next_run_is_foretold():
    generator = np.random.default_rng(0)
    drawn = generator.normal(size=(4000, 4))
    seen, following = drawn[:, :3], drawn[:, 3]
    off = np.abs(following - seen.mean(axis=1)) / seen.std(axis=1, ddof=1)
    assert np.mean(off <= next_run_within(3)) == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize(("runs", "share"), [(1, 0.95), (2, 0.776), (3, 0.632), (5, 0.451)])
def test_few_runs_without_a_failure_leave_many_failures_possible(runs, share):
    # The rule of three, exactly: 0.05 = (1 - share)^m.
    assert failing_at_most(0, runs) == pytest.approx(1 - 0.05 ** (1 / runs))
    assert failing_at_most(0, runs) == pytest.approx(share, abs=5e-4)
    assert failing_at_most(runs, runs) == 1.0
    assert failing_at_most(0, runs) < failing_at_most(1, runs)


# -- known truths --------------------------------------------------------------------------------


@pytest.mark.parametrize("runs", [2, 3, 5])
@pytest.mark.parametrize("sd", [0.0, 0.02])
def test_intervals_hold_the_mean_over_trainings(runs, sd):
    generator = np.random.default_rng([runs, round(100 * sd)])
    held, single = [], []
    for seed in range(300):
        rates = 0.7 + sd * generator.normal(size=runs)
        found = runs_of([*rates, 0.6], 541, seed)
        tuned, baseline = found[:, :-1], found[:, -1]
        gain = gain_over_runs(tuned, baseline, np.arange(541))
        held.append(gain.low <= 0.1 <= gain.high)
        one = paired_gain(tuned[:, 0], baseline, np.arange(541))
        single.append(one.low <= 0.1 <= one.high)
    assert np.mean(held) >= 0.93
    if sd:  # the interval of one run knows nothing of the others
        assert np.mean(single) < 0.92


def test_gates_at_their_limit_are_seldom_proven():
    generator = np.random.default_rng(5)
    proven = []
    for seed in range(400):
        rates = 0.9 + 0.02 * generator.normal(size=3)
        gate = rate_gate_over_runs(runs_of(list(rates), 200, seed), np.arange(200), 0.9)
        proven.append(gate.evidence == "proven")
    assert np.mean(proven) <= RUNS_ALPHA + 0.02
