"""Rates of which a part is known: right values by hand, and no certainty from few labels."""

import numpy as np
import pytest
from scipy import stats

from sftstudy.statistics.gates import effective_rate_gate, powered_ratio_gate
from sftstudy.statistics.ppi import powered_rate


def rate(predicted: list, known: list, strata: list | None = None, codes: list | None = None):
    n = len(predicted)
    return powered_rate(
        np.array(predicted, dtype=float),
        np.array(known, dtype=float),
        np.array(strata or [0] * n),
        np.arange(n),
        np.array(codes or range(n)),
    )


NAN = float("nan")


def test_the_mean_of_all_verdicts_and_the_errors_of_a_part() -> None:
    """Angelopoulos et al. 2023, section 2: mean of f over all, plus mean of y - f over the part."""
    predicted = [1] * 60 + [0] * 40
    known = [1] * 9 + [0] + [NAN] * 50 + [0] * 8 + [1] * 2 + [NAN] * 30
    found = rate(predicted, known)
    assert found.estimate.value == pytest.approx(0.6 + (2 - 1) / 20)
    assert found.values.mean() == pytest.approx(found.estimate.value)


def test_strata_have_corrections_of_their_own() -> None:
    predicted, strata = [0] * 10 + [1] * 90, [1] * 10 + [0] * 90
    known = [1] * 4 + [0] * 6 + [1] * 27 + [0] * 3 + [NAN] * 60
    found = rate(predicted, known, strata)
    # Ten that are known whole count as they are; of the others 90% x 90.
    assert found.estimate.value == pytest.approx((4 + 81) / 100)


def test_by_hand_what_the_variance_is_made_of() -> None:
    predicted, known = [1] * 100, [1] * 38 + [0] * 2 + [NAN] * 60
    found = rate(predicted, known)
    seen, feared = 2 / 40, 3 / 42
    spread = max(feared * (1 - feared), np.array([1] * 38 + [0] * 2).var(ddof=1))
    cautious = 1 - feared
    variance = cautious * (1 - cautious) / 100 + 0.6 * spread / 40
    assert found.estimate.value == pytest.approx(1 - seen)
    assert found.estimate.se == pytest.approx(np.sqrt(variance))
    assert found.rows == pytest.approx(cautious * (1 - cautious) / variance)


def test_verdicts_that_say_nothing_are_worth_nothing() -> None:
    found = rate([1] * 100, [1] * 20 + [NAN] * 80)
    assert found.rows == pytest.approx(20)
    assert found.estimate.low == pytest.approx(0.025 ** (1 / 20))


def test_verdicts_that_are_always_wrong_cost_nothing() -> None:
    """The rules call all unsafe, a person all safe: 20 labels are worth 20 rows, as above."""
    found = rate([0] * 100, [1] * 20 + [NAN] * 80)
    assert found.estimate.value == 1.0 and found.rows == pytest.approx(20)


def test_verdicts_that_are_right_are_worth_rows() -> None:
    predicted = [1, 0] * 50
    few = rate(predicted, [1, 0] * 10 + [NAN] * 80)
    many = rate(predicted, [1, 0] * 40 + [NAN] * 20)
    assert 20 < few.rows < many.rows < 100


def test_copies_are_one_label() -> None:
    predicted, known = np.ones(100), np.array([1.0] * 40 + [NAN] * 60)
    once = powered_rate(predicted, known, np.zeros(100), np.arange(100), np.arange(100))
    twice = powered_rate(predicted, known, np.zeros(100), np.arange(100) // 2, np.arange(100))
    assert twice.rows < once.rows


def test_several_replies_to_a_prompt_are_worth_no_more_rows_than_prompts() -> None:
    found = rate([1] * 100, [1] * 98 + [NAN] * 2, codes=[n // 4 for n in range(100)])
    assert found.rows <= 25


def test_a_gate_is_judged_at_the_effective_rows() -> None:
    found = rate([1] * 100, [1] * 28 + [NAN] * 72)
    # 0.9^28 = 5.2%: with 28 labels that all agree 90% are not proven, with 29 they are.
    gate = effective_rate_gate(found.estimate, found.rows, 100, 0.9)
    assert (gate.passes, gate.evidence) == (True, "not proven")
    assert gate.p == pytest.approx(0.9**28)
    more = rate([1] * 100, [1] * 29 + [NAN] * 71)
    assert effective_rate_gate(more.estimate, more.rows, 100, 0.9).evidence == "proven"


def test_a_ratio_is_no_surer_than_its_rates() -> None:
    """All labels agree with the verdicts, so rows show no variation; the rates know theirs."""
    found = rate([1] * 100, [1] * 20 + [NAN] * 80)
    error = found.estimate.se
    gate = powered_ratio_gate(
        found.values, np.ones(100), np.arange(100), (error, 0.0), 20, weight=5, least=0.95
    )
    assert gate.passes and gate.evidence == "not proven"
    whole = powered_ratio_gate(np.ones(100), np.ones(100), np.arange(100), (0.001, 0), 90, 1, 0.95)
    assert whole.evidence == "proven"


def relative(rates: list, labels: int, weight: float, codes: np.ndarray | None = None):
    tuned, baseline = rates
    codes = np.arange(len(tuned.values)) if codes is None else codes
    errors = (tuned.estimate.se, baseline.estimate.se)
    return powered_ratio_gate(tuned.values, baseline.values, codes, errors, labels, weight, 0.95)


def test_by_hand_what_labels_that_agree_say_of_a_ratio() -> None:
    """All of 400 replies are called safe, half is read, and is: each row adds 1 - 0.95, and a loss
    that is read would add 1 - 2 - 0.95. The likeliest way to a mean of 0 gives that the rest of the
    weight, so the squared score is n x mean / 1.95."""
    found = rate([1] * 400, [1] * 200 + [NAN] * 200)
    gate = relative([found, found], 200, 2.0)
    assert gate.p == pytest.approx(stats.norm.sf(np.sqrt(400 * 0.05 / 1.95)))
    assert gate.evidence == "proven"


def test_replies_of_one_prompt_are_no_rows_of_their_own_in_a_ratio() -> None:
    """20 prompts with 8 replies, half read, the rules always wrong, all safe before and after: 20
    prompts are too few for 0.95 even if all is read."""
    known = np.tile([1.0] * 4 + [NAN] * 4, 20)
    codes = np.repeat(np.arange(20), 8)
    eight = rate([0] * 160, list(known), codes=list(codes))
    gate = relative([eight, eight], 80, 1.125, codes)
    assert gate.evidence == "not proven"
    assert gate.p == pytest.approx(stats.norm.sf(np.sqrt(20 * 0.05 / 1.075)))


@pytest.mark.parametrize(
    ("n", "part", "wrong", "blind"),
    [(50, 0.5, 1.0, 0.0), (100, 0.8, 0.3, 0.0), (100, 0.2, 0.3, 1.0), (200, 0.5, 0.3, 1.0)],
)
def test_what_just_breaks_a_ratio_is_seldom_proven(
    n: int, part: float, wrong: float, blind: float
) -> None:
    """The t test alone proves 10 to 30% of these: losses are few, and heavy where they are read.

    Of 90% safe 5% are lost. The rules call a share of the safe unsafe, and see or do not see what
    is lost; of the rest both students' replies are the same, judged and read together.
    """
    generator, proven, draws = np.random.default_rng(11), 0, 300
    labels, rows, none = round(part * n), np.arange(n), np.zeros(n)
    for _ in range(draws):
        base = generator.random(n) < 0.9
        lost = base & (generator.random(n) < 0.05)
        place, called = generator.random(n), base & (generator.random(n) >= wrong)
        rates = []
        for safe, order, verdict in (
            (base & ~lost, np.where(lost, generator.random(n), place), called & ~lost),
            (base, place, called),
        ):
            known = safe.astype(float)
            known[np.argsort(order)[labels:]] = NAN
            predicted = verdict | (lost & ~safe & (blind == 1))
            rates.append(powered_rate(predicted.astype(float), known, none, rows, rows))
        proven += relative(rates, labels, n / labels).evidence == "proven"
    assert proven / draws <= 0.04


@pytest.mark.parametrize("errors", [0.0, 0.05])
def test_coverage(errors: float) -> None:
    """100 replies, 10 in doubt and read, of the others 30: the interval holds the truth in 93%."""
    generator, held, truth = np.random.default_rng(3), 0, 0.1 * 0.5 + 0.9 * (1 - errors)
    draws = 400
    for _ in range(draws):
        strata = (generator.random(100) < 0.1).astype(int)
        safe = generator.random(100) < np.where(strata == 1, 0.5, 1 - errors)
        first = np.flatnonzero(strata == 0)[:30]
        known = np.where(strata == 1, safe, NAN).astype(float)
        known[first] = safe[first]
        found = powered_rate(1.0 - strata, known, strata, np.arange(100), np.arange(100)).estimate
        held += found.low <= truth <= found.high
    assert held / draws >= 0.93
