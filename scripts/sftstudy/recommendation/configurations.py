"""What was measured of every configuration of a student."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sftstudy.documents.plan import RecommendationPlan
from sftstudy.documents.recommendation import JudgedGate
from sftstudy.recommendation.cells import Cells, Scores, all_known
from sftstudy.recommendation.judging import Gate, judge_gate, scores_at, why_no_review
from sftstudy.recommendation.selection import pareto_front


@dataclass(frozen=True, eq=False)  # arrays have no truth value: compare by identity
class Configuration:
    """One configuration over all tasks. Missing cells are None.

    Attributes:
        select: Task -> scores on its val split.
        controls: (task, control) -> scores of the task's checkpoint.
        gates: The judged gates, of every checkpoint.
        train_flops: Compute of its trainings; None where one is not known.
    """

    name: str
    select: Mapping[str, Scores | None]
    controls: Mapping[tuple[str, str], Scores | None]
    gates: list[JudgedGate]
    train_flops: float | None

    @property
    def status(self) -> str:
        """``feasible``, ``infeasible`` or ``incomplete``."""
        return "incomplete"


@dataclass(frozen=True, eq=False)
class Complete(Configuration):
    """A configuration of which every cell that the choice needs was measured."""

    select: Mapping[str, Scores]
    controls: Mapping[tuple[str, str], Scores]

    @property
    def feasible(self) -> bool:
        """Every gate is passed on every task's checkpoint."""
        return all(gate["passes"] for gate in self.gates)

    @property
    def status(self) -> str:
        return "feasible" if self.feasible else "infeasible"


def read_configurations(
    plan: RecommendationPlan, cells: Cells, gates: Sequence[Gate]
) -> list[Configuration]:
    """Return every configuration that some task has, in the plan's order."""
    trials = plan["trials"]
    names = dict.fromkeys(name for task in plan["tasks"] for name in trials[task])
    return [_read(name, plan, cells, gates) for name in names]


def _read(
    name: str, plan: RecommendationPlan, cells: Cells, gates: Sequence[Gate]
) -> Configuration:
    select: dict[str, Scores | None] = {}
    controls: dict[tuple[str, str], Scores | None] = {}
    judged, flops = [], []
    for task in plan["tasks"]:
        variant = f"{task}/{name}"
        if name not in plan["trials"][task]:
            cells.missing[variant, ""] = f"the search space of {task} has no such trial"
            select[task] = None
            continue
        select[task] = cells.scores(variant, f"{task}.val")
        flops.append(cells.train_flops(variant))
        for gate in gates:
            (tuned,), base = scores_at(gate, cells, variant)
            controls[task, gate.control] = tuned
            why_not = why_no_review(cells, gate, variant)
            judged.append(judge_gate(gate, task, tuned, base, why_not))
    known = all_known(flops)
    total = None if known is None else sum(known)
    selected = {task: scores for task, scores in select.items() if scores}
    controlled = {key: scores for key, scores in controls.items() if scores}
    measured = len(selected) == len(select) and len(controlled) == len(controls)
    if measured and all(gate["evidence"] != "missing" for gate in judged):
        return Complete(name, selected, controlled, judged, total)
    return Configuration(name, select, controls, judged, total)


def control_loss(configuration: Configuration) -> float | None:
    """Return the largest relative loss of a control over the tasks; negative where all gained."""
    if not isinstance(configuration, Complete):
        return None
    losses = [
        (gate["baseline"] - gate["value"]) / gate["baseline"]
        for gate in configuration.gates
        if gate["baseline"] and gate["value"] is not None
    ]
    return max(losses, default=None)


def mean_gain(configuration: Configuration, base: Mapping[str, Scores | None]) -> float | None:
    """Return the mean over tasks of tuned minus baseline on the select splits."""
    known = all_known(select_gains(configuration, base).values())
    return float(np.mean(known)) if known else None


def select_gains(
    configuration: Configuration, base: Mapping[str, Scores | None]
) -> dict[str, float | None]:
    """Return tuned minus baseline on each select split; None where one is missing."""
    gains: dict[str, float | None] = {}
    for task, tuned in configuration.select.items():
        before = base[task]
        gains[task] = None
        if tuned is not None and before is not None:
            gains[task] = tuned.value - before.value
    return gains


def front(configurations: Sequence[Configuration], base: Mapping[str, Scores | None]) -> list[str]:
    """Return the names of those on the front of mean gain against control loss."""
    gains = [mean_gain(configuration, base) for configuration in configurations]
    losses = [control_loss(configuration) for configuration in configurations]
    on_front = pareto_front(np.array(gains, dtype=float), np.array(losses, dtype=float))
    return [one.name for one, member in zip(configurations, on_front, strict=True) if member]
