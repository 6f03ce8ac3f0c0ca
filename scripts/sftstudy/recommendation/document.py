"""The recommendation of one student, from first to last.

Only select scores, gates and costs choose. The confirm splits are read after that, for the chosen
configuration and the baseline alone, and decide whether its gain is proven.
"""

from typing import Any

import numpy as np

from sftstudy.recommendation.cells import BASE, Cells, ReadMetrics, ReadProvenance, Scores
from sftstudy.recommendation.judging import judge_baseline, judge_gains, mean_gain_of, read_gates
from sftstudy.recommendation.sensitivity import sensitivity
from sftstudy.recommendation.trials import (
    Comparison,
    Trial,
    compare,
    control_loss,
    front,
    leave_one_task_out,
    mean_gain,
    read_trials,
    select_gains,
)
from sftstudy.recommendation.verdicts import least_violating, next_steps, reasons, verdict, why_not

RULE = (
    "smallest maximum regret over the tasks among the feasible configurations (a task's regret is "
    "the best feasible score minus the configuration's, times the task's reliability); of those "
    "that are within one standard error of it, in maximum regret and on every task, the cheapest "
    "in training compute; of equal costs the smallest maximum regret"
)
_PARTS = ("model", "training")  # of a recipe; the rest of it says whose it is


def recommend(
    plan: dict[str, Any], read_metrics: ReadMetrics, read_provenance: ReadProvenance
) -> dict[str, Any]:
    """Return the recommendation document of a student; its fields are in docs/statistics.md.

    Args:
        plan: ``student``, ``source``, ``tasks``, ``controls``, ``trials`` (task -> trial ids),
            ``gates``, ``seed``, ``resamples``.
        read_metrics: (variant, evalset) -> the parsed metrics file, None where there is none.
        read_provenance: variant -> the parsed provenance of a checkpoint, None where there is none.
    """
    cells, tasks = Cells(read_metrics, read_provenance), plan["tasks"]
    base = {task: cells.scores(BASE, f"{task}.val") for task in tasks}
    baseline_gates, gates = judge_baseline(read_gates(plan), cells)
    trials = read_trials(plan, cells, gates)
    comparison = compare(trials, tasks, gates, cells, plan["resamples"], plan["seed"])
    index = comparison.choice.chosen if comparison else None
    chosen = None if index is None else comparison.trials[index]
    least = None if chosen else least_violating(trials)
    shown = chosen.name if chosen else least["trial"] if least else None
    select = judge_gains(cells, tasks, shown, "val") if shown else dict.fromkeys(tasks)
    # From here on nothing is chosen any more.
    confirm = judge_gains(cells, tasks, shown, "test") if shown else dict.fromkeys(tasks)
    verdict_ = verdict(baseline_gates, chosen, confirm)
    pareto = front(trials, base)
    return {
        "schema": 1,
        **{key: plan[key] for key in ("student", "source", "seed", "resamples")},
        "verdict": verdict_,
        "reasons": reasons(verdict_, baseline_gates, trials, chosen, confirm, least),
        "next_steps": next_steps(verdict_, chosen, confirm, least),
        "revision": _revision(cells, tasks, shown),
        "chosen": chosen.name if chosen else None,
        "least_violating": least | _config(cells, tasks, least["trial"]) if least else None,
        **(
            _config(cells, tasks, chosen.name) if chosen else {"config": None, "config_by_task": {}}
        ),
        "tasks": tasks,
        "controls": plan["controls"],
        "primary": {task: _primary(task, base, trials) for task in tasks},
        "baseline": {
            "select": {task: base[task].estimate if base[task] else None for task in tasks},
            "gates": baseline_gates,
        },
        "configurations": [
            _configuration(trial, tasks, base, comparison, pareto, cells) for trial in trials
        ],
        "selection": _selection(comparison, tasks),
        "gains": {"select": select, "confirm": confirm, "mean": mean_gain_of(confirm)},
        "leave_one_task_out": leave_one_task_out(comparison, tasks) if comparison else [],
        "sensitivity": sensitivity(comparison, gates, cells),
        "pareto": pareto,
        "costs": _costs(trials, chosen, cells, tasks),
        "missing": [
            {"variant": variant, "evalset": evalset or None, "reason": reason}
            for (variant, evalset), reason in sorted(cells.missing.items())
        ],
    }


def _primary(task: str, base: dict[str, Scores | None], trials: list[Trial]) -> str | None:
    measured = [base[task], *(trial.select[task] for trial in trials)]
    return next((scores.metric for scores in measured if scores is not None), None)


def _revision(cells: Cells, tasks: list[str], trial: str | None) -> str | None:
    """Return the student's commit; None without one, or where tasks started from different ones."""
    found = {cells.base_revision(f"{task}/{trial}") for task in tasks} if trial else set()
    return found.pop() if len(found) == 1 else None


def _config(cells: Cells, tasks: list[str], trial: str) -> dict[str, Any]:
    """Return the recipe fields that all tasks share, and by task those that differ."""
    recipes = {task: cells.recipe(f"{task}/{trial}") or {} for task in tasks}
    recipes = {
        task: {field: value for part in _PARTS for field, value in recipe.get(part, {}).items()}
        for task, recipe in recipes.items()
    }
    fields = dict.fromkeys(field for recipe in recipes.values() for field in recipe)
    shared, by_task = {}, {task: {} for task in tasks}
    for field in fields:
        values = [recipe.get(field) for recipe in recipes.values()]
        if all(value == values[0] for value in values):
            shared[field] = values[0]
        else:
            for task, value in zip(tasks, values, strict=True):
                by_task[task][field] = value
    return {"config": shared, "config_by_task": by_task}


def _configuration(
    trial: Trial,
    tasks: list[str],
    base: dict[str, Scores | None],
    comparison: Comparison | None,
    pareto: list[str],
    cells: Cells,
) -> dict[str, Any]:
    document = {
        "trial": trial.name,
        "status": trial.status,
        "all_gates_proven": trial.complete
        and all(gate["evidence"] == "proven" for gate in trial.gates),
        "select": {task: cell.estimate if cell else None for task, cell in trial.select.items()},
        "gain": select_gains(trial, base),
        "mean_gain": mean_gain(trial, base),
        "regret": dict.fromkeys(tasks),
        "max_regret": None,
        "max_regret_se": None,
        "within_one_se": False,
        "control_loss": control_loss(trial),
        "train_flops": trial.train_flops,
        "selection_probability": 0.0,
        "pareto": trial.name in pareto,
        "gates": trial.gates,
    }
    if comparison and trial in comparison.trials:
        index, choice = comparison.trials.index(trial), comparison.choice
        document["selection_probability"] = float(comparison.probability[index])
        if choice.best is not None:
            document |= {
                "regret": dict(zip(tasks, map(float, choice.regret[:, index]), strict=True)),
                "max_regret": float(choice.max_regret[index]),
                "max_regret_se": float(choice.standard_error[index]),
                "within_one_se": index in choice.tied,
            }
    chosen = None
    if comparison and comparison.choice.chosen is not None:
        chosen = comparison.trials[comparison.choice.chosen]
    return document | {"why_not": why_not(trial, document, chosen, cells.missing)}


def _selection(comparison: Comparison | None, tasks: list[str]) -> dict[str, Any]:
    if comparison is None:
        nothing = dict.fromkeys(("best", "best_max_regret", "none_feasible_probability"))
        return {"rule": RULE, **nothing, "tied": [], "reliability": dict.fromkeys(tasks)}
    choice = comparison.choice
    best = choice.best
    return {
        "rule": RULE,
        "best": None if best is None else comparison.trials[best].name,
        "best_max_regret": None if best is None else float(choice.max_regret[best]),
        "tied": [comparison.trials[index].name for index in choice.tied],
        "none_feasible_probability": comparison.none_feasible,
        "reliability": dict(zip(tasks, map(float, comparison.weights), strict=True)),
    }


def _costs(
    trials: list[Trial], chosen: Trial | None, cells: Cells, tasks: list[str]
) -> dict[str, Any]:
    variants = {
        f"{task}/{trial.name}": cells.train_flops(f"{task}/{trial.name}")
        for trial in trials
        for task in tasks
        if (f"{task}/{trial.name}", "") not in cells.missing
    }
    known = [flops for flops in variants.values() if flops is not None]
    return {
        "train_flops_total": float(np.sum(known)),
        "train_flops_chosen": chosen.train_flops if chosen else None,
        "train_flops_unknown": [name for name, flops in variants.items() if flops is None],
        "by_trial": {trial.name: trial.train_flops for trial in trials},
    }
