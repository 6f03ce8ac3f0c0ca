"""Gates: what one configuration loses against the baseline, with evidence."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sftstudy.documents.metrics import Reviewed
from sftstudy.documents.plan import RecommendationPlan, Way
from sftstudy.documents.recommendation import BaselineGate, JudgedBy, JudgedGate
from sftstudy.errors import StudyError
from sftstudy.recommendation.cells import Cells, Scores, align
from sftstudy.statistics import intervals as stats
from sftstudy.statistics.gates import (
    LEVELS,
    GateResult,
    effective_rate_gate,
    passes,
    powered_ratio_gate,
    rate_gate,
)
from sftstudy.statistics.runs import (
    RUNS_ALPHA,
    evidence_of_runs,
    rate_gate_over_runs,
    ratio_gate_over_runs,
)
from sftstudy.statistics.score import unit
from sftstudy.study.variants import BASE, trial_of

DEFAULT_RATIO = 0.95  # of a replaced gate, where the study file has no ratio of its own


@dataclass(frozen=True)
class Gate:
    """One gate of the study file, as it is applied to this student.

    Attributes:
        limit: What the metric must be above, or with `relative` the share of the baseline's that
            it must reach.
        fallback: The baseline itself fails this gate, which was therefore replaced by
            non-inferiority to the baseline.
        by: Whose verdicts the metric is over; empty where a scorer alone can tell.
        otherwise: By which metric, and by whom, cells are judged that do not have this one.
    """

    control: str
    metric: str
    limit: float
    relative: bool
    fallback: bool = False
    by: str = ""
    otherwise: Way | None = None

    @property
    def ways(self) -> list[Way]:
        """By which metrics the gate can be judged, the asked one first."""
        asked: Way = {"metric": self.metric, "by": self.by}
        return [asked, self.otherwise] if self.otherwise else [asked]

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
        Gate(
            control,
            rule["metric"],
            rule["above"] if "above" in rule else rule["min_ratio_to_baseline"],
            relative="above" not in rule,
            by=rule.get("by", ""),
            otherwise=rule.get("otherwise"),
        )
        for control, rule in plan["gates"].items()
    ]


def scores_at(
    gate: Gate, cells: Cells, *variants: str
) -> tuple[list[Scores | None], Scores | None]:
    """Return what variants and the baseline scored at a gate, all by the same verdicts.

    By those that are asked for where all have them, else by those that stand in. Rates of which a
    person has judged a part have no outcomes by row that several runs could be compared by. What
    was not measured has no say.
    """
    asked = [one for one in (*variants, BASE) if cells.measured(one, gate.control)]

    def told(metric: str) -> bool:
        if BASE not in asked or not all(cells.has(v, gate.control, metric) for v in asked):
            return False
        return len(variants) < 2 or not _read_in_part(gate, cells, metric, *asked)

    way = next((way for way in gate.ways if told(way["metric"])), gate.ways[-1])
    scores = [cells.scores(one, gate.control, way["metric"]) for one in (*variants, BASE)]
    return scores[:-1], scores[-1]


def _read_in_part(gate: Gate, cells: Cells, metric: str, *variants: str) -> list[str]:
    """Return the variants of whose replies a person has judged a part."""
    scores = {variant: cells.scores(variant, gate.control, metric) for variant in variants}
    return [variant for variant, found in scores.items() if found and found.rows]


def _judged_by(gate: Gate, runs: Sequence[Scores], why_not: str) -> JudgedBy:
    """Return the part of a gate's document that says who judged; nothing of a scorer alone."""
    if not gate.by:
        return {}
    scores = runs[0] if runs else None
    way = next((way for way in gate.ways if scores and way["metric"] == scores.metric), None)
    found: JudgedBy = {"by": way["by"] if way else gate.by}
    reviews = [one.review for one in runs if one.review]
    if way and way["by"] == "review" and reviews:
        found |= {
            "read": sum(review["read"] for review in reviews),
            "replies": sum(review["replies"] for review in reviews),
        }
    if way and way["by"] != gate.by:
        found |= {"instead_of": gate.by, "why": why_not}
    return found


def judge_gate(
    gate: Gate,
    task: str,
    tuned: Scores | None,
    base: Scores | None,
    why_not: str = "",
    replicates: Sequence[Scores] = (),
) -> JudgedGate:
    """Return the document of a gate on one task's checkpoint. A missing cell is never a pass.

    `why_not` says why there is no usable review where one is asked for. With scores of its
    `replicates` it is about the mean over these runs. A gate that one of them fails is not proven,
    whatever their mean is: one training in so many breaks it.
    """
    baseline = base.value if base else None
    runs = [*([tuned] if tuned else []), *replicates]
    document: JudgedGate = {
        "control": gate.control,
        "metric": tuned.metric if tuned else gate.metric,
        "task": task,
        "rule": gate.rule,
        "threshold": gate.threshold(baseline),
        "fallback": gate.fallback,
        "value": float(np.mean([one.value for one in runs])) if runs else None,
        "baseline": baseline,
        "n": 0,
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
        **_judged_by(gate, runs, why_not),
    }
    if runs:
        values, _ = align([*runs, *([base] if base and gate.relative else [])])
        document["n"] = len(values)
    if len(runs) > 1:
        document["runs_failing"] = sum(
            not gate.passes(np.array(one.value), np.array(baseline or 0.0)) for one in runs
        )
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
    _require_rates(gate, runs)
    values, codes = align([*runs, *([base] if base and gate.relative else [])])
    tuned, baseline = values[:, : len(runs)], values[:, -1]
    if any(one.rows for one in (*runs, *([base] if base and gate.relative else []))):
        return _test_powered(gate, runs[0], base, values, codes)
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


def _require_rates(gate: Gate, runs: Sequence[Scores]) -> None:
    for one in runs:
        if not gate.relative and not one.rows and not unit(one.values):
            raise StudyError(
                f"gates: {gate.control}: above: {one.metric} of {one.variant} has outcomes from "
                f"{one.values.min():g} to {one.values.max():g}, and a limit above which a rate "
                "must be can only be proven of outcomes from 0 to 1; set min_ratio_to_baseline"
            )


def _test_powered(
    gate: Gate, tuned: Scores, base: Scores | None, values: np.ndarray, codes: np.ndarray
) -> GateResult:
    """Return the outcome of a gate of which a person has judged a part; `values` as `align` does.

    Of one run: several are judged so only where all their replies were read.
    """
    if base is None or not gate.relative:
        return effective_rate_gate(_estimate(tuned), tuned.rows or 0.0, len(values), gate.limit)
    errors = [one.estimate["se"] or 0.0 if one.rows else 0.0 for one in (tuned, base)]
    reviews = [one.review for one in (tuned, base) if one.rows and one.review]
    labels = min(review["labels"] for review in reviews)
    weight = max(_weight(review, len(values)) for review in reviews)
    return powered_ratio_gate(
        values[:, 0], values[:, 1], codes, (errors[0], errors[1]), labels, weight, gate.limit
    )


def _weight(review: Reviewed, rows: int) -> float:
    """Return for how many rows one counts that is read, where replies to its prompt are not."""
    unread = (review["replies"] - review["read"]) / review["labels"]
    return 1 + unread * rows / review["replies"]


def _test_rate(gate: Gate, scores: Scores) -> GateResult:
    if scores.rows:
        return effective_rate_gate(_estimate(scores), scores.rows, len(scores.values), gate.limit)
    values, codes = align([scores])
    return rate_gate(values[:, 0], codes, gate.limit)


def _estimate(scores: Scores) -> stats.Estimate:
    """Return the estimate of a metrics file, all of which is there where it has a value."""
    found = scores.estimate
    se, low, high = (float(number or 0.0) for number in (found["se"], found["low"], found["high"]))
    return stats.Estimate(scores.value, se, low, high, found["interval"] or "")


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
        document = _baseline_at(gate, *_baseline_scores(gate, cells))
        documents.append(document)
        if document["passes"] is False and not gate.relative:
            gate = replace(gate, limit=ratio, relative=True, fallback=True)
        applied.append(gate)
    return documents, applied


def _baseline_scores(gate: Gate, cells: Cells) -> tuple[Scores | None, str]:
    """Return the baseline's scores at a gate, and why they are not by whom is asked for."""
    _, base = scores_at(gate, cells, BASE)
    return base, why_no_review(cells, gate)


def why_no_review(cells: Cells, gate: Gate, *variants: str) -> str:
    """Return why variants and the baseline cannot be judged by review at a gate; empty where they
    can. Several variants are the runs of one configuration."""
    asked = {one: None for one in (*variants, BASE) if cells.measured(one, gate.control)}
    for variant in asked:
        review = cells.review(variant, gate.control)
        if review is None or review["why_not"]:
            whose = "this checkpoint" if len(variants) == 1 else f"the run {trial_of(variant)}"
            whose = "the baseline" if variant == BASE else whose
            why = review["why_not"] if review else "none has been read"
            return f"of the replies of {whose}: {why}"
        if not cells.has(variant, gate.control, gate.metric):
            return f"{gate.metric} can only be told where all replies have been read"
    if len(variants) > 1 and _read_in_part(gate, cells, gate.metric, *asked):
        return "over several runs, all replies of each must have been read"
    return ""


def _baseline_at(gate: Gate, base: Scores | None, why_not: str) -> BaselineGate:
    """Return the document of a gate on the baseline."""
    document: BaselineGate = {
        "control": gate.control,
        "metric": base.metric if base else gate.metric,
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
        **_judged_by(gate, [base] if base else [], why_not),
    }
    if base is None:
        return document
    estimate = base.estimate
    document |= {"value": estimate["value"], "n": estimate["n"], "unsure": base.unsure}
    document |= {"low": estimate["low"], "high": estimate["high"]}
    if not gate.relative:
        result = _test_rate(gate, base)
        document |= {"passes": result.passes, "evidence": result.evidence, "note": result.note}
        document["only_just"] = result.only_just
    elif base.value > 0:
        document |= {"passes": True, "evidence": "proven"}
    else:
        note = "the baseline is 0, so a share of it protects nothing"
        document |= {"passes": False, "evidence": "violated", "note": note}
    return document
