"""The sentences that give a verdict's reasons."""

from collections import Counter
from collections.abc import Mapping, Sequence

from sftstudy.documents.recommendation import BaselineGate, JudgedGate, TaskGain, Violation
from sftstudy.recommendation.configurations import Complete, Configuration
from sftstudy.recommendation.names import BASELINE_FAILS
from sftstudy.recommendation.phrases import (
    listed,
    more,
    most_samples,
    percent,
    proven_limit,
    unproven,
)


def reasons(
    verdict: str,
    baseline_gates: Sequence[BaselineGate],
    configurations: Sequence[Configuration],
    chosen: Complete | None,
    gains: Mapping[str, TaskGain | None],
    least: Violation | None,
) -> list[str]:
    """Return the reasons as sentences, the most important first."""
    sentences = []
    if verdict == BASELINE_FAILS:
        sentences += [_baseline(gate) for gate in baseline_gates if not gate["passes"]]
    if chosen is None:
        sentences += _infeasible(configurations, least)
    else:
        sentences += _gates(chosen) + _unsure(chosen.gates) + _gains(gains)
    incomplete = [one.name for one in configurations if not isinstance(one, Complete)]
    if incomplete:
        sentences.append(
            f"{len(incomplete)} of {len(configurations)} configurations could not be judged "
            f"because cells are missing: {', '.join(incomplete)}."
        )
    return sentences


def _baseline(gate: BaselineGate) -> str:
    return (
        f"The baseline itself fails the gate on {gate['control']}: {gate['metric']} is "
        f"{percent(gate['value'])} (n = {gate['n']}{_of_them_unsure(gate)}), asked is "
        f"{gate['rule']}. Trials are held to non-inferiority to the baseline instead."
    )


def _infeasible(configurations: Sequence[Configuration], least: Violation | None) -> list[str]:
    if least is None:
        return ["No configuration was measured on every task and control, so none can be judged."]
    complete = [one for one in configurations if isinstance(one, Complete)]
    failing = Counter(
        control
        for one in complete
        for control in {gate["control"] for gate in one.gates if not gate["passes"]}
    )
    count = max(failing.values())
    binding = [control for control, number in failing.items() if number == count]
    are, it = ("gate is", "it") if len(binding) == 1 else ("gates are", "each")
    gate = least["gate"]
    return [
        f"Every configuration fails a gate on some task. The binding {are} "
        f"{' and '.join(sorted(binding))}: {count} of {len(complete)} configurations fail {it}.",
        f"The least violating configuration is {least['configuration']}: after training on "
        f"{gate['task']} {gate['metric']} on {gate['control']} is {percent(gate['value'])} "
        f"(n = {gate['n']}{_of_them_unsure(gate)}), "
        f"asked is {gate['rule']} ({percent(gate['threshold'])}); it misses that by "
        f"{100 * least['violation']:.1f}%.",
    ]


def _gates(chosen: Complete) -> list[str]:
    if not chosen.gates:
        return [
            "The study file has no gates, so nothing protects what the student could do before."
        ]
    weak = unproven(chosen.gates)
    count = len(chosen.gates) - sum(map(len, weak.values()))
    sentences = [
        f"{count} of {len(chosen.gates)} gates (each control on each task's checkpoint) are proven "
        f"for {chosen.name}."
    ]
    return sentences + [_unproven(gates) for gates in weak.values()]


def _unsure(gates: Sequence[JudgedGate]) -> list[str]:
    """Return one sentence per control of which the scorer could not decide some replies."""
    by_control: dict[str, list[JudgedGate]] = {}
    for gate in gates:
        by_control.setdefault(gate["control"], []).append(gate)
    sentences = []
    for control, found in by_control.items():
        counts = sorted(gate.get("unsure") or 0 for gate in found)
        if counts[-1]:
            span = f"{counts[0]} to {counts[-1]}" if counts[0] < counts[-1] else str(counts[-1])
            sentences.append(
                f"Of the {found[0]['n']} replies to {control} the rules are unsure of {span}, by "
                f"checkpoint; they count as failed in {found[0]['metric']}."
            )
    return sentences


def _of_them_unsure(gate: BaselineGate | JudgedGate) -> str:
    count = gate.get("unsure")
    return f", unsure of {count}, counted as failed" if count else ""


def _unproven(gates: Sequence[JudgedGate]) -> str:
    """Return one sentence on all checkpoints whose gate on one control is not proven."""
    first = gates[0]
    values = sorted(gate["value"] for gate in gates if gate["value"] is not None)
    span = percent(values[0])
    if percent(values[-1]) != span:
        span = f"{span} to {percent(values[-1])}"
    against = f" against {percent(first['baseline'])} untuned" if first["baseline"] else ""
    sentence = (
        f"The gate on {first['control']} is passed but not proven after training on "
        f"{listed([gate['task'] for gate in gates])}: {first['metric']} is {span}{against} "
        f"(n = {first['n']}), asked is {first['rule']}"
    )
    held = proven_limit(gates)
    if held is not None:
        of = " of the baseline's" if first["statistic"] == "ratio" else ""
        sentence += f", proven is {held:.2f}{of}"
    sentence += f"; {more(most_samples(gates))}."
    note = first["note"]
    return sentence + (f" ({note[0].upper()}{note[1:]}.)" if note else "")


def _gains(gains: Mapping[str, TaskGain | None]) -> list[str]:
    sentences = []
    proven = [task for task, gain in gains.items() if gain and gain["evidence"] == "proven"]
    if proven:
        sentences.append(
            f"The gain over the baseline on the test split is proven on {', '.join(proven)} "
            "(Holm-adjusted over the tasks)."
        )
    for task, gain in gains.items():
        if gain is None:
            sentences.append(f"The gain on {task} is not known: its test split was not measured.")
        elif gain["evidence"] == "violated":
            sentences.append(
                f"On {task} the tuned student is worse than the baseline, and that is proven: "
                f"{_points(gain)}."
            )
        elif gain["evidence"] == "not proven":
            sentences.append(
                f"The gain on {task} is not proven: {_points(gain)}; {more(gain['more_samples'])}."
            )
    return sentences


def _points(gain: TaskGain) -> str:
    low, high = 100 * gain["low"], 100 * gain["high"]
    return (
        f"{100 * gain['value']:+.1f} points, 95% interval {low:+.1f} to {high:+.1f}, "
        f"n = {gain['n']}, adjusted p = {gain['p_holm']:.2g}"
    )
