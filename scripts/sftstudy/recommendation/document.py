"""The recommendation of one student, from first to last.

Only select scores, gates and costs choose. The confirm splits are read after that, for the chosen
configuration, its replicates and the baseline alone: those of the tasks trained on decide whether
the gain is proven, those of the others tell its side effects.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sftstudy.documents.duplicates import Duplicates
from sftstudy.documents.metrics import Estimate
from sftstudy.documents.plan import RecommendationPlan
from sftstudy.documents.recommendation import (
    Costs,
    JudgedConfiguration,
    MissingCell,
    Recommendation,
    Selection,
    Shown,
    Standing,
    TaskGain,
    Values,
    Violation,
)
from sftstudy.recommendation.cells import Cells, ReadMetrics, ReadProvenance, Scores, all_known
from sftstudy.recommendation.choosing import choose_configuration
from sftstudy.recommendation.comparison import Comparison, leave_one_task_out
from sftstudy.recommendation.configurations import (
    Complete,
    Configuration,
    control_loss,
    front,
    mean_gain,
    select_gains,
)
from sftstudy.recommendation.effects import main_effects
from sftstudy.recommendation.gains import judge_gains, mean_gain_of, with_duplicates_told
from sftstudy.recommendation.next_steps import next_steps
from sftstudy.recommendation.reasons import reasons
from sftstudy.recommendation.runs import NO_RUNS, judged_over_runs, read_runs
from sftstudy.recommendation.runs_told import runs_told
from sftstudy.recommendation.sensitivity import sensitivity
from sftstudy.recommendation.side_effects import side_effects
from sftstudy.recommendation.verdicts import least_violating, verdict, why_not
from sftstudy.study.variants import runs as runs_of

SCHEMA = 4
RULE = (
    "smallest maximum regret over the tasks among the feasible configurations (a task's regret is "
    "the best feasible score minus the configuration's, times the task's reliability); of those "
    "that are within one standard error of it, in maximum regret and on every task, the cheapest "
    "in training compute; of equal costs the smallest maximum regret"
)


def recommend(
    plan: RecommendationPlan,
    read_metrics: ReadMetrics,
    read_provenance: ReadProvenance,
    duplicates: Mapping[str, Duplicates],
) -> Recommendation:
    """Return the recommendation document of a student; its fields are in docs/statistics.md.

    Args:
        plan: what is to be compared.
        read_metrics: (variant, evalset) -> the parsed metrics file, None where there is none.
        read_provenance: variant -> the parsed provenance of a checkpoint, None where there is none.
        duplicates: task -> the duplicates of its data, where they are known.
    """
    cells, tasks = Cells(read_metrics, read_provenance), plan["tasks"]
    choice = choose_configuration(plan, cells)
    base, gates, configurations = choice.base, choice.gates, choice.configurations
    comparison, chosen = choice.comparison, choice.configuration
    least = None if chosen else least_violating(configurations)
    shown = _shown(chosen, least)
    select = _gains(cells, tasks, shown, "val")
    # From here on nothing is chosen any more.
    replicates = plan.get("replicates", 0) if chosen else 0
    confirm = _gains(cells, tasks, shown, "test", replicates)
    effects = []
    if shown:
        confirm = with_duplicates_told(confirm, cells, shown, duplicates, replicates)
        effects = side_effects(cells, tasks, plan["controls"], shown, replicates)
    judged, runs, told = None, NO_RUNS, list[str]()
    if chosen:
        judged = judged_over_runs(chosen, gates, cells, replicates)
        runs = read_runs(chosen, gates, cells, replicates)
        told = runs_told(runs, judged.gates, cells.missing)
    verdict_ = verdict(choice.baseline_gates, judged, confirm, bool(runs.missing))
    pareto = front(configurations, base)
    return {
        "schema": SCHEMA,
        "student": plan["student"],
        "source": plan["source"],
        "seed": plan["seed"],
        "resamples": plan["resamples"],
        "verdict": verdict_,
        "reasons": reasons(
            verdict_,
            choice,
            judged,
            confirm,
            effects,
            least,
            told,
        ),
        "next_steps": next_steps(
            verdict_, configurations, judged, confirm, effects, least, runs, cells.decodings()
        ),
        **_choice(cells, tasks, chosen, least),
        "tasks": tasks,
        "controls": plan["controls"],
        "primary": {task: _primary(task, base, configurations) for task in tasks},
        "baseline": {"select": _estimates(base), "gates": choice.baseline_gates},
        "configurations": [
            _over_runs(entry, judged) if one is chosen and judged else entry
            for one in configurations
            for entry in [_configuration(one, tasks, base, comparison, pareto, cells)]
        ],
        "selection": _selection(comparison, tasks),
        "gains": {"select": select, "confirm": confirm, "mean": mean_gain_of(confirm)},
        "side_effects": effects,
        "dropped": cells.dropped(),
        "decoding": cells.decodings(),
        "leave_one_task_out": leave_one_task_out(comparison, tasks) if comparison else [],
        "sensitivity": sensitivity(comparison, gates, cells),
        "effects": main_effects(comparison, base, cells),
        "pareto": pareto,
        "runs": runs.each,
        "spread": runs.spread,
        "costs": _costs(configurations, chosen, cells, tasks, replicates),
        "missing": _missing(cells),
    }


def _gains(
    cells: Cells, tasks: list[str], shown: str | None, split: str, replicates: int = 0
) -> dict[str, TaskGain | None]:
    return judge_gains(cells, tasks, shown, split, replicates) if shown else dict.fromkeys(tasks)


def _estimates(scores: Mapping[str, Scores | None]) -> dict[str, Estimate | None]:
    return {task: one.estimate if one else None for task, one in scores.items()}


def _primary(
    task: str, base: Mapping[str, Scores | None], configurations: Sequence[Configuration]
) -> str | None:
    measured = [base[task], *(one.select[task] for one in configurations)]
    return next((scores.metric for scores in measured if scores is not None), None)


def _choice(
    cells: Cells, tasks: list[str], chosen: Complete | None, least: Violation | None
) -> Shown:
    """Return what is recommended, or else the least violating configuration, with its values."""
    name = _shown(chosen, least)
    values: Values = {"config": {}, "config_by_task": {}}
    if name:
        values = _values(cells, tasks, name)
    return {
        "revision": _revision(cells, tasks, name),
        "chosen": chosen.name if chosen else None,
        "least_violating": {**least, **values} if least else None,
        "config": values["config"] if chosen else None,
        "config_by_task": values["config_by_task"] if chosen else {},
    }


def _shown(chosen: Complete | None, least: Violation | None) -> str | None:
    if chosen:
        return chosen.name
    return least["configuration"] if least else None


def _revision(cells: Cells, tasks: list[str], name: str | None) -> str | None:
    """Return the student's commit; None without one, or where tasks started from different ones."""
    found = {cells.base_revision(f"{task}/{name}") for task in tasks} if name else set()
    return found.pop() if len(found) == 1 else None


def _values(cells: Cells, tasks: list[str], name: str) -> Values:
    """Return the fields of the recipes that all tasks share, and by task those that differ."""
    recipes = {task: cells.recipe(f"{task}/{name}") for task in tasks}
    fields: dict[str, dict[str, Any]] = {
        task: {**recipe["model"], **recipe["training"]} if recipe else {}
        for task, recipe in recipes.items()
    }
    shared: dict[str, Any] = {}
    by_task: dict[str, dict[str, Any]] = {task: {} for task in tasks}
    for field in dict.fromkeys(field for found in fields.values() for field in found):
        values = [found.get(field) for found in fields.values()]
        if all(value == values[0] for value in values):
            shared[field] = values[0]
        else:
            for task, value in zip(tasks, values, strict=True):
                by_task[task][field] = value
    return {"config": shared, "config_by_task": by_task}


def _configuration(
    configuration: Configuration,
    tasks: list[str],
    base: Mapping[str, Scores | None],
    comparison: Comparison | None,
    pareto: list[str],
    cells: Cells,
) -> JudgedConfiguration:
    chosen = comparison.chosen if comparison else None
    standing = _standing(configuration, tasks, comparison)
    return {
        "configuration": configuration.name,
        "status": configuration.status,
        "all_gates_proven": isinstance(configuration, Complete)
        and all(gate["evidence"] == "proven" for gate in configuration.gates),
        "select": _estimates(configuration.select),
        "gain": select_gains(configuration, base),
        "mean_gain": mean_gain(configuration, base),
        **standing,
        "pareto": configuration.name in pareto,
        "gates": configuration.gates,
        "why_not": why_not(configuration, standing, chosen, cells.missing),
    }


def _over_runs(entry: JudgedConfiguration, judged: Complete) -> JudgedConfiguration:
    return {
        **entry,
        "gates": judged.gates,
        "all_gates_proven": all(gate["evidence"] == "proven" for gate in judged.gates),
    }


def _standing(
    configuration: Configuration, tasks: list[str], comparison: Comparison | None
) -> Standing:
    """Return how a configuration stands among the others: regrets, ties, loss, cost."""
    regret: dict[str, float | None] = dict.fromkeys(tasks)
    probability, largest, error, tied = 0.0, None, None, False
    if comparison and configuration in comparison.configurations:
        index, choice = comparison.configurations.index(configuration), comparison.choice
        probability = float(comparison.probability[index])
        if choice.best is not None:
            regret |= dict(zip(tasks, map(float, choice.regret[:, index]), strict=True))
            largest, error = float(choice.max_regret[index]), float(choice.standard_error[index])
            tied = index in choice.tied
    return {
        "regret": regret,
        "max_regret": largest,
        "max_regret_se": error,
        "within_one_se": tied,
        "control_loss": control_loss(configuration),
        "train_flops": configuration.train_flops,
        "selection_probability": probability,
    }


def _selection(comparison: Comparison | None, tasks: list[str]) -> Selection:
    if comparison is None:
        return {
            "rule": RULE,
            "best": None,
            "best_max_regret": None,
            "none_feasible_probability": None,
            "tied": [],
            "reliability": dict.fromkeys(tasks),
        }
    choice, names = comparison.choice, [one.name for one in comparison.configurations]
    best = choice.best
    return {
        "rule": RULE,
        "best": None if best is None else names[best],
        "best_max_regret": None if best is None else float(choice.max_regret[best]),
        "tied": [names[index] for index in choice.tied],
        "none_feasible_probability": comparison.none_feasible,
        "reliability": dict(zip(tasks, map(float, comparison.weights), strict=True)),
    }


def _costs(
    configurations: Sequence[Configuration],
    chosen: Complete | None,
    cells: Cells,
    tasks: list[str],
    replicates: int,
) -> Costs:
    variants = {
        f"{task}/{one.name}": cells.train_flops(f"{task}/{one.name}")
        for one in configurations
        for task in tasks
        if (f"{task}/{one.name}", "") not in cells.missing
    }
    of_replicates = {
        variant: cells.train_flops(variant)
        for task in tasks
        for variant in (runs_of(task, chosen.name, replicates)[1:] if chosen else [])
    }
    variants |= of_replicates
    known = [flops for flops in variants.values() if flops is not None]
    replicated = all_known(of_replicates.values())
    return {
        "train_flops_total": float(np.sum(known)),
        "train_flops_chosen": chosen.train_flops if chosen else None,
        "train_flops_replicates": None if replicated is None else sum(replicated),
        "train_flops_unknown": [name for name, flops in variants.items() if flops is None],
        "by_configuration": {one.name: one.train_flops for one in configurations},
    }


def _missing(cells: Cells) -> list[MissingCell]:
    return [
        {"variant": variant, "evalset": evalset or None, "reason": reason}
        for (variant, evalset), reason in sorted(cells.missing.items())
    ]
