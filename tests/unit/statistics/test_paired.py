"""Paired tests and gains against known results."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from group_outcomes import TRUTHS, draw
from paired_outcomes import outcomes
from sftstudy.statistics.clusters import cluster_mean, effective_rows
from sftstudy.statistics.paired import (
    difference_limits,
    mcnemar_exact,
    mean_of_gains,
    more_pairs,
    paired_gain,
)


@pytest.mark.parametrize(
    ("wins", "losses", "p"),
    [
        (0, 0, 1.0),
        (5, 5, 1.0),
        (6, 0, 2 / 2**6),
        (1, 5, 2 * (1 + 6) / 2**6),
        (2, 10, 2 * (1 + 12 + 66) / 2**12),
        (25, 4, 2 * (1 + 29 + 406 + 3654 + 23751) / 2**29),
    ],
)
def test_mcnemar_exact(wins, losses, p):
    assert mcnemar_exact(wins, losses) == pytest.approx(p, rel=1e-3)
    assert mcnemar_exact(losses, wins) == mcnemar_exact(wins, losses)


def test_difference_limits_of_pairs_that_never_differ_are_known_in_closed_form():
    # Tango's score test without discordant pairs: n d^2 / (d (1 - d)) = z^2.
    reach = 1.959964**2 / (100 + 1.959964**2)
    assert difference_limits(0, 0, 100) == pytest.approx((-reach, reach), abs=1e-6)


def test_difference_limits_approach_the_normal_ones():
    # Agresti's approval ratings of 1,600 people, 86 and 150 discordant: -4.0 +- 1.9 points.
    assert difference_limits(86, 150, 1600) == pytest.approx((-0.0590, -0.0214), abs=2e-4)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_difference_limits_mirror_each_other(wins, losses, rest):
    n = max(1, wins + losses + rest)
    low, high = difference_limits(wins, losses, n)
    assert -1 <= low <= (wins - losses) / n <= high <= 1
    assert difference_limits(losses, wins, n) == pytest.approx((-high, -low), abs=1e-9)


def test_gain_of_independent_rows():
    gain = paired_gain(*outcomes(40, 21, 9, 5))
    assert gain.value == pytest.approx(12 / 75)
    assert (gain.wins, gain.losses, gain.test) == (21, 9, "exact McNemar")
    assert gain.p == pytest.approx(0.0428, abs=1e-4)
    assert more_pairs(gain) == 0


def test_gain_of_rows_in_few_groups_is_judged_by_the_groups():
    tuned, baseline, _ = outcomes(10, 40, 0, 50)
    rows = paired_gain(tuned, baseline, np.arange(100))
    groups = paired_gain(tuned, baseline, np.repeat(np.arange(4), 25))
    assert rows.p < 1e-9
    assert groups.test == "paired cluster score" and groups.p > 0.05
    assert groups.low < 0 < rows.low


@pytest.mark.parametrize(("rate", "within"), TRUTHS)
def test_coverage_of_lopsided_gains_with_thirteen_databases(rate, within):
    """Nearly all pairs are alike, or nearly all are won: the t interval held 62 to 91%."""
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        values, codes = draw([rate, 0.01, 0.99 - rate], within, generator)
        # A pair is won, lost, or right by both.
        gain = paired_gain(1 - values[:, 1], 1 - values[:, 0], codes)
        covered += gain.low <= rate - 0.01 <= gain.high
    assert covered / 300 >= 0.94


@given(st.lists(st.tuples(st.sampled_from([-1, 0, 0.3, 1]), st.integers(0, 9)), min_size=11))
def test_interval_and_p_of_a_gain_in_groups_say_the_same(rows):
    credit = np.array([float(value) for value, _ in rows])
    codes = np.unique([group for _, group in rows], return_inverse=True)[1]
    gain = paired_gain(credit.clip(min=0), (-credit).clip(min=0), codes)
    assert -1 <= gain.low <= gain.value <= gain.high <= 1 and gain.se > 0
    if abs(gain.p - 0.05) > 1e-6:
        assert (gain.p < 0.05) == (gain.low > 0 or gain.high < 0)


def test_p_of_a_gain_in_groups_holds_at_every_level():
    """p is the level at which the interval ends at 0, as Holm's adjustment takes it to be."""
    difference = np.repeat([1.0, 0.0, -1.0], [40, 50, 10])
    mean = cluster_mean(difference, np.arange(100) % 12)
    rows = effective_rows(mean, 0.5 - 0.3**2, 50)
    p = rows.p_value(0.3 / np.sqrt(0.5))
    pairs = rows.at(1 - p)
    low, _ = difference_limits(0.4 * pairs, 0.1 * pairs, pairs, 1 - p)
    assert p < 0.01 and low == pytest.approx(0, abs=1e-6)


def test_gain_of_partial_credit_is_a_score_test_by_hand():
    """Differences +1/2 (six rows) and -1/2 (two), a mean of 1/4: of what varies, half a table.

    Weights that make the mean 0 give each sign half of the weight, so that the variance is 1/4:
    z = sqrt(8) * (1/4) / (1/2) = sqrt(2), and two-sided p = 0.1573.
    """
    baseline = np.repeat([0.5, 0.5], [6, 2])
    tuned = np.repeat([1.0, 0.0], [6, 2])
    gain = paired_gain(tuned, baseline, np.arange(8))
    assert (gain.test, gain.interval, gain.wins) == ("paired score", "paired score", None)
    assert gain.value == 0.25 and gain.p == pytest.approx(0.1573, abs=1e-4)
    assert gain.se == pytest.approx(np.sqrt(8 * (0.5**2 - 0.25**2) / 7 / 8))
    assert gain.low < 0 < gain.high


def test_of_many_replies_with_plain_differences_the_gain_is_that_of_a_t_test():
    generator = np.random.default_rng(0)
    baseline = generator.binomial(8, 0.5, 2000) / 8
    tuned = generator.binomial(8, 0.55, 2000) / 8
    gain = paired_gain(tuned, baseline, np.arange(2000))
    reach = 1.96 * (tuned - baseline).std() / np.sqrt(2000)
    assert (gain.low, gain.high) == pytest.approx(
        (gain.value - reach, gain.value + reach), abs=3e-4
    )


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40))
def test_interval_and_p_of_a_gain_of_means_say_the_same(rows):
    tuned, baseline = (np.array(column) / 4 for column in zip(*rows, strict=True))
    gain = paired_gain(tuned, baseline, np.arange(len(rows)))
    assert -1 <= gain.low <= gain.value <= gain.high <= 1 and gain.se > 0
    if gain.test == "paired score" and abs(gain.p - 0.05) > 1e-6:
        assert (gain.p < 0.05) == (gain.low > 0 or gain.high < 0)


@pytest.mark.parametrize(("size", "within"), [(20, 0.02), (100, 0.02), (541, 0.02), (100, 0.2)])
def test_coverage_of_gains_that_few_prompts_make(size, within):
    """One prompt in fifty is lost, the others are (nearly) always right or always wrong.

    `within` is the share of prompts whose four replies differ among themselves.
    """
    generator = np.random.default_rng(size)
    covered = 0
    for _ in range(400):
        rates = generator.choice([0.0, 1.0, 0.5], size, p=[0.1, 0.9 - within, within])
        lost = rates * (generator.random(size) < 0.98)
        baseline, tuned = (generator.binomial(4, share, size) / 4 for share in (rates, lost))
        gain = paired_gain(tuned, baseline, np.arange(size))
        covered += gain.low <= -0.02 * (0.9 - within / 2) <= gain.high
    assert covered / 400 >= 0.93


def test_the_promised_number_of_further_rows_of_means_decides():
    baseline = np.repeat([0.5, 0.75, 0.25], [20, 6, 6])
    tuned = np.repeat([0.5, 1.0, 0.0], [20, 6, 6]) + np.repeat([0.25, 0.0], [4, 28])
    gain = paired_gain(tuned, baseline, np.arange(32))
    assert gain.p > 0.05
    total = 32 + more_pairs(gain)
    for n, expected in ((total + 32, True), (total - 32, False)):
        times = round(n / 32)
        many = paired_gain(*(np.tile(x, times) for x in (tuned, baseline)), np.arange(32 * times))
        assert (many.p <= 0.05) == expected


def test_gain_of_lengths_within_one_group_is_judged_by_its_rows():
    # A t test of the differences 150, 80 and 100, by hand: mean 110, variance 1300.
    tuned, baseline = np.array([200.0, 100, 110]), np.array([50.0, 20, 10])
    gain = paired_gain(tuned, baseline, np.zeros(3, dtype=int))
    assert (gain.test, gain.value) == ("paired t", 110)
    assert gain.se == pytest.approx(np.sqrt(1300 / 3))
    reach = 4.302653 * gain.se  # t of 2 degrees of freedom
    assert (gain.low, gain.high) == pytest.approx((110 - reach, 110 + reach))


@pytest.mark.parametrize("groups", [[0, 0, 0], [0, 1, 2]])
def test_gain_of_lengths_without_variation_is_as_wide_as_what_one_row_could_be(groups):
    gain = paired_gain(np.full(3, 100.1), np.full(3, 0.3), np.array(groups))
    assert gain.test == "none" and gain.p == 1
    assert gain.high - gain.value == gain.value - gain.low > 90


def test_limits_of_a_gain_stay_within_what_outcomes_allow():
    few = paired_gain(np.array([0.9, 0.5]), np.array([0.1, 0.2]), np.arange(2))
    assert -1 <= few.low < 0 < few.value < few.high <= 1
    one = paired_gain(np.array([0.4]), np.array([0.2]), np.arange(1))
    assert -1 <= one.low < -0.5 and 0.8 < one.high <= 1


@pytest.mark.parametrize("same", [0.0, 1.0])
def test_students_that_agree_on_every_row_prove_nothing(same):
    values = np.full(30, same)
    for codes in (np.arange(30), np.repeat(np.arange(6), 5)):
        gain = paired_gain(values, values, codes)
        assert gain.p == 1.0 and gain.se > 0 and gain.low < 0 < gain.high
        assert more_pairs(gain) is None


def test_the_promised_number_of_further_rows_decides():
    tuned, baseline, codes = outcomes(40, 14, 8, 38)
    gain = paired_gain(tuned, baseline, codes)
    more = more_pairs(gain)
    assert gain.p > 0.05 and more > 0
    scale = (100 + more) / 100
    assert mcnemar_exact(round(14 * scale), round(8 * scale)) < 0.06


def test_limits_of_a_mean_of_gains_cover():
    """Four tasks of 100 paired rows each: the square-and-add limits hold the mean true gain."""
    generator = np.random.default_rng(3)
    covered = 0
    for _ in range(600):
        base, tuned = generator.uniform(0.2, 0.7, 4), generator.uniform(0.3, 0.95, 4)
        gains = []
        for before, after in zip(base, tuned, strict=True):
            latent = generator.uniform(size=100)
            mixed = np.where(generator.uniform(size=100) < 0.5, latent, generator.uniform(size=100))
            gain = paired_gain(1.0 * (mixed < after), 1.0 * (latent < before), np.arange(100))
            gains.append((gain.value, gain.low, gain.high))
        _, low, high = mean_of_gains(gains)
        covered += low <= (tuned - base).mean() <= high
    assert 0.93 <= covered / 600 <= 0.975
