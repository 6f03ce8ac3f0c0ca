"""Choosing among configurations: minimax regret with the one-standard-error rule.

Only scores on the `select` splits and the gates' verdicts come in here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Choice:
    """Result of one choice among K configurations; everything is indexed like them.

    Attributes:
        best: Configuration of the smallest maximum regret among the feasible; None without one.
        tied: Feasible configurations within one standard error of `best`, itself included.
        chosen: The cheapest of `tied`.
        regret: Shape (T, K). Negative where an infeasible one is better than all feasible ones;
            NaN where nothing is feasible.
        max_regret: Shape (K,), the largest regret over the tasks.
        standard_error: Shape (K,), of `max_regret` minus that of `best`; 0 for `best`.
    """

    best: int | None
    tied: list[int]
    chosen: int | None
    regret: np.ndarray
    max_regret: np.ndarray
    standard_error: np.ndarray


def reliability(draws: np.ndarray) -> np.ndarray:
    """Return for each task, shape (T,), how much of the spread of its scores is not noise.

    An eval set of 100 rows spreads equally good configurations over several points; taken at face
    value, the noisiest task would decide every maximum over tasks. This is the factor by which
    James and Stein's estimator shrinks the K scores of a task towards their mean,
    1 - (K-3)/(K-1) * noise variance / variance of the scores (Efron & Morris 1973), 1 for up to
    three configurations. The noise is that of the bootstrap `draws` (B, T, K), paired over rows.

    `choose` is given scores and draws times this factor: only their differences matter to it.
    """
    tasks, count = draws.shape[1:]
    if count <= 3:
        return np.ones(tasks)
    centred = draws - draws.mean(axis=2, keepdims=True)
    noise = centred.var(axis=0, ddof=1).sum(axis=1) / (count - 1)
    spread = draws.mean(axis=0).var(axis=1, ddof=1)
    # A task is never ignored altogether: with nothing else to go by its order still counts.
    factor = 1 - (count - 3) / (count - 1) * noise / np.maximum(spread, 1e-12)
    return np.clip(factor, 0.01, 1.0)


def regrets(scores: np.ndarray, feasible: np.ndarray) -> np.ndarray:
    """Return the regret of every score against the best feasible one of its task (Savage 1951).

    `scores` has shape (..., T, K), `feasible` (..., K). NaN where none is feasible.
    """
    reachable = np.where(feasible[..., None, :], scores, -np.inf).max(axis=-1, keepdims=True)
    return np.where(np.isfinite(reachable), reachable, np.nan) - scores


def choose(
    scores: np.ndarray, feasible: np.ndarray, costs: Sequence[float], draws: np.ndarray
) -> Choice:
    """Choose a configuration: smallest maximum regret, ties to the cheapest.

    A configuration ties with the best when neither its maximum regret is larger nor its score on
    any task smaller by more than one standard error of that difference (after Breiman, Friedman,
    Olshen & Stone 1984, section 3.4.3, with paired errors, since all configurations answer the
    same rows). Of these the cheapest is chosen; of equally cheap ones that of the smallest maximum
    regret.

    Args:
        scores: Shape (T, K), scores on the select splits; finite where `feasible`.
        feasible: Shape (K,), which may be chosen.
        costs: Shape (K,), training compute; infinite where not known.
        draws: Shape (B, T, K), the scores in B bootstrap resamples of the rows.
    """
    regret = regrets(scores, feasible)
    max_regret = regret.max(axis=0)
    if not feasible.any():
        return Choice(None, [], None, regret, max_regret, np.zeros(len(feasible)))
    best = int(np.argmin(np.where(feasible, max_regret, np.inf)))
    drawn = regrets(draws, np.broadcast_to(feasible, (len(draws), len(feasible)))).max(axis=1)
    standard_error = (drawn - drawn[:, [best]]).std(axis=0, ddof=1)
    tied = _tied(scores, feasible, standard_error, pair_errors(draws))
    chosen = int(_cheapest(tied, np.asarray(costs), max_regret))
    members = [int(index) for index in np.flatnonzero(tied)]
    return Choice(best, members, chosen, regret, max_regret, standard_error)


def pair_errors(draws: np.ndarray) -> np.ndarray:
    """Return the standard errors (T, K, K) of the differences of two configurations' scores."""
    centred = draws - draws.mean(axis=0)
    covariance = np.einsum("bti,btj->tij", centred, centred) / (len(draws) - 1)
    variance = np.einsum("tii->ti", covariance)
    return np.sqrt(np.maximum(0.0, variance[:, :, None] + variance[:, None, :] - 2 * covariance))


def _tied(
    scores: np.ndarray, feasible: np.ndarray, standard_error: np.ndarray, pairs: np.ndarray
) -> np.ndarray:
    """Return which configurations tie with the best, (..., K), at least one being feasible.

    `scores` (..., T, K), `feasible` (..., K), `standard_error` (K,), `pairs` (T, K, K).
    """
    max_regret = np.where(feasible, regrets(scores, feasible).max(axis=-2), np.inf)
    best = max_regret.argmin(axis=-1)
    smallest = np.take_along_axis(max_regret, best[..., None], axis=-1)
    of_best = np.take_along_axis(scores, best[..., None, None], axis=-1)
    allowed = np.moveaxis(pairs[:, best], 0, -2)  # (..., T, K)
    no_worse = (of_best - scores <= allowed + 1e-12).all(axis=-2)
    return feasible & no_worse & (max_regret <= smallest + standard_error + 1e-12)


def _cheapest(tied: np.ndarray, costs: np.ndarray, max_regret: np.ndarray) -> np.ndarray:
    """Return the index (...) of the cheapest of the tied (..., K), then of the smallest regret."""
    least = np.where(tied, costs, np.inf).min(axis=-1, keepdims=True)
    equal = tied & (costs <= least)
    return np.where(equal, max_regret, np.inf).argmin(axis=-1)


def selection_probabilities(
    draws: np.ndarray, feasible: np.ndarray, costs: Sequence[float], standard_error: np.ndarray
) -> tuple[np.ndarray, float]:
    """Return how often each configuration is chosen over bootstrap studies, and how often none.

    `draws` (B, T, K) are scores and `feasible` (B, K) the gates' point verdicts in B resamples of
    all rows, select and controls; the standard errors (K,) are those of the study itself.
    """
    decided = feasible.any(axis=1)
    scores, feasible = draws[decided], feasible[decided]
    tied = _tied(scores, feasible, standard_error, pair_errors(draws))
    chosen = _cheapest(tied, np.asarray(costs), regrets(scores, feasible).max(axis=1))
    counts = np.bincount(chosen, minlength=feasible.shape[1])
    return counts / len(draws), float(1 - decided.mean())


def pareto_front(gain: np.ndarray, loss: np.ndarray) -> np.ndarray:
    """Return which configurations (K,) no other beats: more gain and not more loss, or the reverse.

    Those with a NaN are on no front.
    """
    known = np.isfinite(gain) & np.isfinite(loss)
    front = known.copy()
    for index in np.flatnonzero(known):
        no_worse = known & (gain >= gain[index]) & (loss <= loss[index])
        better = (gain > gain[index]) | (loss < loss[index])
        front[index] = not (no_worse & better).any()
    return front
