"""What was measured of every configuration of a student, and the choice that follows from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sftstudy.recommendation.cells import BASE, Cells, Scores, align
from sftstudy.recommendation.judging import Gate, judge_gate
from sftstudy.recommendation.selection import (
    Choice,
    choose,
    pareto_front,
    reliability,
    selection_probabilities,
)
from sftstudy.statistics.resampling import bootstrap_means


@dataclass(frozen=True, eq=False)  # arrays have no truth value: compare by identity
class Trial:
    """One configuration over all tasks; missing cells are None."""

    name: str
    select: dict[str, Scores | None]
    controls: dict[tuple[str, str], Scores | None]  # (task, control) -> scores
    gates: list[dict[str, Any]]
    train_flops: float | None

    @property
    def complete(self) -> bool:
        """Every cell that the choice needs was measured."""
        cells = [*self.select.values(), *self.controls.values()]
        return all(cell is not None for cell in cells) and all(
            gate["evidence"] != "missing" for gate in self.gates
        )

    @property
    def feasible(self) -> bool:
        """Every gate is passed on every task's checkpoint, and nothing is missing."""
        return self.complete and all(gate["passes"] for gate in self.gates)

    @property
    def status(self) -> str:
        """``feasible``, ``infeasible`` or ``incomplete``."""
        return "incomplete" if not self.complete else "feasible" if self.feasible else "infeasible"


def read_trials(plan: dict[str, Any], cells: Cells, gates: Sequence[Gate]) -> list[Trial]:
    """Return every configuration that some task has, in the plan's order."""
    tasks = plan["tasks"]
    names = list(dict.fromkeys(name for task in tasks for name in plan["trials"][task]))
    return [_read_trial(name, plan, cells, gates) for name in names]


def _read_trial(name: str, plan: dict[str, Any], cells: Cells, gates: Sequence[Gate]) -> Trial:
    select, controls, judged, flops = {}, {}, [], []
    for task in plan["tasks"]:
        variant = f"{task}/{name}"
        if name not in plan["trials"][task]:
            cells.missing[variant, ""] = f"the search space of {task} has no such trial"
            select[task] = None
            continue
        select[task] = cells.scores(variant, f"{task}.val")
        flops.append(cells.train_flops(variant))
        for gate in gates:
            tuned = cells.scores(variant, gate.control, gate.metric)
            controls[task, gate.control] = tuned
            base = cells.scores(BASE, gate.control, gate.metric)
            judged.append(judge_gate(gate, task, tuned, base))
    total = None if None in flops else sum(flops)
    return Trial(name, select, controls, judged, total)


@dataclass(frozen=True)
class Comparison:
    """The choice among the complete configurations, and how firm it is.

    `trials` are the complete ones (K); arrays are indexed like them. `scores` (T, K) are the means
    on the select splits, `weights` (T,) the tasks' reliability, `draws` (B, T, K) the reliability
    times the scores in B resamples of the rows.
    """

    trials: list[Trial]
    scores: np.ndarray
    draws: np.ndarray
    weights: np.ndarray
    choice: Choice
    probability: np.ndarray
    none_feasible: float

    @property
    def costs(self) -> list[float]:
        """The training compute of each configuration; infinite where it is not known."""
        return _costs(self.trials)


def compare(
    trials: Sequence[Trial],
    tasks: Sequence[str],
    gates: Sequence[Gate],
    cells: Cells,
    resamples: int,
    seed: int,
) -> Comparison | None:
    """Choose among the complete configurations; None when there is none."""
    complete = [trial for trial in trials if trial.complete]
    if not complete:
        return None
    scores, draws = _select_scores(complete, tasks, resamples, seed)
    feasible = np.array([trial.feasible for trial in complete])
    costs = _costs(complete)
    weights = reliability(draws)
    draws = draws * weights[:, None]
    choice = choose(scores * weights[:, None], feasible, costs, draws)
    feasible_draws = _feasible_draws(complete, tasks, gates, cells, resamples, seed)
    probability, none_feasible = selection_probabilities(
        draws, feasible_draws, costs, choice.standard_error
    )
    return Comparison(complete, scores, draws, weights, choice, probability, none_feasible)


def _costs(trials: Sequence[Trial]) -> list[float]:
    return [np.inf if trial.train_flops is None else trial.train_flops for trial in trials]


def _select_scores(
    trials: Sequence[Trial], tasks: Sequence[str], resamples: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean scores (T, K) and their bootstrap draws (B, T, K), rows paired over trials."""
    scores, draws = [], []
    for index, task in enumerate(tasks):
        values, codes = align([trial.select[task] for trial in trials])
        scores.append(values.mean(axis=0))
        draws.append(bootstrap_means(values, codes, resamples, seed + index))
    return np.array(scores), np.stack(draws, axis=1)


def _feasible_draws(
    trials: Sequence[Trial],
    tasks: Sequence[str],
    gates: Sequence[Gate],
    cells: Cells,
    resamples: int,
    seed: int,
) -> np.ndarray:
    """Return whether each trial passes all gates in each resample of the controls, (B, K)."""
    feasible = np.ones((resamples, len(trials)), dtype=bool)
    for index, gate in enumerate(gates):
        columns = [trial.controls[task, gate.control] for trial in trials for task in tasks]
        base = cells.scores(BASE, gate.control, gate.metric)
        values, codes = align([*columns, base] if base else columns)
        means = bootstrap_means(values, codes, resamples, seed + 1000 + index)
        tuned = means[:, : len(columns)]
        if gate.above is not None:
            passes = tuned > gate.above + 1e-6
        else:
            passes = tuned >= gate.min_ratio_to_baseline * means[:, [-1]] - 1e-6
        feasible &= passes.reshape(resamples, len(trials), len(tasks)).all(axis=2)
    return feasible


def leave_one_task_out(comparison: Comparison, tasks: Sequence[str]) -> list[dict[str, Any]]:
    """Return what would have been chosen without each task, and what that costs on it.

    The task stands for the next one, on which nobody tunes. Its gates and scores are left out of
    the choice; the regret is against the best configuration that this choice could have taken.
    """
    if len(tasks) < 2:
        return []
    results = []
    for index, left_out in enumerate(tasks):
        kept = [number for number in range(len(tasks)) if number != index]
        feasible = np.array(
            [
                all(gate["passes"] for gate in trial.gates if gate["task"] != left_out)
                for trial in comparison.trials
            ]
        )
        chosen = choose(
            (comparison.scores * comparison.weights[:, None])[kept],
            feasible,
            comparison.costs,
            comparison.draws[:, kept],
        ).chosen
        regret = None
        if chosen is not None:
            there = comparison.scores[index]
            regret = float(there[feasible].max() - there[chosen])
        name = None if chosen is None else comparison.trials[chosen].name
        results.append({"left_out": left_out, "chosen": name, "regret": regret})
    return results


def control_loss(trial: Trial) -> float | None:
    """Return the largest relative loss of a control over the tasks; negative where all gained."""
    if not trial.complete:
        return None
    losses = [
        (gate["baseline"] - gate["value"]) / gate["baseline"]
        for gate in trial.gates
        if gate["baseline"]
    ]
    return max(losses, default=None)


def mean_gain(trial: Trial, base: dict[str, Scores | None]) -> float | None:
    """Return the mean over tasks of tuned minus baseline on the select splits."""
    gains = list(select_gains(trial, base).values())
    return None if None in gains or not gains else float(np.mean(gains))


def select_gains(trial: Trial, base: dict[str, Scores | None]) -> dict[str, float | None]:
    """Return tuned minus baseline on each select split; None where one is missing."""
    return {
        task: tuned.estimate["value"] - base[task].estimate["value"]
        if tuned is not None and base[task] is not None
        else None
        for task, tuned in trial.select.items()
    }


def front(trials: Sequence[Trial], base: dict[str, Scores | None]) -> list[str]:
    """Return the names of the trials on the front of mean gain against control loss."""
    gains = [mean_gain(trial, base) for trial in trials]
    losses = [control_loss(trial) for trial in trials]
    on_front = pareto_front(np.array(gains, dtype=float), np.array(losses, dtype=float))
    return [trial.name for trial, member in zip(trials, on_front, strict=True) if member]
