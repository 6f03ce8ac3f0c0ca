"""Gates against known results, and the one rule by which they pass."""

import functools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from group_outcomes import draw
from paired_outcomes import outcomes
from sftstudy.statistics.clusters import group_codes
from sftstudy.statistics.gates import (
    passes,
    proven_from,
    rate_evidence,
    rate_gate,
    ratio_gate,
    ratio_limits,
    ratio_score,
)
from sftstudy.statistics.intervals import unit_mean
from sftstudy.statistics.resampling import bootstrap_means

TENTHS = np.repeat([1.0, 0.0], [9, 1])  # a group of ten rows, nine of them right


@pytest.mark.parametrize("limit", ["0.8", "0.85", "0.9", "0.93", "0.95", "0.97"])
def test_a_rate_passes_above_the_limit_and_not_at_it(limit):
    for n in range(1, 2000):
        at = int(Fraction(limit) * n)
        for successes in (at - 1, at, at + 1):
            exact = Fraction(successes, n) > Fraction(limit)
            assert passes(successes / n, float(limit)) == exact, (successes, n)


@pytest.mark.parametrize("limit", ["0.9", "0.93", "0.95", "0.97", "0.99"])
def test_a_ratio_passes_at_the_limit_and_not_below_it(limit):
    n = 541
    for baseline in range(1, n + 1):
        at = int(Fraction(limit) * baseline)
        for tuned in (at - 1, at, at + 1):
            exact = tuned >= Fraction(limit) * baseline
            assert passes(tuned / n, float(limit), baseline / n) == exact, (tuned, baseline)


def test_what_is_exactly_at_a_limit_is_judged_alike_alone_in_groups_and_in_resamples():
    groups = 57
    tuned, codes = np.tile(TENTHS, groups), np.repeat(np.arange(groups), 10)
    baseline = np.ones_like(tuned)
    assert not rate_gate(tuned, np.arange(len(tuned)), 0.9).passes
    assert not rate_gate(tuned, codes, 0.9).passes
    assert ratio_gate(tuned, baseline, np.arange(len(tuned)), 0.9).passes
    assert ratio_gate(tuned, baseline, codes, 0.9).passes
    # Every group is at the limit, so every resample is; single precision holds no 0.7 exactly.
    for credit in (1.0, 0.7):
        columns = credit * np.column_stack([tuned, baseline])
        draws = bootstrap_means(columns, codes, 500)
        assert not passes(draws[:, 0], credit * 0.9).any()
        assert passes(draws[:, 0], 0.9, draws[:, 1]).all()


def test_one_row_more_or_less_decides():
    n = 500
    values = np.repeat([1.0, 0.0], [451, 49])
    assert rate_gate(values, np.arange(n), 0.9).passes
    assert rate_gate(values, np.arange(n) // 2, 0.9).passes
    below = np.repeat([1.0, 0.0], [449, 51])
    assert not ratio_gate(below, np.ones(n), np.arange(n), 0.9).passes
    assert not ratio_gate(below, np.ones(n), np.arange(n) // 2, 0.9).passes


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


def test_the_promised_number_of_further_grouped_rows_decides():
    # Groups of five copies that are all right count once: 0.95^n <= 0.05 from n = 58.4 groups on.
    found = rate_gate(np.ones(100), np.repeat(np.arange(20), 5), 0.95)
    assert found.evidence == "not proven" and 100 + found.more_samples == 293
    assert rate_gate(np.ones(290), np.repeat(np.arange(58), 5), 0.95).evidence == "not proven"
    assert rate_gate(np.ones(295), np.repeat(np.arange(59), 5), 0.95).evidence == "proven"


def test_rows_of_one_group_are_promised_no_verdict_by_the_next():
    # The normal approximation said that one row more would decide.
    found = rate_gate(np.array([1.0, 0.0] * 5), np.zeros(10, dtype=int), 0.95)
    assert found.evidence == "not proven" and found.more_samples > 10


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


@functools.cache
def proven_tables(n: int, ratio: float) -> np.ndarray:
    """Return the tables that prove `ratio`: both, tuned only, baseline only, neither; (N, 4)."""
    tables = [
        (both, tuned, base, n - both - tuned - base)
        for both in range(n + 1)
        for tuned in range(n + 1 - both)
        for base in range(n + 1 - both - tuned)
        if ratio_score(both, tuned, base, n, ratio) >= 1.959964
    ]
    return np.array(tables)


@pytest.mark.parametrize(
    ("ratio", "baseline", "baseline_only", "size"),
    [
        (0.95, 0.5, 0.3, 0.0250),
        (0.95, 0.9, 0.1, 0.0223),
        (0.95, 0.9, 0.05, 0.0129),
        (0.95, 0.3, 0.02, 0.0037),
        (0.99, 0.3, 0.05, 0.0277),
    ],
)
def test_size_of_the_ratio_gate_is_what_the_docs_say(ratio, baseline, baseline_only, size):
    """Exact: the chance of every table of 100 pairs that is called proven at a true `ratio`."""
    chances = [baseline - baseline_only, ratio * baseline - baseline + baseline_only, baseline_only]
    chances = [*chances, 1 - sum(chances)]
    chance = stats.multinomial.pmf(proven_tables(100, ratio), 100, chances)
    assert chance.sum() == pytest.approx(size, abs=5e-5)


@pytest.mark.parametrize(("baseline", "within"), [(0.7, 0.1), (0.98, 0.3)])
def test_ratio_gate_of_groups_errs_rarely_at_the_margin(baseline, within):
    """Losses alone, in 13 databases: the t test called 15 and 24% of such eval sets proven."""
    generator = np.random.default_rng(0)
    lost = 0.05 * baseline
    proven = 0
    for _ in range(300):
        values, codes = draw([baseline - lost, lost, 1 - baseline], within, generator)
        result = ratio_gate(values[:, 0], values[:, 0] + values[:, 1], codes, 0.95)
        proven += result.evidence == "proven"
        assert (result.evidence == "proven") == (result.low >= 0.95)
    assert proven / 300 < 0.07


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=11, max_size=80))
def test_evidence_and_interval_of_a_rate_in_groups_say_the_same(rows):
    values = np.array([float(value) for value, _ in rows])
    codes = group_codes([str(group) for _, group in rows])
    result = rate_gate(values, codes, 0.6)
    low, high = (getattr(unit_mean(values, codes, 0.9), end) for end in ("low", "high"))
    if abs(result.p - 0.05) > 1e-9:
        expected = "proven" if low > 0.6 else "violated" if high < 0.6 else "not proven"
        assert result.evidence == expected
        assert (result.p < 0.05) == (result.evidence == "proven")


def test_ratio_gate_of_a_baseline_of_zero_has_no_ratio():
    result = ratio_gate(*outcomes(0, 5, 0, 20), 0.95)
    assert result.estimate is None and result.low is None


def test_ratio_gate_of_groups():
    tuned, baseline, _ = outcomes(60, 10, 8, 22)
    result = ratio_gate(tuned, baseline, np.repeat(np.arange(10), 10), 0.95)
    assert result.evidence == "not proven" and result.p < 0.5
    assert result.low < 0.95 < result.estimate < result.high and result.more_samples > 0


def copies(values: np.ndarray, k: int, generator: np.random.Generator) -> np.ndarray:
    """Return means of `k` replies to prompts of these pass rates."""
    return generator.binomial(k, values) / k


SHARES = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=40)


@given(SHARES, st.sampled_from([0.8, 0.95, 1.0]))
def test_evidence_and_interval_of_a_ratio_of_means_say_the_same(rows, least):
    tuned, baseline = (np.array(column) / 4 for column in zip(*rows, strict=True))
    result = ratio_gate(tuned, baseline, np.arange(len(rows)), least)
    if result.low is not None and abs(min(result.p, 1 - result.p) - 0.025) > 1e-6:
        assert result.low <= result.estimate <= result.high
        expected = "proven" if result.low > least else "not proven"
        expected = "violated" if result.high < least else expected
        assert result.evidence == expected


@given(st.integers(1, 30), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_a_half_right_row_among_many_changes_little(both, won, lost, neither):
    """Means of replies and right-or-wrong replies are judged by one method: there is no jump."""
    tuned, baseline, codes = outcomes(both, won, lost, neither)
    plain = ratio_gate(tuned, baseline, codes, 0.95)
    nearly = tuned.copy()
    nearly[0] = 1 - 1e-7
    means = ratio_gate(nearly, baseline, codes, 0.95)
    assert means.p == pytest.approx(plain.p, abs=1e-4)
    assert (means.low, means.high) == pytest.approx((plain.low, plain.high), rel=1e-3)
    half = codes // 2
    plain, means = (ratio_gate(x, baseline, half, 0.95) for x in (tuned, nearly))
    assert means.p == pytest.approx(plain.p, abs=1e-4)
    rates = [rate_gate(x, codes, 0.6).p for x in (tuned, nearly)]
    assert rates[0] == pytest.approx(rates[1], abs=1e-4)


def test_equal_students_prove_a_ratio_of_means_by_numbers_alone():
    """None of n prompts lost anything: 0.035 / (0.95 + 0.035) of them might lose all, and do not.

    The score is sqrt(n * 0.035 / 0.95), 1.96 at n = 104.3. A t test would see no variance at all.
    """
    for n, evidence in ((104, "not proven"), (105, "proven")):
        result = ratio_gate(np.full(n, 0.7), np.full(n, 0.7), np.arange(n), 0.95)
        assert result.evidence == evidence and result.low < 1 < result.high
        assert result.p == pytest.approx(stats.norm.sf(np.sqrt(n * 0.035 / 0.95)))


@pytest.mark.parametrize("size", [100, 541])
def test_ratio_gate_of_means_errs_rarely_at_the_margin(size):
    """One prompt in twenty is lost, the rest hardly move."""
    generator = np.random.default_rng(size)
    proven = held = 0
    for _ in range(400):
        rates = generator.choice([0.02, 0.5, 0.98], size, p=[0.25, 0.05, 0.7])
        lost = rates * (generator.random(size) < 0.95)
        tuned, baseline = (copies(x, 4, generator) for x in (lost, rates))
        result = ratio_gate(tuned, baseline, np.arange(size), 0.95)
        proven += result.evidence == "proven"
        held += result.low <= 0.95 <= result.high
    assert proven / 400 < 0.045 and held / 400 >= 0.93  # 2.5%, and what 400 draws may add


def test_a_rate_of_means_that_is_always_right_or_wrong_is_judged_by_its_prompts():
    """Sixteen equal replies are one: only replies that differ among themselves add anything."""
    once = np.repeat([1.0, 0.0], [96, 4])
    mixed = np.repeat([1.0, 0.5, 0.0], [92, 8, 0])
    alike = rate_gate(once, np.arange(100), 0.9)
    spread = rate_gate(mixed, np.arange(100), 0.9)
    assert spread.estimate == alike.estimate and spread.p < alike.p / 4


def test_a_rate_of_means_by_hand():
    """60 prompts at 1 and 20 at 3/4, a limit of 0.9: the mean is 0.9375.

    Weights that make it 0.9 take a multiplier of 2.5, beyond the 1 / 0.9 at which a prompt that is
    never safe becomes likelier: the variance is 0.0375 * 0.9, that of right-or-wrong replies 0.09,
    so that 80 prompts are 213.3 rows, 200 of them right.
    """
    result = rate_gate(np.repeat([1.0, 0.75], [60, 20]), np.arange(80), 0.9)
    assert result.p == pytest.approx(special.betainc(200, 640 / 3 - 199, 0.9), rel=1e-9)
    assert result.low == pytest.approx(unit_mean(np.repeat([1, 0.75], [60, 20]), np.arange(80)).low)


@given(SHARES)
def test_evidence_and_interval_of_a_rate_of_means_say_the_same(rows):
    values = np.array([value for value, _ in rows]) / 4
    codes = np.arange(len(values))
    result = rate_gate(values, codes, 0.6)
    low, high = (getattr(unit_mean(values, codes, 0.9), end) for end in ("low", "high"))
    assert 0 <= low <= result.estimate <= high <= 1
    if abs(result.p - 0.05) > 1e-6:
        assert (result.p < 0.05) == (low > 0.6)
        if result.evidence == "violated":
            assert high < 0.6 + 1e-6


@pytest.mark.parametrize("size", [50, 100])
def test_a_rate_of_means_at_the_limit_is_rarely_proven(size):
    """One prompt in twenty is never safe, half of them nine times in ten, the others always."""
    generator = np.random.default_rng(size)
    proven = 0
    for _ in range(500):
        rates = generator.choice([0.0, 0.9, 1.0], size, p=[0.05, 0.5, 0.45])
        proven += rate_gate(copies(rates, 16, generator), np.arange(size), 0.9).evidence == "proven"
    assert proven / 500 < 0.07  # at most 5%, and two standard errors


def test_the_promised_number_of_further_prompts_decides_a_rate_of_means():
    values = np.repeat([1.0, 0.75, 0.0], [30, 6, 2])
    found = rate_gate(values, np.arange(38), 0.9)
    assert found.evidence == "not proven" and found.more_samples > 0
    times = -(-(38 + found.more_samples) // 38)
    enough = rate_gate(np.tile(values, times), np.arange(38 * times), 0.9)
    assert enough.evidence == "proven"
    assert rate_gate(np.tile(values, times - 1), np.arange(38 * (times - 1)), 0.9).p > 0.05


@pytest.mark.parametrize("k", [1, 8])
@pytest.mark.parametrize("groups", [200, 20])
@pytest.mark.parametrize("rate", [0.8, 0.93, 0.97])
def test_evidence_alone_is_that_of_the_gate(k, groups, rate):
    """What simulations ask for is what the gate says, without its interval."""
    generator = np.random.default_rng([k, groups])
    for _ in range(5):
        values = generator.binomial(k, rate, 200) / k
        codes = np.arange(200) % groups
        assert rate_evidence(values, codes, 0.9) == rate_gate(values, codes, 0.9).evidence
