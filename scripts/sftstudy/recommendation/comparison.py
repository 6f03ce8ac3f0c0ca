"""The choice among the complete configurations, and how firm it is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sftstudy.documents.recommendation import LeftOut
from sftstudy.recommendation.cells import Cells, align
from sftstudy.recommendation.configurations import Complete, Configuration
from sftstudy.recommendation.judging import Gate
from sftstudy.recommendation.selection import (
    Choice,
    choose,
    reliability,
    selection_probabilities,
)
from sftstudy.statistics.distributions import normal_quantile, t_quantile
from sftstudy.statistics.resampling import bootstrap_means
from sftstudy.study.variants import BASE


@dataclass(frozen=True, eq=False)
class Comparison:
    """The complete configurations (K) side by side; arrays are indexed like them.

    Attributes:
        scores: Shape (T, K), the means on the select splits.
        draws: Shape (B, T, K), the reliability times the scores in B resamples of the rows.
        expansion: Shape (T,), by how much errors of the draws are too small for the tasks' rows.
        losses: Shape (B, K), the control loss in each resample, with expanded errors.
        weights: Shape (T,), the tasks' reliability.
        probability: Shape (K,), how often each is chosen over the resamples.
        none_feasible: In which share of the resamples none can be.
    """

    configurations: list[Complete]
    scores: np.ndarray
    draws: np.ndarray
    expansion: np.ndarray
    losses: np.ndarray
    weights: np.ndarray
    choice: Choice
    probability: np.ndarray
    none_feasible: float

    @property
    def chosen(self) -> Complete | None:
        """The configuration to recommend; None where none is feasible."""
        index = self.choice.chosen
        return None if index is None else self.configurations[index]

    @property
    def weighted(self) -> np.ndarray:
        """The scores times the tasks' reliability, shape (T, K)."""
        return self.scores * self.weights[:, None]

    @property
    def costs(self) -> list[float]:
        """The training compute of each configuration; infinite where it is not known."""
        return _costs(self.configurations)


def compare(
    configurations: Sequence[Configuration],
    tasks: Sequence[str],
    gates: Sequence[Gate],
    cells: Cells,
    resamples: int,
    seed: int,
) -> Comparison | None:
    """Choose among the complete configurations; None when there is none."""
    complete = [one for one in configurations if isinstance(one, Complete)]
    if not complete:
        return None
    scores, draws, expansions = _select_scores(complete, tasks, resamples, seed)
    feasible = np.array([one.feasible for one in complete])
    costs = _costs(complete)
    weights = reliability(draws)
    draws = draws * weights[:, None]
    choice = choose(scores * weights[:, None], feasible, costs, draws)
    feasible_draws, losses = _control_draws(complete, gates, cells, resamples, seed)
    probability, none_feasible = selection_probabilities(
        draws, feasible_draws, costs, choice.standard_error
    )
    return Comparison(
        complete, scores, draws, expansions, losses, weights, choice, probability, none_feasible
    )


def _costs(complete: Sequence[Complete]) -> list[float]:
    return [np.inf if one.train_flops is None else one.train_flops for one in complete]


def _select_scores(
    complete: Sequence[Complete], tasks: Sequence[str], resamples: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean scores (T, K) and their draws (B, T, K), rows paired over configurations.

    Last the expansion of each task's draws, (T,).
    """
    scores, draws, expansions = [], [], []
    for index, task in enumerate(tasks):
        values, codes = align([one.select[task] for one in complete])
        scores.append(values.mean(axis=0))
        draws.append(bootstrap_means(values, codes, resamples, seed + index))
        expansions.append(_expansion(codes))
    return np.array(scores), np.stack(draws, axis=1), np.array(expansions)


def _expansion(codes: np.ndarray) -> float:
    """Return by which factor errors of bootstrap means are too small for the number of groups.

    With it intervals are as wide as t intervals, which few groups need (Hesterberg 2015, "expanded
    percentile interval"). The number is Kish's effective one; infinite for a single group, whose
    resamples show nothing.
    """
    groups = 1 / np.square(np.bincount(codes) / len(codes)).sum()
    if groups < 1 + 1e-9:
        return math.inf
    quantile = t_quantile(0.975, max(1.0, groups - 1)) / normal_quantile(0.975)
    return float(quantile * math.sqrt(groups / (groups - 1)))


def _control_draws(
    complete: Sequence[Complete],
    gates: Sequence[Gate],
    cells: Cells,
    resamples: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return whether each passes all gates, and its control loss, in each resample, both (B, K)."""
    feasible = np.ones((resamples, len(complete)), dtype=bool)
    losses = np.full((resamples, len(complete)), -np.inf)
    for index, gate in enumerate(gates):
        values, codes = control_outcomes(complete, gate, cells)
        means = bootstrap_means(values, codes, resamples, seed + 1000 + index)
        feasible &= pass_on_all_tasks(complete, gate, means)
        baseline = values[:, _checkpoints(complete) :].mean(axis=0)
        if baseline.size and baseline.all():
            wide = values.mean(axis=0) + _expansion(codes) * (means - values.mean(axis=0))
            losses = np.maximum(losses, _largest_loss(wide, baseline, complete))
    return feasible, losses


def _largest_loss(
    means: np.ndarray, baseline: np.ndarray, complete: Sequence[Complete]
) -> np.ndarray:
    """Return the largest loss over the tasks of each configuration, as shares of `baseline`.

    `means` (B, columns) are those of `control_outcomes`, `baseline` the rates of its last columns;
    the result is (B, K).
    """
    checkpoints = _checkpoints(complete)
    losses = (means[:, checkpoints:] - means[:, :checkpoints]) / baseline
    return np.asarray(losses.reshape(len(means), len(complete), -1).max(axis=-1))


def _checkpoints(complete: Sequence[Complete]) -> int:
    return sum(len(one.select) for one in complete)


def control_outcomes(
    complete: Sequence[Complete], gate: Gate, cells: Cells
) -> tuple[np.ndarray, np.ndarray]:
    """Return the outcomes on a gate's control, one column per checkpoint, and the groups' codes.

    First the checkpoints of the first configuration, in the order of the tasks, and so on; last
    the baseline, if it was measured: the gates that need it are judged with it alone. Where some
    checkpoints are judged by others than the rest, there is a baseline for each, judged as it is.
    """
    columns = [one.controls[task, gate.control] for one in complete for task in one.select]
    metrics = [scores.metric for scores in columns]
    alike = list(dict.fromkeys(metrics))
    bases = [
        cells.scores(BASE, gate.control, metric)
        for metric in (alike if len(alike) == 1 else metrics)
    ]
    return align([*columns, *(base for base in bases if base)])


def pass_on_all_tasks(complete: Sequence[Complete], gate: Gate, means: np.ndarray) -> np.ndarray:
    """Return which configurations pass a gate on every task's checkpoint, shape (..., K).

    `means` (..., columns) are those of the columns of `control_outcomes`.
    """
    checkpoints = _checkpoints(complete)
    passed = gate.passes(means[..., :checkpoints], baseline=means[..., checkpoints:])
    by_task = passed.reshape(*means.shape[:-1], len(complete), -1)
    return np.asarray(by_task.all(axis=-1))


def leave_one_task_out(comparison: Comparison, tasks: Sequence[str]) -> list[LeftOut]:
    """Return what would have been chosen without each task, and what that costs on it.

    The task stands for the next one, on which nobody tunes. Its gates and scores are left out of
    the choice; the regret is against the best configuration that this choice could have taken.
    """
    if len(tasks) < 2:
        return []
    results: list[LeftOut] = []
    for index, left_out in enumerate(tasks):
        kept = [number for number in range(len(tasks)) if number != index]
        feasible = np.array(
            [
                all(gate["passes"] for gate in one.gates if gate["task"] != left_out)
                for one in comparison.configurations
            ]
        )
        chosen = choose(
            comparison.weighted[kept], feasible, comparison.costs, comparison.draws[:, kept]
        ).chosen
        name = regret = None
        if chosen is not None:
            name = comparison.configurations[chosen].name
            there = comparison.scores[index]
            regret = float(there[feasible].max() - there[chosen])
        results.append({"left_out": left_out, "chosen": name, "regret": regret})
    return results
