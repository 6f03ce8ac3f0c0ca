"""Main effects: what each hyperparameter does to gain and control loss, the others being equal.

An additive model over the complete configurations: their mean gain over the tasks (val splits), or
their control loss, is a constant plus one effect per value of each hyperparameter, by least
squares. Where every combination was trained its means are the plain ones over the configurations
that share a value. Nothing of the test splits comes in here.

How sure an effect is comes from the resamples of rows that the choice is judged by. All
configurations answer the same rows, so what they share cancels in a difference between values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sftstudy.documents.recommendation import (
    Effect,
    LargestDifference,
    Level,
    OutcomeEffect,
)
from sftstudy.recommendation.cells import Cells, Scores, all_known
from sftstudy.recommendation.comparison import Comparison
from sftstudy.recommendation.configurations import Complete, control_loss
from sftstudy.statistics.distributions import normal_quantile
from sftstudy.statistics.multiplicity import ALPHA, holm
from sftstudy.study.axes import AXES

Settings = Mapping[str, Any]  # the value of each axis; None where a configuration has none


@dataclass(frozen=True, eq=False)  # arrays have no truth value: compare by identity
class Outcome:
    """A number of each of K configurations, `values` (K,), and its `errors` (B, K).

    The errors are what B resamples of the rows add to it: they are centred, and as wide as t
    intervals are.
    """

    values: np.ndarray
    errors: np.ndarray


@dataclass(frozen=True, eq=False)
class Factor:
    """A hyperparameter that varies, among all configurations or `among` those of one method.

    Attributes:
        values: Its L values, in order.
        level: Shape (K,), which of them each configuration has; -1: none, or another method.
    """

    axis: str
    among: str | None
    values: list[Any]
    level: np.ndarray

    @property
    def members(self) -> np.ndarray:
        """Which configurations the factor tells apart, shape (K,)."""
        return self.level >= 0

    @property
    def coding(self) -> np.ndarray:
        """The effect of each value in terms of L - 1 parameters, which sum to zero: (L, L - 1)."""
        count = len(self.values) - 1
        return np.vstack([np.eye(count), -np.ones(count)])

    @property
    def columns(self) -> np.ndarray:
        """The factor's columns of the design, shape (K, L - 1)."""
        return np.where(self.members[:, None], self.coding[self.level], 0.0)


def main_effects(
    comparison: Comparison | None, base: Mapping[str, Scores | None], cells: Cells
) -> list[Effect]:
    """Return the effect of every hyperparameter that varies over the complete configurations.

    `base` are the baseline's scores on the val splits, by task.
    """
    if comparison is None:
        return []
    settings = [settings_of(one, cells) for one in comparison.configurations]
    known = [index for index, found in enumerate(settings) if found is not None]
    return effects_of(
        [found for found in settings if found is not None],
        _pick(_gains(comparison, base), known),
        _pick(_losses(comparison), known),
    )


def settings_of(configuration: Complete, cells: Cells) -> Settings | None:
    """Return a configuration's value of each axis; None where a recipe is missing.

    None for an axis whose value is not the same on all tasks: it says nothing of the configuration.
    """
    recipes = all_known(
        cells.recipe(f"{task}/{configuration.name}") for task in configuration.select
    )
    if recipes is None:
        return None
    trained = [{"method": "full"} | recipe["training"] for recipe in recipes]
    return {
        axis: trained[0].get(axis)
        if all(found.get(axis) == trained[0].get(axis) for found in trained)
        else None
        for axis in AXES
    }


def _gains(comparison: Comparison, base: Mapping[str, Scores | None]) -> Outcome | None:
    """Return the mean gain over the tasks; None where it is not known."""
    before = [scores.value for scores in all_known(base.values()) or ()]
    if not before:
        return None
    errors = (comparison.draws - comparison.draws.mean(axis=0)) / comparison.weights[:, None]
    errors = errors * comparison.expansion[:, None]
    return _outcome(comparison.scores.mean(axis=0) - float(np.mean(before)), errors.mean(axis=1))


def _losses(comparison: Comparison) -> Outcome | None:
    losses = all_known(control_loss(one) for one in comparison.configurations)
    if not losses:
        return None
    return _outcome(np.array(losses), comparison.losses - comparison.losses.mean(axis=0))


def _outcome(values: np.ndarray, errors: np.ndarray) -> Outcome | None:
    """Return an outcome; None where rows are of one group, whose resamples show no error."""
    return Outcome(values, errors) if np.isfinite(errors).all() else None


def _pick(outcome: Outcome | None, known: list[int]) -> Outcome | None:
    return outcome and Outcome(outcome.values[known], outcome.errors[:, known])


def effects_of(
    settings: Sequence[Settings], gains: Outcome | None, losses: Outcome | None
) -> list[Effect]:
    """Return the effects of all axes that vary over `settings`, in the order of `AXES`.

    The outcomes are of the same K configurations; an outcome of None was not measured. p-values
    are adjusted over the axes by Holm's method, those of gains and of losses apart.
    """
    factors = read_factors(settings)
    design = _design(factors, len(settings))
    found: list[Effect] = []
    for factor in factors:
        separable = _separable(factor, factors, design)
        measured = gains is not None and separable
        found.append(
            {
                "axis": factor.axis,
                "among": factor.among,
                "values": factor.values,
                "configurations": np.bincount(factor.level[factor.members]).tolist(),
                "gain": _effect(factor, factors, design, gains) if gains and separable else None,
                "loss": _effect(factor, factors, design, losses) if losses and separable else None,
                "note": _note(factor, settings, separable, measured),
            }
        )
    _adjust([effect["gain"] for effect in found if effect["gain"]])
    _adjust([effect["loss"] for effect in found if effect["loss"]])
    return found


def _adjust(tested: list[OutcomeEffect]) -> None:
    """Fill in what depends on the other hyperparameters' p-values."""
    for one, p in zip(tested, holm([effect["p"] for effect in tested]), strict=True):
        one["p_holm"], one["distinguishable"] = p, p <= ALPHA


def read_factors(settings: Sequence[Settings]) -> list[Factor]:
    """Return what varies over the configurations.

    An axis of which two methods share no value, such as learning rates of LoRA and of full
    training, or an axis that one method has alone, is a factor of its own among each method:
    its effect cannot be told from the method's.
    """
    found = []
    for axis in AXES:
        apart = _methods_apart(settings, axis) if axis != "method" else []
        methods: Sequence[str | None] = apart or [None]
        for among in methods:
            own = [one[axis] if among in (None, one["method"]) else None for one in settings]
            values = _ordered(own)
            if len(values) > 1:
                level = [-1 if value is None else values.index(value) for value in own]
                found.append(Factor(axis, among, values, np.array(level)))
    return found


def _methods_apart(settings: Sequence[Settings], axis: str) -> list[str]:
    """Return the methods, if there are several and no two share a value of the axis."""
    values: dict[str, set[Any]] = {}
    for one in settings:
        values.setdefault(one["method"], set()).update({one[axis]} - {None})
    shared = len(set().union(*values.values())) < sum(map(len, values.values()))
    return [] if len(values) < 2 or shared else list(values)


def _ordered(values: Sequence[Any]) -> list[Any]:
    """Return the values that there are: numbers from small to large, others as they come."""
    found = list(dict.fromkeys(value for value in values if value is not None))
    return found if any(isinstance(value, str) for value in found) else sorted(found)


def _design(factors: Sequence[Factor], count: int) -> np.ndarray:
    return np.hstack([np.ones((count, 1)), *(factor.columns for factor in factors)])


def _separable(factor: Factor, factors: Sequence[Factor], design: np.ndarray) -> bool:
    """Return whether the configurations tell all values of a factor apart from other factors."""
    without = _design([other for other in factors if other is not factor], len(design))
    ranks = [int(np.linalg.matrix_rank(matrix)) for matrix in (design, without)]
    return ranks[0] - ranks[1] == len(factor.values) - 1


def _note(factor: Factor, settings: Sequence[Settings], separable: bool, measured: bool) -> str:
    """Return what a reader must know of an effect beside its numbers."""
    if not separable:
        return "cannot be told apart from other hyperparameters"
    if not measured:
        return "needs the baseline and two groups of rows on every task"
    own = [
        AXES[axis]
        for axis in AXES
        if factor.axis == "method"
        and axis != "method"
        and _methods_apart(settings, axis)
        and all(one[axis] is not None for one in settings)
    ]
    return f"each method with values of its own for: {', '.join(own)}" if own else ""


def _effect(
    factor: Factor, factors: Sequence[Factor], design: np.ndarray, outcome: Outcome
) -> OutcomeEffect:
    """Return a factor's effect on an outcome, not yet adjusted over the factors."""
    start = 1 + sum(len(other.values) - 1 for other in factors[: factors.index(factor)])
    solved = np.linalg.pinv(design)
    effect = factor.coding @ solved[start : start + len(factor.values) - 1]  # (L, K)
    # What the model says, on average, of the factor's configurations with each value in turn.
    elsewhere = (design @ solved)[factor.members] - effect[factor.level[factor.members]]
    means = (effect + elsewhere.mean(axis=0)) @ outcome.values
    differences, errors = effect @ outcome.values, outcome.errors @ effect.T
    half = normal_quantile(1 - ALPHA / 2) * errors.std(axis=0, ddof=1)
    levels: list[Level] = [
        {
            "mean": _plain(mean),
            "difference": _plain(difference),
            "low": float(difference - width),
            "high": float(difference + width),
        }
        for mean, difference, width in zip(means, differences, half, strict=True)
    ]
    share, remaining = _shares(factor, factors, outcome.values)
    return {
        "levels": levels,
        **_largest(differences, errors),
        "p_holm": 1.0,
        "distinguishable": False,
        "share": share,
        "remaining": remaining,
    }


def _plain(value: float) -> float:
    """Return a number without the dust that least squares leaves beside 0."""
    return round(float(value), 12) + 0.0


def _largest(differences: np.ndarray, errors: np.ndarray) -> LargestDifference:
    """Return the largest difference between two values, its interval and its p-value.

    If all values were equal, the largest difference would be that of the errors alone: p is the
    share of resamples in which that is as large. The 95% interval is as wide as all differences
    between two values are held at once (Tukey's way, by the bootstrap), so that it excludes 0 where
    p is below 5%, although the largest was picked.
    """
    largest = float(np.ptp(differences))
    drawn = np.ptp(errors, axis=1)
    width = float(np.quantile(drawn, 1 - ALPHA))
    exceeded = int((drawn >= largest - 1e-12).sum())
    p = (1 + exceeded) / (1 + len(drawn))
    return {"largest": largest, "low": largest - width, "high": largest + width, "p": p}


def _shares(factor: Factor, factors: Sequence[Factor], values: np.ndarray) -> tuple[float, float]:
    """Return which share of the variance between configurations a factor explains, all others
    being in the model, and which share no factor does: interactions and noise."""
    total = float(np.square(values - values.mean()).sum())
    if total < 1e-20:
        return 0.0, 0.0
    rest = _unexplained(_design(factors, len(values)), values)
    without = [other for other in factors if other is not factor]
    gained = _unexplained(_design(without, len(values)), values) - rest
    return max(0.0, _plain(gained / total)), _plain(rest / total)


def _unexplained(design: np.ndarray, values: np.ndarray) -> float:
    """Return the sum of squares that least squares leaves."""
    return float(np.square(values - design @ (np.linalg.pinv(design) @ values)).sum())
