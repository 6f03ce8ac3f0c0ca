"""recommendations/{student}.json: which configuration to ship, with all numbers behind it.

docs/statistics.md defines the quantities. Where something was not measured it is null.
"""

from pathlib import Path
from typing import Any, NotRequired, TypedDict

from sftstudy.documents.decoding import Decoding
from sftstudy.documents.metrics import Estimate
from sftstudy.documents.shapes import read


class JudgedBy(TypedDict, total=False):
    """Whose verdicts a gate rests on; of a control that a judge or a person can be asked about."""

    by: str  # rules, judge or review
    read: int  # by review: replies that a person has read
    replies: int  # of so many
    instead_of: str  # whose verdicts the study file asks for, where there are none
    why: str  # there are none


class BaselineGate(JudgedBy):
    """How the untuned student stands at a gate."""

    control: str
    metric: str
    rule: str  # in words
    threshold: float | None  # that the value must be above; a relative gate has none here
    value: float | None
    n: int | None
    unsure: NotRequired[int | None]  # of these, counted as failed since the scorer cannot decide
    low: float | None  # ends of the 95% interval
    high: float | None
    passes: bool | None
    evidence: str  # proven, not proven, violated or missing
    only_just: bool  # proven or violated, but by little
    note: str


class JudgedGate(JudgedBy):
    """How a configuration's checkpoint of one task stands at a gate."""

    control: str
    metric: str
    task: str  # that the checkpoint was trained on
    rule: str  # in words
    threshold: float | None  # an absolute gate asks for more than it, a relative one for as much
    fallback: bool  # the baseline fails the gate itself, so this one asks for no less than it
    value: float | None
    baseline: float | None  # value of the untuned student
    n: int
    unsure: NotRequired[int | None]  # of these, counted as failed since the scorer cannot decide
    statistic: str  # of which `estimate` is: ratio (to the baseline's) or value
    passes: bool  # a missing cell is never a pass
    evidence: str  # proven, not proven, violated or missing
    only_just: bool  # proven or violated, but by little
    level: NotRequired[float]  # that p must not exceed; absent before there were replicates
    p: float | None  # one-sided, of the hypothesis that the gate is broken
    estimate: float | None
    low: float | None
    high: float | None
    more_samples: int | None  # further rows that would decide; 0: decided, null: none would
    runs_failing: NotRequired[int]  # by themselves, of several; such a gate is not proven
    note: str


class PairedGain(TypedDict):
    """Tuned minus baseline in paired rows."""

    value: float
    n: int
    groups: int
    se: float
    low: float
    high: float
    interval: str  # method
    test: str  # method
    p: float  # two-sided
    wins: int | None  # rows that only the tuned student gets right, where outcomes are right or not
    losses: int | None  # only the baseline


class WithoutDuplicates(TypedDict):
    """A gain over the test rows that have no duplicate among the train rows.

    The numbers are null where too few rows remain for a comparison.
    """

    exact: int  # rows left out that have an exact duplicate in train
    near: int  # further rows left out that have a near duplicate there
    value: float | None
    low: float | None
    high: float | None
    n: int  # rows that remain
    p: float | None  # two-sided
    p_holm: float | None  # adjusted over the tasks, each without its duplicates
    weaker: bool  # a gain that is not proven without them although it is with them, or much smaller


class TaskGain(PairedGain):
    """A configuration's gain on one task."""

    baseline: float  # mean over the same rows
    tuned: float
    p_holm: float  # adjusted over the tasks
    evidence: str  # proven, not proven or violated
    only_just: bool  # proven or violated, but by little
    more_samples: int | None
    # Null where no row has a duplicate, where that is not known, and on the val splits.
    without_duplicates: WithoutDuplicates | None


class SideEffect(TypedDict):
    """What training on one task does to another's test split, or to a control.

    The paired change of the eval set's primary metric; null where a cell is missing.
    """

    trained_on: str  # task
    evalset: str  # {task}.test of another task, or a control
    metric: str | None
    baseline: float | None  # mean over the same rows
    tuned: float | None
    value: float | None  # tuned minus baseline
    n: int | None
    low: float | None
    high: float | None
    test: str | None  # method
    p: float | None  # two-sided
    p_holm: float | None  # adjusted over all side effects of the student
    evidence: str  # proven (better than the baseline), violated (worse), not proven or missing
    only_just: bool  # proven or violated, but by little


class MeanGain(TypedDict):
    """The mean of the gains over all tasks."""

    value: float
    low: float
    high: float
    n: int


class Gains(TypedDict):
    """Gains of the configuration shown, by task."""

    select: dict[str, TaskGain | None]  # on the val splits
    confirm: dict[str, TaskGain | None]  # on the test splits, which chose nothing
    mean: MeanGain | None  # of the latter


class Standing(TypedDict):
    """How a configuration stands among the others."""

    regret: dict[str, float | None]  # by task
    max_regret: float | None
    max_regret_se: float | None
    within_one_se: bool  # tied with the best
    control_loss: float | None  # largest relative loss of a control
    train_flops: float | None  # of its trials on all tasks
    selection_probability: float  # how often it is chosen in resamples of the rows


class JudgedConfiguration(Standing):
    """One configuration, over all tasks."""

    configuration: str
    status: str  # feasible, infeasible or incomplete
    all_gates_proven: bool
    select: dict[str, Estimate | None]  # primary metric on the val split, by task
    gain: dict[str, float | None]  # there, against the baseline
    mean_gain: float | None
    pareto: bool  # on the front of mean gain against control loss
    gates: list[JudgedGate]  # of the choice over all its runs; the status is that of its first
    why_not: str  # why it was not chosen; empty for the choice


class Values(TypedDict):
    """The hyperparameters of a configuration."""

    config: dict[str, Any]  # that all tasks share
    config_by_task: dict[str, dict[str, Any]]  # that differ


class Violation(TypedDict):
    """The gate that a configuration misses by most."""

    configuration: str
    violation: float  # share of the threshold
    gate: JudgedGate


class LeastViolating(Violation, Values):
    """The configuration that misses its worst gate by least; shown where none is chosen."""


class Baseline(TypedDict):
    """The untuned student."""

    select: dict[str, Estimate | None]  # by task
    gates: list[BaselineGate]


class Selection(TypedDict):
    """How the choice was made."""

    rule: str  # in words
    best: str | None  # configuration of the smallest maximum regret
    best_max_regret: float | None
    tied: list[str]  # within one standard error of it
    none_feasible_probability: float | None  # in resamples of the rows
    reliability: dict[str, float | None]  # by task


class RunGate(TypedDict):
    """How one run stands at a gate, after training on one task."""

    control: str
    metric: str
    task: str
    value: float | None
    passes: bool  # a missing cell is never a pass


class Run(TypedDict):
    """One run of the configuration that is chosen: a training on every task."""

    run: int  # 0: the trials that were chosen by; from 1: their replicates
    trial: str  # name of the trial or replicate, on every task
    seed: dict[str, int | None]  # `training.seed` by task; null without a checkpoint
    gains: dict[str, float | None]  # on the test splits, by task
    gates: list[RunGate]


class GateSpread(TypedDict):
    """How much runs differ at a gate, after training on one task."""

    control: str
    metric: str
    task: str
    sd: float | None


class Spread(TypedDict):
    """Standard deviations between the runs; null with fewer than two."""

    gains: dict[str, float | None]  # by task
    gates: list[GateSpread]


class LeftOut(TypedDict):
    """What would have been chosen without one task, and what that costs on it."""

    left_out: str
    chosen: str | None
    regret: float | None


class Outcome(TypedDict):
    """What would have been chosen."""

    feasible: int  # configurations that pass
    chosen: str | None
    proven: bool  # every gate of the chosen one


class Alternative(Outcome):
    """What would have been chosen with another limit of one gate."""

    control: str
    metric: str
    statistic: str  # ratio or value
    limit: float
    configured: bool  # the limit that the study file asks for


class Level(TypedDict):
    """An outcome at one value of a hyperparameter, the others being equal."""

    mean: float  # over the configurations, adjusted
    difference: float  # of the effect to the mean over the values
    low: float  # ends of the difference's 95% interval
    high: float


class LargestDifference(TypedDict):
    """By how much the values of a hyperparameter differ at most."""

    largest: float
    low: float  # ends of the 95% interval, of all differences of two values at once
    high: float
    p: float  # of the hypothesis that the values do not differ


class OutcomeEffect(LargestDifference):
    """What a hyperparameter does to mean gain or control loss."""

    levels: list[Level]  # one for each value
    p_holm: float  # adjusted over the hyperparameters
    distinguishable: bool  # from noise of the rows
    share: float  # of the variance between configurations
    remaining: float  # share that is no hyperparameter's alone: interactions and noise


class Effect(TypedDict):
    """The main effect of one hyperparameter."""

    axis: str
    among: str | None  # the method whose configurations alone are compared
    values: list[Any]
    configurations: list[int]  # complete ones with each value
    gain: OutcomeEffect | None  # mean over the tasks, val splits
    loss: OutcomeEffect | None  # largest relative loss of a control
    note: str


class Costs(TypedDict):
    """Training compute, in FLOPs."""

    train_flops_total: float
    train_flops_chosen: float | None  # one run of it on all tasks
    train_flops_replicates: NotRequired[float | None]  # of all replicates; from schema 4 on
    train_flops_unknown: list[str]  # variants
    by_configuration: dict[str, float | None]


class MissingCell(TypedDict):
    """A cell, or a whole variant, without a number."""

    variant: str
    evalset: str | None
    reason: str


class Shown(TypedDict):
    """What is recommended, or else shown in its place."""

    revision: str | None  # the student's commit
    chosen: str | None  # configuration
    least_violating: LeastViolating | None
    config: dict[str, Any] | None  # of the chosen one, as in `Values`
    config_by_task: dict[str, dict[str, Any]]


class Recommendation(Shown):
    """The file."""

    schema: int
    student: str
    source: str
    seed: int
    resamples: int
    verdict: str
    reasons: list[str]
    next_steps: list[str]
    tasks: list[str]
    controls: list[str]
    primary: dict[str, str | None]  # metric by task
    baseline: Baseline
    configurations: list[JudgedConfiguration]
    selection: Selection
    gains: Gains
    # Of the configuration shown, by task trained on; read after the choice, like gains.confirm.
    side_effects: list[SideEffect]
    dropped: NotRequired[dict[str, int]]  # by eval set, where any: rows too long, not among n
    # By eval set, where replies are drawn; each row of the others gets one greedy reply.
    decoding: NotRequired[dict[str, Decoding]]
    leave_one_task_out: list[LeftOut]
    sensitivity: list[Alternative]
    effects: NotRequired[list[Effect]]  # not in those kept from before there were any
    pareto: list[str]
    runs: NotRequired[list[Run]]  # of the choice; from schema 4 on, empty where nothing is chosen
    spread: NotRequired[Spread]  # there as `runs` is
    costs: Costs
    missing: list[MissingCell]
    files: NotRequired[dict[str, str]]  # tool -> run file; there when these are written


def is_measured(run: Run) -> bool:
    """Return whether all of a run's gains and gates were measured."""
    return None not in run["gains"].values() and all(
        gate["value"] is not None for gate in run["gates"]
    )


def failed_gates(run: Run) -> list[RunGate]:
    """Return the gates that a run was measured at and fails."""
    return [gate for gate in run["gates"] if gate["value"] is not None and not gate["passes"]]


def read_recommendation(path: Path) -> Recommendation:
    """Return the recommendation for a student."""
    return read(path, Recommendation)
