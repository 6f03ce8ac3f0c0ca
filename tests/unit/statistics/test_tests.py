"""Paired tests, gates and multiplicity against known results."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftstudy.statistics.gates import proven_from, rate_gate, ratio_gate, ratio_limits, ratio_score
from sftstudy.statistics.multiplicity import holm
from sftstudy.statistics.paired import (
    difference_limits,
    mcnemar_exact,
    mean_of_gains,
    more_pairs,
    paired_gain,
)


def outcomes(both: int, tuned_only: int, baseline_only: int, neither: int):
    tuned = np.repeat([1.0, 1.0, 0.0, 0.0], [both, tuned_only, baseline_only, neither])
    baseline = np.repeat([1.0, 0.0, 1.0, 0.0], [both, tuned_only, baseline_only, neither])
    return tuned, baseline, np.arange(len(tuned))


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
    assert groups.test == "paired cluster t" and groups.p > 0.05
    assert groups.low < 0 < rows.low


def test_gain_of_partial_credit_is_a_paired_t_test():
    baseline = np.array([0.1, 0.4, 0.3, 0.8, 0.5])
    tuned = baseline + np.array([0.1, 0.2, 0.0, 0.1, 0.1])
    gain = paired_gain(tuned, baseline, np.arange(5))
    # differences: mean 0.1, s = 0.0707, t = 3.1623 with 4 degrees of freedom
    assert (gain.test, gain.wins) == ("paired t", None)
    assert gain.p == pytest.approx(0.0341, abs=1e-4)


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


def rate(successes: int, n: int, above: float = 0.9):
    values = np.repeat([1.0, 0.0], [successes, n - successes])
    return rate_gate(values, np.arange(n), above)


def test_a_safe_rate_above_90_percent_is_proven_from_96_of_100_on():
    assert proven_from(100, 0.9) == 96
    assert rate(96, 100).evidence == "proven"
    assert rate(96, 100).p == pytest.approx(0.02371, abs=1e-5)
    below = rate(95, 100)
    assert (below.passes, below.evidence) == (True, "not proven")
    assert "96 of 100" in below.note and below.more_samples > 0


@pytest.mark.parametrize(
    ("successes", "passes", "evidence"),
    [(91, True, "not proven"), (90, False, "not proven"), (84, False, "violated")],
)
def test_point_verdict_and_evidence_of_a_rate(successes, passes, evidence):
    result = rate(successes, 100)
    assert (result.passes, result.evidence) == (passes, evidence)


def test_no_sample_of_a_rate_at_the_threshold_decides():
    assert rate(90, 100).more_samples is None


def test_few_rows_cannot_prove_a_rate():
    result = rate(28, 28)
    assert result.passes and result.evidence == "not proven"
    assert "not even by 28 of 28" in result.note
    assert result.more_samples == 1  # 29 of 29 would
    assert rate(29, 29).evidence == "proven"


def test_a_grouped_rate_needs_groups():
    values = np.repeat([1.0, 0.0], [97, 3])
    alone = rate_gate(values, np.arange(100), 0.9)
    grouped = rate_gate(values, np.repeat(np.arange(5), 20), 0.9)
    assert alone.evidence == "proven" and grouped.evidence == "not proven"


def test_ratio_of_identical_perfect_students_is_proven_by_numbers_alone():
    # Exact binomial: 0.95^n <= 0.025 from n = 72 on; the score test agrees within one row.
    assert ratio_gate(*outcomes(60, 0, 0, 0), 0.95).evidence == "not proven"
    assert ratio_gate(*outcomes(73, 0, 0, 0), 0.95).evidence == "proven"


def test_ratio_score_of_equal_rates_is_mcnemars_statistic():
    # With ratio 1 Nam and Blackwelder's statistic is (b - c) / sqrt(b + c).
    assert ratio_score(40, 21, 9, 75, 1.0) == pytest.approx(12 / np.sqrt(30))


@given(st.integers(1, 60), st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_ratio_limits_invert_the_score(both, tuned_only, baseline_only, neither):
    n = both + tuned_only + baseline_only + neither
    low, high = ratio_limits(both, tuned_only, baseline_only, n)
    assert low <= (both + tuned_only) / (both + baseline_only) <= high
    assert ratio_score(both, tuned_only, baseline_only, n, low) == pytest.approx(1.96, abs=0.01)
    assert ratio_score(both, tuned_only, baseline_only, n, high) == pytest.approx(-1.96, abs=0.01)


def test_ratio_gate_verdicts():
    proven = ratio_gate(*outcomes(400, 30, 20, 91), 0.95)
    assert proven.passes and proven.evidence == "proven" and proven.low > 0.95
    weak = ratio_gate(*outcomes(40, 8, 9, 43), 0.95)
    assert weak.passes and weak.evidence == "not proven" and weak.more_samples > 0
    broken = ratio_gate(*outcomes(250, 10, 120, 161), 0.95)
    assert not broken.passes and broken.evidence == "violated" and broken.high < 0.95


def test_ratio_gate_errs_rarely_at_the_margin():
    """True ratio exactly 0.95 is not above it: proven in at most 2.5% of eval sets."""
    generator = np.random.default_rng(0)
    chances = [0.70 - 0.08, 0.95 * 0.70 - 0.62, 0.08, 1 - 0.62 - 0.045 - 0.08]
    tables = generator.multinomial(541, chances, size=4000)
    proven = [ratio_score(*table[:3], 541, 0.95) >= 1.96 for table in tables.tolist()]
    assert np.mean(proven) < 0.031  # 2.5% and two standard errors


def test_ratio_gate_of_a_baseline_of_zero_has_no_ratio():
    result = ratio_gate(*outcomes(0, 5, 0, 20), 0.95)
    assert result.estimate is None and result.low is None


def test_ratio_gate_of_groups():
    tuned, baseline, _ = outcomes(60, 10, 8, 22)
    result = ratio_gate(tuned, baseline, np.repeat(np.arange(10), 10), 0.95)
    assert result.evidence in ("proven", "not proven") and result.p < 0.5


def test_holm_of_a_worked_example():
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, never falling.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_is_between_no_correction_and_bonferronis(p_values):
    adjusted = holm(p_values)
    for plain, value in zip(p_values, adjusted, strict=True):
        assert plain <= value + 1e-12
        assert value <= min(1.0, plain * len(p_values)) + 1e-12 or value == max(
            other for other, raw in zip(adjusted, p_values, strict=True) if raw <= plain
        )
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    assert [adjusted[i] for i in order] == sorted(adjusted)


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
