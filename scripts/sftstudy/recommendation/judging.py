"""Gates: what one configuration loses against the baseline, with evidence."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sftstudy.documents.plan import RecommendationPlan
from sftstudy.documents.recommendation import BaselineGate, JudgedGate
from sftstudy.recommendation.cells import Cells, Scores, align
from sftstudy.statistics.gates import LEVELS, GateResult, passes, rate_gate
from sftstudy.statistics.runs import (
    RUNS_ALPHA,
    evidence_of_runs,
    rate_gate_over_runs,
    ratio_gate_over_runs,
)
from sftstudy.study.variants import BASE

DEFAULT_RATIO = 0.95  # of a replaced gate, where the study file has no ratio of its own


@dataclass(frozen=True)
class Gate:
    """One gate of the study file, as it is applied to this student.

    Attributes:
        limit: What the metric must be above, or with `relative` the share of the baseline's that
            it must reach.
        fallback: The baseline itself fails this gate, which was therefore replaced by
            non-inferiority to the baseline.
    """

    control: str
    metric: str
    limit: float
    relative: bool
    fallback: bool = False

    @property
    def rule(self) -> str:
        """The gate in words."""
        if self.relative:
            return f"at least {self.limit:g} of the baseline's"
        return f"above {self.limit:g}"

    @property
    def statistic(self) -> str:
        """What the limit is of: the metric's ``value``, or its ``ratio`` to the baseline's."""
        return "ratio" if self.relative else "value"

    def threshold(self, baseline: float | None) -> float | None:
        """Return the value that is asked for; None where that needs a missing baseline."""
        if not self.relative:
            return self.limit
        return None if baseline is None else self.limit * baseline

    def passes(self, tuned: np.ndarray, baseline: np.ndarray) -> np.ndarray:
        """Return whether mean outcomes pass, in the shape of `tuned`."""
        return passes(tuned, self.limit, baseline if self.relative else None)


def read_gates(plan: RecommendationPlan) -> list[Gate]:
    """Return the gates of a plan, in its order."""
    return [
        Gate(control, rule["metric"], rule["above"], relative=False)
        if "above" in rule
        else Gate(control, rule["metric"], rule["min_ratio_to_baseline"], relative=True)
        for control, rule in plan["gates"].items()
    ]


def judge_gate(
    gate: Gate,
    task: str,
    tuned: Scores | None,
    base: Scores | None,
    replicates: Sequence[Scores] = (),
) -> JudgedGate:
    """Return the document of a gate on one task's checkpoint. A missing cell is never a pass.

    With scores of its `replicates` it is about the mean over these runs. A gate that one of them
    fails is not proven, whatever their mean is: one training in so many breaks it.
    """
    baseline = base.value if base else None
    runs = [*([tuned] if tuned else []), *replicates]
    document: JudgedGate = {
        "control": gate.control,
        "metric": gate.metric,
        "task": task,
        "rule": gate.rule,
        "threshold": gate.threshold(baseline),
        "fallback": gate.fallback,
        "value": float(np.mean([one.value for one in runs])) if runs else None,
        "baseline": baseline,
        "n": len(runs[0].values) if runs else 0,
        "unsure": max((one.unsure for one in runs if one.unsure is not None), default=None),
        "statistic": gate.statistic,
        "passes": False,
        "evidence": "missing",
        "only_just": False,
        "level": LEVELS[gate.statistic] if len(runs) < 2 else RUNS_ALPHA,
        "p": None,
        "estimate": None,
        "low": None,
        "high": None,
        "more_samples": None,
        "note": "",
    }
    if result := _test(gate, runs, base):
        document |= {
            "passes": result.passes,
            "evidence": result.evidence,
            "only_just": result.only_just,
            "p": result.p,
            "estimate": result.estimate,
            "low": result.low,
            "high": result.high,
            "more_samples": result.more_samples,
            "note": result.note,
        }
    return document


def _test(gate: Gate, runs: Sequence[Scores], base: Scores | None) -> GateResult | None:
    """Return the outcome of a gate; None where a cell that it needs is missing."""
    if not runs or (gate.relative and base is None):
        return None
    values, codes = align([*runs, *([base] if base and gate.relative else [])])
    tuned, baseline = values[:, : len(runs)], values[:, -1]
    if gate.relative:
        result = ratio_gate_over_runs(tuned, baseline, codes, gate.limit)
    else:
        result = rate_gate_over_runs(tuned, codes, gate.limit)
    failing = int((~gate.passes(tuned.mean(axis=0), baseline.mean())).sum())
    if len(runs) == 1 or not failing:
        return result
    result = replace(result, note=f"{failing} of {len(runs)} runs fail it")
    evidence = evidence_of_runs(result.evidence, every_run_holds=False)
    if evidence == "violated":
        return result
    return replace(result, evidence=evidence, only_just=False, more_samples=None)


def violation(gate: JudgedGate) -> float:
    """Return by which share of its threshold a judged gate is missed; 0 where it passes."""
    if gate["passes"]:
        return 0.0
    if gate["value"] is None or not gate["threshold"]:
        return 1.0
    return max(0.0, (gate["threshold"] - gate["value"]) / gate["threshold"])


def judge_baseline(gates: Sequence[Gate], cells: Cells) -> tuple[list[BaselineGate], list[Gate]]:
    """Return how the baseline stands at the gates, and the gates to be applied to the trials.

    A gate that the baseline fails asks the trials for what the untuned student cannot do. It is
    reported, and replaced by non-inferiority to the baseline. A baseline of 0 fails a relative
    gate, since every trial would pass it.
    """
    ratios = [gate.limit for gate in gates if gate.relative and gate.limit]
    ratio = max(ratios, default=DEFAULT_RATIO)
    documents, applied = [], []
    for gate in gates:
        document = _baseline_at(gate, cells.scores(BASE, gate.control, gate.metric))
        documents.append(document)
        if document["passes"] is False and not gate.relative:
            gate = Gate(gate.control, gate.metric, ratio, relative=True, fallback=True)
        applied.append(gate)
    return documents, applied


def _baseline_at(gate: Gate, base: Scores | None) -> BaselineGate:
    """Return the document of a gate on the baseline."""
    document: BaselineGate = {
        "control": gate.control,
        "metric": gate.metric,
        "rule": gate.rule,
        "threshold": None if gate.relative else gate.limit,
        "value": None,
        "n": None,
        "unsure": None,
        "low": None,
        "high": None,
        "passes": None,
        "evidence": "missing",
        "only_just": False,
        "note": "",
    }
    if base is None:
        return document
    estimate = base.estimate
    document |= {"value": estimate["value"], "n": estimate["n"], "unsure": base.unsure}
    document |= {"low": estimate["low"], "high": estimate["high"]}
    if not gate.relative:
        values, codes = align([base])
        result = rate_gate(values[:, 0], codes, gate.limit)
        document |= {"passes": result.passes, "evidence": result.evidence, "note": result.note}
        document["only_just"] = result.only_just
    elif base.value > 0:
        document |= {"passes": True, "evidence": "proven"}
    else:
        note = "the baseline is 0, so a share of it protects nothing"
        document |= {"passes": False, "evidence": "violated", "note": note}
    return document
