"""The choice of a configuration, from select scores, gates and costs alone.

`choose` makes it before replicates are trained, `recommend` makes it again and goes on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sftstudy.documents.choice import Choice
from sftstudy.documents.plan import RecommendationPlan
from sftstudy.documents.recommendation import BaselineGate
from sftstudy.errors import StudyError
from sftstudy.recommendation.cells import Cells, Scores
from sftstudy.recommendation.comparison import Comparison, compare
from sftstudy.recommendation.configurations import Complete, Configuration, read_configurations
from sftstudy.recommendation.judging import Gate, judge_baseline, read_gates
from sftstudy.study.variants import BASE

SCHEMA = 1


@dataclass(frozen=True, eq=False)
class Chosen:
    """The choice, and all that it rests on.

    Attributes:
        base: Task -> the baseline's scores on its val split.
        baseline_gates: How the baseline stands at the gates.
        gates: The gates as the trials are held to them.
        configurations: All of them, judged by their one run.
        comparison: The complete ones side by side; None where there is none.
    """

    base: Mapping[str, Scores | None]
    baseline_gates: list[BaselineGate]
    gates: list[Gate]
    configurations: list[Configuration]
    comparison: Comparison | None

    @property
    def configuration(self) -> Complete | None:
        """The configuration that is chosen; None where none is feasible."""
        return self.comparison.chosen if self.comparison else None


def choose_configuration(plan: RecommendationPlan, cells: Cells) -> Chosen:
    """Choose a configuration; no cell of a confirm split is read."""
    tasks = plan["tasks"]
    base = {task: cells.scores(BASE, f"{task}.val") for task in tasks}
    baseline_gates, gates = judge_baseline(read_gates(plan), cells)
    configurations = read_configurations(plan, cells, gates)
    comparison = compare(configurations, tasks, gates, cells, plan["resamples"], plan["seed"])
    return Chosen(base, baseline_gates, gates, configurations, comparison)


def require_same(choice: Choice, chosen: str | None, file: Path) -> None:
    """Raise `StudyError` where the file of an earlier choice names another configuration.

    Its replicates were trained, and say nothing of the one that is chosen now.
    """
    if choice["chosen"] != chosen:
        raise StudyError(
            f"{file}: found {choice['chosen']!r}, expected {chosen!r}, which the metrics choose "
            "now: the file was edited, or metrics have changed since; delete it and run again"
        )


def choice_document(plan: RecommendationPlan, cells: Cells) -> Choice:
    """Return the file that says what is chosen."""
    chosen = choose_configuration(plan, cells).configuration
    return {
        "schema": SCHEMA,
        "student": plan["student"],
        "chosen": chosen.name if chosen else None,
    }
