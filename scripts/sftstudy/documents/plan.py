"""plan.json: what a study consists of, for the programs that summarise it."""

from pathlib import Path
from typing import Any, NotRequired, TypedDict

from sftstudy.documents.shapes import read


class Way(TypedDict):
    """A metric by which a gate can be judged."""

    metric: str
    by: str  # rules, judge or review


class GateRule(TypedDict):
    """What a control must not lose; one of `min_ratio_to_baseline` and `above` is there."""

    metric: str  # as in the metrics file
    by: NotRequired[str]  # whose verdicts that is over; of a control that can be judged
    otherwise: NotRequired[Way]  # of cells without a usable review
    min_ratio_to_baseline: NotRequired[float]
    above: NotRequired[float]


class PlannedStudent(TypedDict):
    """One student of the plan."""

    source: dict[str, Any]  # as the study file says it


class Plan(TypedDict):
    """The file."""

    study: str  # its name
    students: dict[str, PlannedStudent]
    tasks: list[str]
    controls: list[str]
    trials: dict[str, dict[str, list[str]]]  # student -> task -> trials
    space: NotRequired[dict[str, list[Any]]]  # search space, hyperparameter -> values
    lora_space: NotRequired[dict[str, list[Any]]]
    gates: dict[str, GateRule]  # by control
    limit: int | None  # most rows per split, in a study that only tries things out
    seed: int  # of splits, samples and resampling


class RecommendationPlan(TypedDict):
    """What the recommendation for one student needs to know, whoever else is studied."""

    student: str
    source: str  # its repository or folder, named in run files
    tasks: list[str]
    controls: list[str]
    trials: dict[str, list[str]]  # task -> trials
    gates: dict[str, GateRule]
    seed: int
    resamples: int  # of the bootstrap
    replicates: NotRequired[int]  # of the configuration that is chosen; without it none


def read_plan(path: Path) -> Plan:
    """Return the plan of a study."""
    return read(path, Plan)
