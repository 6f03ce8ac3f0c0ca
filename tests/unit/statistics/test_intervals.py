"""Intervals against published values, exact facts, and small simulations."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from group_outcomes import DATABASES, TRUTHS, draw
from sftstudy.errors import StudyError
from sftstudy.statistics.clusters import cluster_mean, effective_rows, group_codes
from sftstudy.statistics.distributions import binomial_limits, binomial_tail
from sftstudy.statistics.estimate import estimate
from sftstudy.statistics.intervals import real_mean, statistic, unit_mean
from sftstudy.statistics.metric import Metric
from sftstudy.statistics.resampling import bootstrap_means, leave_one_out_weights, row_weights


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Newcombe (1998), Statistics in Medicine 17:857-872, table I, method 5.
        (81, 263, 0.2527, 0.3676),
        (15, 148, 0.0578, 0.1617),
        (0, 20, 0.0000, 0.1684),
        (1, 29, 0.0009, 0.1776),
    ],
)
def test_limits_of_a_proportion_are_newcombes_published_ones(successes, n, low, high):
    assert binomial_limits(successes / n, n, 0.95) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("n", [20, 100, 541, 2000])
def test_no_true_rate_is_covered_less_than_the_interval_says(n):
    """Exact: the chance of every count, summed over those whose interval holds the rate."""
    limits = np.array([binomial_limits(count / n, n, 0.95) for count in range(n + 1)])
    rates = np.concatenate([np.linspace(0.0001, 0.02, 200), np.linspace(0.02, 0.5, 481)])
    rates = np.concatenate([rates, 1 - rates])[:, None]
    chances = stats.binom.pmf(np.arange(n + 1), n, rates)
    covered = chances * ((limits[:, 0] <= rates) & (rates <= limits[:, 1]))
    assert covered.sum(axis=1).min() >= 0.95


@given(st.floats(0.1, 2000), st.floats(0, 1), st.floats(0.5, 0.999))
def test_limits_of_a_proportion_invert_the_exact_test(n, proportion, confidence):
    low, high = binomial_limits(proportion, n, confidence)
    assert 0 <= low <= proportion <= high <= 1 and low < high
    tail, successes = (1 - confidence) / 2, proportion * n
    if 1e-6 < low < proportion:
        assert binomial_tail(successes, n, low) == pytest.approx(tail, rel=1e-4)
    if proportion < high < 1 - 1e-6:
        assert 1 - binomial_tail(successes + 1, n, high) == pytest.approx(tail, rel=1e-4)


def test_variance_of_rows_that_share_nothing_is_the_textbook_one():
    values = np.random.default_rng(0).random(50)
    mean = cluster_mean(values, np.arange(50))
    assert mean.variance == pytest.approx(values.var(ddof=1) / 50)
    assert mean.df == pytest.approx(49)


def test_variance_of_groups_of_one_size_is_that_of_their_means():
    values = np.random.default_rng(0).random((12, 5))
    mean = cluster_mean(values.ravel(), np.repeat(np.arange(12), 5))
    assert mean.variance == pytest.approx(values.mean(axis=1).var(ddof=1) / 12)
    assert mean.df == pytest.approx(11)


def test_copies_of_rows_within_groups_add_no_certainty():
    values = np.random.default_rng(1).integers(0, 2, 40).astype(float)
    alone = unit_mean(np.repeat(values, 2), np.repeat(np.arange(40), 2))
    tenfold = unit_mean(np.repeat(values, 20), np.repeat(np.arange(40), 20))
    assert tenfold.high - tenfold.low == pytest.approx(alone.high - alone.low)
    naive = unit_mean(np.repeat(values, 20), np.arange(800))
    assert tenfold.high - tenfold.low > 3 * (naive.high - naive.low)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 9)), min_size=1, max_size=60),
)
def test_means_of_unit_outcomes_have_an_interval_inside_the_range(rows):
    values = np.array([value for value, _ in rows])
    codes = group_codes([str(group) for _, group in rows])
    result = unit_mean(values, codes)
    assert 0 <= result.low <= result.value + 1e-12
    assert result.value - 1e-12 <= result.high <= 1
    assert result.se > 0


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_a_sample_without_variation_is_not_certain(rate):
    grouped = unit_mean(np.full(100, rate), np.repeat(np.arange(5), 20))
    single = unit_mean(np.full(100, rate), np.arange(100))
    assert single.se > 0 and grouped.se > 0
    assert grouped.high - grouped.low > 4 * (single.high - single.low)  # 5 groups, not 100 rows
    # The other end of all or nothing: 0.9638^100 = 0.05 / 2.
    assert single.high - single.low == pytest.approx(1 - 0.9638, abs=5e-5)


def test_lengths_have_a_t_interval_and_say_when_nothing_varies():
    result = real_mean(np.array([10.0, 12, 14, 16]), np.arange(4))
    # mean 13, s = 2.582, t(3) = 3.18245
    assert (result.low, result.high) == pytest.approx((8.8915, 17.1085), abs=1e-4)
    flat = real_mean(np.full(4, 7.0), np.arange(4))
    assert (flat.low, flat.high, flat.interval) == (7.0, 7.0, "no variation seen")


def test_bootstrap_of_a_mean_agrees_with_the_formula():
    generator = np.random.default_rng(0)
    values = generator.random((300, 2))
    draws = bootstrap_means(values, np.arange(300), 4000, seed=1)
    assert draws.std(axis=0) == pytest.approx(values.std(axis=0) / np.sqrt(300), rel=0.05)
    codes = np.repeat(np.arange(60), 5)
    values = np.repeat(generator.random((60, 1)), 5, axis=0)
    draws = bootstrap_means(values, codes, 4000, seed=1)
    assert draws.std() == pytest.approx(values[::5].std() / np.sqrt(60), rel=0.05)


def test_bootstrap_is_reproducible_and_whole_groups_are_drawn():
    codes = np.array([0, 0, 1, 2, 2, 2])
    first = np.concatenate(list(row_weights(codes, 50, seed=3)))
    again = np.concatenate(list(row_weights(codes, 50, seed=3)))
    assert (first == again).all() and first.shape == (50, 6)
    assert (first[:, 0] == first[:, 1]).all() and (first[:, 3] == first[:, 5]).all()
    assert (first[:, [0, 2, 3]].sum(axis=1) == 3).all()  # three groups are drawn each time
    assert leave_one_out_weights(codes).tolist()[0] == [0, 0, 1, 1, 1, 1]


def test_ten_thousand_resamples_of_1700_rows_take_less_than_a_second():
    values = np.random.default_rng(0).random((1700, 1))
    start = time.process_time()
    bootstrap_means(values, np.arange(1700), 10_000)
    assert time.process_time() - start < 1.0


def test_a_statistic_that_is_a_mean_gets_the_interval_of_a_mean():
    values = np.random.default_rng(2).random(400)
    result = statistic(lambda weights: weights @ values / weights.sum(axis=1), np.arange(400))
    exact = unit_mean(values, np.arange(400))
    assert (result.value, result.se) == pytest.approx((exact.value, exact.se), rel=0.05)
    assert (result.low, result.high) == pytest.approx((exact.low, exact.high), rel=0.03)


@pytest.mark.parametrize("n", [60, 400])
def test_a_perfect_statistic_still_has_a_standard_error(n):
    result = statistic(lambda weights: np.ones(len(weights)), np.arange(n))
    assert result.value == 1.0 and result.se > 0 and result.low < 1.0


def test_coverage_with_few_databases():
    """50 rows of 8 databases: an interval that takes rows for independent holds about 80%."""
    generator = np.random.default_rng(0)
    held = naive = 0
    for _ in range(400):
        codes = np.sort(np.concatenate([np.arange(8), generator.integers(0, 8, 42)]))
        rates = generator.beta(1.8, 1.2, 8)  # mean 0.6, intra-class correlation 0.25
        values = (generator.random(50) < rates[codes]).astype(float)
        for codes_used in (codes, np.arange(50)):
            result = unit_mean(values, codes_used)
            inside = result.low <= 0.6 <= result.high
            held, naive = (held + inside, naive) if codes_used is codes else (held, naive + inside)
    assert held / 400 >= 0.95
    assert naive / 400 < 0.85


@pytest.mark.parametrize(("rate", "within"), TRUTHS)
def test_coverage_near_0_and_1_with_thirteen_databases(rate, within):
    """The jackknife variance alone held 85% where rows of a database are alike (0.3)."""
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        values, codes = draw([rate, 1 - rate], within, generator)
        result = unit_mean(values[:, 0], codes)
        covered += result.low <= rate <= result.high
    assert covered / 300 >= 0.95


def test_few_rare_rows_tell_next_to_nothing_about_what_groups_share():
    # All of 653 rows are right but one, of the smallest database. One row more is counted as rare,
    # with the largest effect that 13 databases can have: 653 rows / 10.01 effective databases.
    codes = np.repeat(np.arange(13), DATABASES)
    values = np.ones(653)
    values[-1] = 0
    mean = cluster_mean(values, codes)
    assert mean.independent_rows == pytest.approx(653**2 / np.square(DATABASES).sum())
    seen, largest = 653 * mean.variance / (652 / 653**2), 653 / mean.independent_rows
    rows = effective_rows(mean, 652 / 653**2, 1)
    assert rows.estimated == pytest.approx(653 / ((seen + largest) / 2))
    assert rows.at(0.95) < 20 < 653 * seen
    assert unit_mean(values, codes).low < 0.9


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=2, max_size=60))
def test_groups_are_worth_at_least_a_row_each_and_at_most_their_rows(rows):
    values = np.array([float(value) for value, _ in rows])
    mean = cluster_mean(values, group_codes([str(group) for _, group in rows]))
    spread = mean.value * (1 - mean.value)
    worth = effective_rows(mean, spread, len(rows) * min(mean.value, 1 - mean.value))
    assert mean.independent_rows - 1e-9 <= worth.at(0.95) <= len(rows) + 1e-9


@pytest.mark.parametrize("partly", [0.02, 0.1])
def test_coverage_of_partial_credit_near_1(partly):
    """F1 is 1 for most rows and anything for the rest: 1,668 rows of 278 documents."""
    generator = np.random.default_rng(0)
    codes = np.repeat(np.arange(278), 6)
    covered = 0
    for _ in range(300):
        chance = generator.beta(partly * 4, (1 - partly) * 4, 278)[codes]
        values = np.where(generator.random(1668) < chance, generator.random(1668), 1.0)
        result = unit_mean(values, codes)
        covered += result.low <= 1 - partly / 2 <= result.high
    assert covered / 300 >= 0.93


def items(*values, groups=None, **extra):
    groups = groups or [str(i) for i in range(len(values))]
    return [
        {"id": str(i), "group": group, "right": value} | {k: v[i] for k, v in extra.items()}
        for i, (value, group) in enumerate(zip(values, groups, strict=True))
    ]


def test_estimate_leaves_out_rows_without_an_outcome_and_rows_elsewhere():
    metric = Metric("proportion", "right", where={"kind": "a"})
    result = estimate(metric, items(True, False, None, True, kind=["a", "a", "a", "b"]))
    assert (result["value"], result["n"], result["interval"]) == (0.5, 2, "clopper-pearson")
    assert set(result) == {"value", "n", "se", "low", "high", "interval"}


def test_estimate_over_nothing_has_no_value():
    result = estimate(Metric("proportion", "right"), items(None, None))
    assert result["n"] == 0 and result["value"] is None and result["se"] is None


def test_estimate_uses_groups():
    grouped = items(*[True] * 10, *[False] * 10, groups=["a"] * 10 + ["b"] * 10)
    alone = items(*[True] * 10, *[False] * 10)
    metric = Metric("proportion", "right")
    assert estimate(metric, grouped)["interval"] == "cluster clopper-pearson"
    assert estimate(metric, grouped)["se"] > 3 * estimate(metric, alone)["se"]


@pytest.mark.parametrize(
    ("metric", "rows", "message"),
    [
        (Metric("proportion", "wrong"), items(True), "has no outcome 'wrong'"),
        (Metric("proportion", "right"), items(0.5, 1.0), "declare it as a mean"),
        (Metric("mean", "right"), items("yes"), "expected a number"),
        (Metric("mean", "right"), items(float("nan")), "expected a number"),
    ],
)
def test_estimate_names_the_row_that_it_cannot_use(metric, rows, message):
    with pytest.raises(StudyError, match=message):
        estimate(metric, rows)
