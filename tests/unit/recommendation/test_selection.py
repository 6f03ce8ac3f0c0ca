"""The rule of choice on worked examples."""

import numpy as np
import pytest

from sftstudy.recommendation import selection


def draws(scores: np.ndarray, error: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, error, (500, *scores.shape))
    return scores + noise


def test_minimax_regret_of_a_worked_example():
    # Regrets: a 0, .30; b .05, .05; c .20, 0. The best mean is c's, the smallest maximum b's.
    scores = np.array([[0.80, 0.75, 0.60], [0.40, 0.65, 0.70]])
    choice = selection.choose(scores, np.ones(3, bool), [1, 1, 1], draws(scores, 1e-6))
    assert choice.max_regret == pytest.approx([0.30, 0.05, 0.20])
    assert (choice.best, choice.chosen) == (1, 1)


def test_infeasible_configurations_set_no_standard():
    scores = np.array([[0.80, 0.75, 0.99], [0.60, 0.65, 0.99]])
    feasible = np.array([True, True, False])
    choice = selection.choose(scores, feasible, [1, 1, 1], draws(scores, 1e-6))
    assert choice.regret[:, 2].max() < 0
    assert choice.max_regret[:2] == pytest.approx([0.05, 0.05])


def test_ties_go_to_the_cheapest_and_clear_differences_do_not():
    scores = np.array([[0.80, 0.79, 0.60], [0.70, 0.69, 0.60]])
    costs = [3.0, 2.0, 1.0]
    noisy = selection.choose(scores, np.ones(3, bool), costs, draws(scores, 0.03))
    assert (noisy.best, noisy.chosen, noisy.tied) == (0, 1, [0, 1])
    exact = selection.choose(scores, np.ones(3, bool), costs, draws(scores, 1e-4))
    assert (exact.best, exact.chosen) == (0, 0)


def test_a_configuration_clearly_worse_on_one_task_does_not_tie():
    """Its maximum regret is within the error of a noisy task, but a precise task tells."""
    scores = np.array([[0.80, 0.80], [0.70, 0.66]])
    noise = np.random.default_rng(0).normal(size=(500, 2, 2)) * np.array([0.1, 0.001])[:, None]
    choice = selection.choose(scores, np.ones(2, bool), [2.0, 1.0], scores + noise)
    assert choice.chosen == 0


def test_of_equal_costs_the_smaller_regret_decides():
    scores = np.array([[0.80, 0.79]])
    choice = selection.choose(scores, np.ones(2, bool), [1.0, 1.0], draws(scores, 0.03))
    assert choice.tied == [0, 1] and choice.chosen == 0


def test_reliability_tells_signal_from_noise():
    generator = np.random.default_rng(0)
    signal = np.array([np.linspace(0.5, 0.8, 12), np.full(12, 0.6) + generator.normal(0, 0.04, 12)])
    weights = selection.reliability(draws(signal, 0.04))
    assert weights[0] > 0.75 and weights[1] < 0.5
    assert selection.reliability(draws(signal[:, :3], 0.04)).tolist() == [1.0, 1.0]


def test_bootstrap_probability_of_an_even_race_is_a_half():
    scores = np.array([[0.7, 0.7]])
    drawn = draws(scores, 0.01)
    feasible = np.ones((500, 2), bool)
    probability, none = selection.selection_probabilities(drawn, feasible, [1, 1], np.zeros(2))
    assert probability == pytest.approx([0.5, 0.5], abs=0.08) and none == 0
    feasible[:125] = False
    probability, none = selection.selection_probabilities(drawn, feasible, [1, 1], np.zeros(2))
    assert none == 0.25 and probability.sum() == pytest.approx(0.75)


def test_pareto_front():
    gain = np.array([0.1, 0.3, 0.2, 0.3, np.nan])
    loss = np.array([0.0, 0.2, 0.3, 0.2, 0.0])
    assert selection.pareto_front(gain, loss).tolist() == [True, True, False, True, False]
