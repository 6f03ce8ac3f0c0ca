"""Gates and gains: what one configuration loses and wins against the baseline, with evidence."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sftstudy.recommendation.cells import BASE, Cells, Scores, align
from sftstudy.statistics.gates import GateResult, rate_gate, ratio_gate
from sftstudy.statistics.multiplicity import holm
from sftstudy.statistics.paired import ALPHA, Gain, mean_of_gains, more_pairs, paired_gain


@dataclass(frozen=True)
class Gate:
    """One gate of the study file, as it is applied to this student.

    Exactly one of `min_ratio_to_baseline` and `above` is set. `fallback` marks a gate that the
    baseline itself fails and that was therefore replaced by non-inferiority to the baseline.
    """

    control: str
    metric: str
    min_ratio_to_baseline: float | None = None
    above: float | None = None
    fallback: bool = False

    @property
    def rule(self) -> str:
        """The gate in words."""
        if self.above is not None:
            return f"above {self.above:g}"
        return f"at least {self.min_ratio_to_baseline:g} of the baseline's"


def read_gates(plan: dict[str, Any]) -> list[Gate]:
    """Return the gates of a plan, in its order."""
    return [Gate(control=control, **rule) for control, rule in plan["gates"].items()]


def judge_gate(gate: Gate, task: str, tuned: Scores | None, base: Scores | None) -> dict[str, Any]:
    """Return the document of a gate on one task's checkpoint. A missing cell is never a pass."""
    needs_baseline = gate.above is None
    known = tuned is not None and not (needs_baseline and base is None)
    document = {
        "control": gate.control,
        "metric": gate.metric,
        "task": task,
        "rule": gate.rule,
        "threshold": _threshold(gate, base),
        "fallback": gate.fallback,
        "value": tuned.estimate["value"] if tuned else None,
        "baseline": base.estimate["value"] if base else None,
        "n": len(tuned.values) if tuned else 0,
        "statistic": "ratio" if needs_baseline else "value",
    }
    if not known:
        nothing = dict.fromkeys(("p", "estimate", "low", "high", "more_samples"))
        return document | {"passes": False, "evidence": "missing", "note": ""} | nothing
    return document | asdict(_test(gate, tuned, base))


def _test(gate: Gate, tuned: Scores, base: Scores | None) -> GateResult:
    if gate.above is not None:
        values, codes = align([tuned])
        return rate_gate(values[:, 0], codes, gate.above)
    values, codes = align([tuned, base])
    return ratio_gate(values[:, 0], values[:, 1], codes, gate.min_ratio_to_baseline)


def _threshold(gate: Gate, base: Scores | None) -> float | None:
    if gate.above is not None:
        return gate.above
    return None if base is None else gate.min_ratio_to_baseline * base.estimate["value"]


def violation(gate: dict[str, Any]) -> float:
    """Return by which share of its threshold a judged gate is missed; 0 where it passes."""
    if gate["passes"]:
        return 0.0
    if gate["value"] is None or not gate["threshold"]:
        return 1.0
    return max(0.0, (gate["threshold"] - gate["value"]) / gate["threshold"])


def judge_baseline(gates: Sequence[Gate], cells: Cells) -> tuple[list[dict[str, Any]], list[Gate]]:
    """Return how the baseline stands at the gates, and the gates to be applied to the trials.

    A gate that the baseline fails asks the trials for what the untuned student cannot do. It is
    reported, and replaced by non-inferiority to the baseline. A baseline of 0 fails a relative
    gate, since every trial would pass it.
    """
    ratios = [gate.min_ratio_to_baseline for gate in gates if gate.min_ratio_to_baseline]
    margin = max(ratios, default=0.95)
    documents, applied = [], []
    for gate in gates:
        base = cells.scores(BASE, gate.control, gate.metric)
        document = {"control": gate.control, "metric": gate.metric, "rule": gate.rule}
        if base is None:
            nothing = dict.fromkeys(("value", "n", "low", "high"))
            documents.append(
                document | nothing | {"passes": None, "evidence": "missing", "note": ""}
            )
            applied.append(gate)
            continue
        value = base.estimate["value"]
        document |= {key: base.estimate[key] for key in ("value", "n", "low", "high")}
        if gate.above is not None:
            result = _test(gate, base, base)
            passes, evidence, note = result.passes, result.evidence, result.note
        else:
            passes = value > 0
            evidence = "proven" if passes else "violated"
            note = "" if passes else "the baseline is 0, so a share of it protects nothing"
        documents.append(document | {"passes": passes, "evidence": evidence, "note": note})
        if not passes and gate.above is not None:
            gate = Gate(gate.control, gate.metric, min_ratio_to_baseline=margin, fallback=True)
        applied.append(gate)
    return documents, applied


def judge_gains(
    cells: Cells, tasks: Sequence[str], trial: str, split: str
) -> dict[str, dict[str, Any] | None]:
    """Return the gain of a configuration on each task's `split`, Holm-adjusted over the tasks.

    None where the tuned or the baseline cell is missing.
    """
    results: dict[str, Gain] = {}
    gains: dict[str, dict[str, Any] | None] = dict.fromkeys(tasks)
    for task in tasks:
        tuned = cells.scores(f"{task}/{trial}", f"{task}.{split}")
        base = cells.scores(BASE, f"{task}.{split}")
        if tuned and base:
            results[task], gains[task] = _gain(tuned, base)
    adjusted = holm([result.p for result in results.values()])
    for (task, result), p_holm in zip(results.items(), adjusted, strict=True):
        evidence = "not proven"
        if p_holm <= ALPHA:
            evidence = "proven" if result.value > 0 else "violated"
        # Holm asks at most for alpha / tasks: so many rows are enough whatever the other tasks do.
        more = more_pairs(result, ALPHA / len(results)) if evidence == "not proven" else 0
        gains[task] |= {"p_holm": p_holm, "evidence": evidence, "more_samples": more}
    return gains


def mean_gain_of(gains: dict[str, dict[str, Any] | None]) -> dict[str, Any] | None:
    """Return the mean gain over the tasks with its 95% interval; None where one is missing."""
    if not gains or None in gains.values():
        return None
    triples = [(gain["value"], gain["low"], gain["high"]) for gain in gains.values()]
    value, low, high = mean_of_gains(triples)
    return {"value": value, "low": low, "high": high, "n": sum(g["n"] for g in gains.values())}


def _gain(tuned: Scores, base: Scores) -> tuple[Gain, dict[str, Any]]:
    values, codes = align([tuned, base])
    gain = paired_gain(values[:, 0], values[:, 1], codes)
    means = {"baseline": float(values[:, 1].mean()), "tuned": float(values[:, 0].mean())}
    return gain, asdict(gain) | means
