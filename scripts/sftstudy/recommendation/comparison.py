"""The choice among the complete configurations, and how firm it is."""

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
from sftstudy.statistics.resampling import bootstrap_means
from sftstudy.study.variants import BASE


@dataclass(frozen=True, eq=False)
class Comparison:
    """The complete configurations (K) side by side; arrays are indexed like them.

    Attributes:
        scores: Shape (T, K), the means on the select splits.
        draws: Shape (B, T, K), the reliability times the scores in B resamples of the rows.
        weights: Shape (T,), the tasks' reliability.
        probability: Shape (K,), how often each is chosen over the resamples.
        none_feasible: In which share of the resamples none can be.
    """

    configurations: list[Complete]
    scores: np.ndarray
    draws: np.ndarray
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
    scores, draws = _select_scores(complete, tasks, resamples, seed)
    feasible = np.array([one.feasible for one in complete])
    costs = _costs(complete)
    weights = reliability(draws)
    draws = draws * weights[:, None]
    choice = choose(scores * weights[:, None], feasible, costs, draws)
    feasible_draws = _feasible_draws(complete, gates, cells, resamples, seed)
    probability, none_feasible = selection_probabilities(
        draws, feasible_draws, costs, choice.standard_error
    )
    return Comparison(complete, scores, draws, weights, choice, probability, none_feasible)


def _costs(complete: Sequence[Complete]) -> list[float]:
    return [np.inf if one.train_flops is None else one.train_flops for one in complete]


def _select_scores(
    complete: Sequence[Complete], tasks: Sequence[str], resamples: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean scores (T, K) and their draws (B, T, K), rows paired over configurations."""
    scores, draws = [], []
    for index, task in enumerate(tasks):
        values, codes = align([one.select[task] for one in complete])
        scores.append(values.mean(axis=0))
        draws.append(bootstrap_means(values, codes, resamples, seed + index))
    return np.array(scores), np.stack(draws, axis=1)


def _feasible_draws(
    complete: Sequence[Complete],
    gates: Sequence[Gate],
    cells: Cells,
    resamples: int,
    seed: int,
) -> np.ndarray:
    """Return whether each passes all gates in each resample of the controls, (B, K)."""
    feasible = np.ones((resamples, len(complete)), dtype=bool)
    for index, gate in enumerate(gates):
        values, codes = control_outcomes(complete, gate, cells)
        means = bootstrap_means(values, codes, resamples, seed + 1000 + index)
        feasible &= pass_on_all_tasks(complete, gate, means)
    return feasible


def control_outcomes(
    complete: Sequence[Complete], gate: Gate, cells: Cells
) -> tuple[np.ndarray, np.ndarray]:
    """Return the outcomes on a gate's control, one column per checkpoint, and the groups' codes.

    First the checkpoints of the first configuration, in the order of the tasks, and so on; last
    the baseline, if it was measured: the gates that need it are judged with it alone.
    """
    columns = [one.controls[task, gate.control] for one in complete for task in one.select]
    base = cells.scores(BASE, gate.control, gate.metric)
    return align([*columns, base] if base else columns)


def pass_on_all_tasks(complete: Sequence[Complete], gate: Gate, means: np.ndarray) -> np.ndarray:
    """Return which configurations pass a gate on every task's checkpoint, shape (..., K).

    `means` (..., columns) are those of the columns of `control_outcomes`.
    """
    checkpoints = sum(len(one.select) for one in complete)
    passed = gate.passes(means[..., :checkpoints], baseline=means[..., -1:])
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
