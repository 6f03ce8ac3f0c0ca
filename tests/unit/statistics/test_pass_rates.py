"""The model of pass rates has the means and variances that it is asked for."""

import numpy as np
import pytest

from sftstudy.statistics.pass_rates import (
    ALIKE,
    PassRates,
    base_rates,
    draw,
    mean_of_replies,
    runs_rates,
)

MANY = 200_000


@pytest.mark.parametrize(("mean", "between"), [(0.5, 0.5), (0.7, 0.8), (0.95, 0.3)])
def test_mean_and_variance_between_prompts(mean, between):
    base, _ = draw(PassRates(mean, between, 0.5), MANY, None, np.random.default_rng(0))
    assert base.mean() == pytest.approx(mean, abs=0.004)
    assert base.var() == pytest.approx(between * mean * (1 - mean), rel=0.02)


@pytest.mark.parametrize("k", [1, 4, 16])
def test_variance_within_prompts_shrinks_with_their_replies(k):
    """Of one reply m(1-m); between prompts stays, within them is divided by K (Miller 2024)."""
    base, tuned = draw(PassRates(0.7, 0.6, 0.4), MANY, k, np.random.default_rng(0))
    assert base.var() == pytest.approx(0.21 * (0.6 + 0.4 / k), rel=0.02)
    for values in (base, tuned):
        assert np.isin(values * k, np.arange(k + 1)).all()


@pytest.mark.parametrize("change", [-0.035, 0.0, 0.2])
@pytest.mark.parametrize("noise", [0.0, 0.8])
def test_change_is_that_of_the_mean(change, noise):
    base, tuned = draw(PassRates(0.7, 0.6, noise), MANY, 0, np.random.default_rng(0), change)
    assert tuned.mean() - base.mean() == pytest.approx(change, abs=0.001)
    if change == noise == 0:
        assert tuned == pytest.approx(base)


def test_noise_is_on_the_logit_scale():
    base, tuned = draw(PassRates(0.5, 0.2, 0.6), MANY, 0, np.random.default_rng(0))
    moved = np.log(tuned / (1 - tuned)) - np.log(base / (1 - base))
    assert moved.std() == pytest.approx(0.6, rel=0.01)


def logit(rates: np.ndarray) -> np.ndarray:
    return np.log(rates / (1 - rates))


def test_runs_share_a_part_of_the_noise_and_each_has_all_of_it():
    rates, generator = PassRates(0.5, 0.2, 0.6), np.random.default_rng(0)
    base = base_rates(rates, generator.random(MANY))
    runs = runs_rates(rates, base, generator, 0.1, 0.0, 3)
    assert runs.shape == (MANY, 3)
    assert runs.mean(axis=0) == pytest.approx(base.mean() + 0.1, abs=0.002)
    moved = logit(runs) - logit(base)[:, None]
    assert moved.std(axis=0) == pytest.approx(0.6, rel=0.01)
    shared = np.corrcoef(moved.T)[np.triu_indices(3, 1)]
    assert shared == pytest.approx(ALIKE, abs=0.01)


@pytest.mark.parametrize(("mean", "spread"), [(0.6, 0.03), (0.97, 0.01)])
def test_means_of_runs_differ_by_their_spread(mean, spread):
    rates, generator = PassRates(mean, 0.3, 0.0), np.random.default_rng(0)
    base = base_rates(rates, (np.arange(4000) + 0.5) / 4000)
    means = runs_rates(rates, base, generator, 0.0, spread, 1500).mean(axis=0)
    assert means.mean() == pytest.approx(mean, abs=4 * spread / 1500**0.5)
    assert means.std() == pytest.approx(spread, rel=0.06)


def test_a_spread_that_leaves_no_room_is_cut_alike_on_both_sides():
    rates, generator = PassRates(0.98, 0.3, 0.2), np.random.default_rng(0)
    base = base_rates(rates, (np.arange(4000) + 0.5) / 4000)
    means = runs_rates(rates, base, generator, 0.0, 0.1, 500).mean(axis=0)
    assert means.min() == pytest.approx(0.961, abs=0.002)
    assert means.max() == pytest.approx(0.999, abs=0.002)
    assert means.mean() == pytest.approx(0.98, abs=0.003)


def test_two_prompts_at_the_same_place_have_the_same_rate():
    places = np.array([0.2, 0.2, 0.9])
    rates = base_rates(PassRates(0.5, 0.5, 0.5), places)
    assert rates[0] == rates[1] < rates[2]
    assert mean_of_replies(rates, None, np.random.default_rng(0)) is rates


def test_an_impossible_change_is_said():
    with pytest.raises(ValueError, match="cannot change by"):
        draw(PassRates(0.7, 0.5, 0.5), 10, 1, np.random.default_rng(0), 0.4)
