"""Known variances between and within prompts, and a known noise of training, are found again."""

import numpy as np
import pytest

from sftstudy.statistics.pass_rates import PassRates, base_rates, squared_change, tuned_rates
from sftstudy.statistics.variances import MOST, training_noise, variances


def replies(rates: np.ndarray, k: int, generator: np.random.Generator) -> list[np.ndarray]:
    return [*(generator.random((len(rates), k)) < rates[:, None]).astype(float)]


def drawn(pass_rates: PassRates, n: int, k: int, seed: int, change: float = 0.0) -> tuple:
    """Return the single replies of base and tuned student."""
    generator = np.random.default_rng(seed)
    base = base_rates(pass_rates, generator.random(n))
    tuned = tuned_rates(pass_rates, base, generator, change)
    return replies(base, k, generator), replies(tuned, k, generator)


def test_by_hand():
    """Means 1, 0, 1/2, variance 1/4; single replies add (0 + 0 + 1/2) / 2 / 3 to it."""
    found = variances([np.array(one) for one in ([1.0, 1.0], [0.0, 0.0], [1.0, 0.0])])
    assert found.mean == pytest.approx(1 / 2)
    assert found.within == pytest.approx(1 / 6)
    assert found.between == pytest.approx(1 / 4 - 1 / 12)
    assert found.share == pytest.approx(1 / 2)


@pytest.mark.parametrize("between", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("k", [2, 8])
def test_parts_of_a_known_beta(between, k):
    base, _ = drawn(PassRates(0.7, between, 0.5), 20_000, k, seed=1)
    found = variances(base)
    assert found.mean == pytest.approx(0.7, abs=0.01)
    assert found.between == pytest.approx(between * 0.21, rel=0.06)
    assert found.within == pytest.approx((1 - between) * 0.21, rel=0.06)
    assert found.share == pytest.approx(between, rel=0.05)


def test_few_prompts_are_not_biased():
    """The variance of means alone would be 0.105 + 0.105 / 4 on average."""
    found = [variances(drawn(PassRates(0.7, 0.5, 0.5), 20, 4, seed)[0]) for seed in range(400)]
    assert np.mean([one.between for one in found]) == pytest.approx(0.105, abs=0.006)
    assert np.mean([one.within for one in found]) == pytest.approx(0.105, abs=0.004)


def test_single_replies_tell_nothing_of_parts():
    assert variances([np.array([1.0]), np.array([0.0]), np.array([1.0])]) is None
    assert variances([np.array([1.0]), np.array([0.0, 1.0])]) is None
    same = [np.ones(4)] * 5
    assert variances(same).share == MOST
    assert training_noise(same, same) is None
    assert training_noise([np.ones(1)] * 5, [np.zeros(1)] * 5) is None


@pytest.mark.parametrize("noise", [0.3, 0.8])
@pytest.mark.parametrize("change", [0.0, -0.05])
def test_known_noise_of_training(noise, change):
    base, tuned = drawn(PassRates(0.6, 0.5, noise), 8_000, 16, seed=2, change=change)
    assert training_noise(base, tuned) == pytest.approx(noise, abs=0.08)


def test_no_training_is_no_noise():
    """Other replies of the same student: all that differs is chance."""
    generator = np.random.default_rng(3)
    rates = base_rates(PassRates(0.6, 0.5, 0.5), generator.random(4_000))
    found = training_noise(replies(rates, 8, generator), replies(rates, 8, generator))
    assert found < 0.15


def test_squared_change_is_that_of_drawn_rates():
    pass_rates, generator = PassRates(0.7, 0.6, 0.6), np.random.default_rng(4)
    base = base_rates(pass_rates, generator.random(100_000))
    tuned = tuned_rates(pass_rates, base, generator, -0.03)
    expected = float(np.square(tuned - base).mean())
    assert squared_change(pass_rates, -0.03) == pytest.approx(expected, rel=0.02)
