"""The score of bounded means is, of right-or-wrong outcomes, Tango's and Nam and Blackwelder's."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from paired_outcomes import outcomes
from sftstudy.statistics.gates import ratio_score
from sftstudy.statistics.paired import difference_limits
from sftstudy.statistics.score import PairedMeans, mean_score

counts = st.integers(0, 30)


# The first step of Newton's way ends beside the pole.
@example(17, 1, 3, 1, 1.2)
@example(14, 2, 1, 4, 0.8)
@given(counts, counts, counts, counts, st.sampled_from([0.8, 0.95, 1.0, 1.2]))
def test_of_right_or_wrong_outcomes_the_ratio_score_is_nam_and_blackwelders(a, b, c, d, ratio):
    n = max(1, a + b + c + d)
    tuned, baseline, _ = outcomes(a, b, c, d + (a + b + c + d == 0))
    found = PairedMeans.of(tuned, baseline).ratio_score(ratio) * math.sqrt(n)
    assert found == pytest.approx(ratio_score(a, b, c, n, ratio), rel=1e-6, abs=1e-5)


@given(counts, counts, st.integers(1, 30))
def test_of_right_or_wrong_outcomes_tangos_limits_are_where_the_score_is_196(wins, losses, rest):
    n = wins + losses + rest
    tuned, baseline, _ = outcomes(rest, wins, losses, 0)
    means = PairedMeans.of(tuned, baseline)
    low, high = difference_limits(wins, losses, n)
    assert means.difference_score(low) * math.sqrt(n) == pytest.approx(1.959964, abs=1e-4)
    assert means.difference_score(high) * math.sqrt(n) == pytest.approx(-1.959964, abs=1e-4)


def test_by_hand():
    # 3/4 of +1 and 1/4 of -1: the likeliest distribution of mean 0 has halves, variance 1.
    assert mean_score(np.array([1.0, -1]), np.array([0.75, 0.25]), -1, 1) == pytest.approx(0.5)
    # All +1/4 in a range from -1: 1/5 of the weight goes to -1, variance 4/5/16 + 1/5 = 1/4.
    assert mean_score(np.array([0.25]), np.ones(1), -1, 1) == pytest.approx(0.5)
    assert mean_score(np.array([-0.25]), np.ones(1), -1, 1) == pytest.approx(-0.5)


def test_numbers_that_are_all_0_carry_no_evidence():
    assert mean_score(np.zeros(1), np.ones(1), -1, 1) == 0
    assert mean_score(np.array([1e-17]), np.ones(1), -1, 1) == 0


values = st.lists(st.floats(-1, 1), min_size=1, max_size=20).map(np.array)


@given(values, st.floats(0, 0.5))
def test_the_score_falls_where_what_is_asked_for_rises(drawn, more):
    shares = np.full(len(drawn), 1 / len(drawn))
    lower = mean_score(drawn - more, shares, -1 - more, 1 - more)
    assert lower <= mean_score(drawn, shares, -1, 1) + 1e-6


@given(values)
def test_the_variance_under_the_hypothesis_is_the_largest_at_the_ends(drawn):
    """No numbers between -1 and 1 vary more than their ends: z is at least that of ends."""
    shares = np.full(len(drawn), 1 / len(drawn))
    mean = float(drawn.mean())
    assert abs(mean_score(drawn, shares, -1, 1)) >= abs(mean) - 1e-9


def test_rare_rows_are_counted_by_part():
    means = PairedMeans.of(np.array([1, 1, 1, 0.75]), np.array([1, 1, 1, 0.5]))
    assert means.rare == pytest.approx((0.25 + 0.25) / 4)
