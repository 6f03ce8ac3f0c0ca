"""The sentences that give a verdict's reasons."""

from collections import Counter
from collections.abc import Mapping, Sequence

from sftstudy.documents.recommendation import (
    BaselineGate,
    JudgedGate,
    SideEffect,
    TaskGain,
    Violation,
)
from sftstudy.pages.numbers import near, p_digits
from sftstudy.recommendation.changes import duplicates_told, gains_told, side_effects_told
from sftstudy.recommendation.choosing import Chosen
from sftstudy.recommendation.comparison import Comparison
from sftstudy.recommendation.configurations import Complete, Configuration
from sftstudy.recommendation.names import BASELINE_FAILS
from sftstudy.recommendation.phrases import (
    by_control,
    level_of,
    limit_of,
    listed,
    measured,
    more,
    most_samples,
    percent,
    proven_limit,
    unproven,
)

_WHOSE = {"rules": "rules are", "judge": "judge is", "review": "person is"}
WORTH_TELLING = 0.005  # of the resampled studies


def reasons(
    verdict: str,
    choice: Chosen,
    chosen: Complete | None,
    gains: Mapping[str, TaskGain | None],
    effects: Sequence[SideEffect],
    least: Violation | None,
    runs: Sequence[str],
) -> list[str]:
    """Return the reasons as sentences, the most important first.

    `chosen` has its gates judged over all its runs; `runs` are the sentences on these.
    """
    configurations, comparison = choice.configurations, choice.comparison
    sentences: list[str] = []
    if verdict == BASELINE_FAILS:
        sentences += [_baseline(gate) for gate in choice.baseline_gates if not gate["passes"]]
    if chosen is None:
        sentences += _infeasible(configurations, least)
    else:
        sentences += [*_gates(chosen), *runs, *gains_told(gains), *side_effects_told(effects)]
        sentences += duplicates_told(gains)
    if chosen is not None and comparison is not None:
        sentences.append(_stability(chosen, comparison))
    incomplete = [one.name for one in configurations if not isinstance(one, Complete)]
    if incomplete:
        sentences.append(
            f"{len(incomplete)} of {len(configurations)} configurations could not be judged "
            f"because cells are missing: {', '.join(incomplete)}."
        )
    return sentences + (_unsure(chosen.gates) if chosen else [])


def _stability(chosen: Complete, comparison: Comparison) -> str:
    """Return how often other rows of the same kind would have led to the same choice."""
    share = dict(
        zip((one.name for one in comparison.configurations), comparison.probability, strict=True)
    )
    own = float(share.pop(chosen.name))
    told = f"Had other rows of the same kind been drawn, {chosen.name} were chosen in {own:.0%}"
    rival = max(share, key=share.__getitem__, default=None)
    if rival and share[rival] >= WORTH_TELLING:
        told += f", {rival} in {share[rival]:.0%}"
    if comparison.none_feasible >= WORTH_TELLING:
        told += f", and none in {comparison.none_feasible:.0%}"
    return f"{told} of the resampled studies."


def _baseline(gate: BaselineGate) -> str:
    return (
        f"The baseline itself fails the gate on {gate['control']}: {gate['metric']} is "
        f"{percent(gate['value'], gate['threshold'])} (n = {gate['n']}{_of_them_unsure(gate)}), "
        f"asked is {gate['rule']}. Trials are held to non-inferiority to the baseline instead."
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
        f"{gate['task']} {gate['metric']} on {gate['control']} is "
        f"{percent(gate['value'], gate['threshold'])} (n = {gate['n']}{_of_them_unsure(gate)}), "
        f"asked is {gate['rule']} ({percent(gate['threshold'], gate['value'])}); it misses that by "
        f"{percent(least['violation'], 0.0)}, which is {_miss(gate)}.",
    ]


def _miss(gate: JudgedGate) -> str:
    """Return whether it is proven that a gate is missed."""
    if gate["evidence"] != "violated":
        return "not proven"
    return "only just proven" if gate["only_just"] else "proven"


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
    barely = by_control(
        gate for gate in chosen.gates if gate["only_just"] and gate["evidence"] == "proven"
    )
    sentences += [_only_just(gates) for gates in barely.values()]
    for gates in weak.values():
        passed = [gate for gate in gates if gate["passes"]]
        failed = [gate for gate in gates if not gate["passes"]]
        sentences += [_unproven(alike) for alike in (passed, failed) if alike]
    return sentences + _instead(chosen.gates)


def _instead(gates: Sequence[JudgedGate]) -> list[str]:
    """Return one sentence per control of which some checkpoints were judged by a stand-in."""
    found = by_control(gate for gate in gates if "instead_of" in gate)
    return [
        f"The gate on {control} is to be judged by {some[0]['instead_of']}, and is by "
        f"{some[0]['by']} after training on {listed([gate['task'] for gate in some])}: "
        f"{some[0]['why'] or 'there is none'}."
        for control, some in found.items()
    ]


def _only_just(gates: Sequence[JudgedGate]) -> str:
    """Return by how little the gates of one control are proven."""
    first = gates[0]
    level = level_of(first)
    alike: dict[str, list[str]] = {}
    for gate in gates:
        alike.setdefault(f"{_bound(gate)}, p = {_p(gate, level)}", []).append(gate["task"])
    found = [f"{listed(tasks)} ({told})" for told, tasks in alike.items()]
    return (
        f"The gate on {first['control']} is only just proven after training on {listed(found)}: "
        f"asked is {first['rule']}, with p at most {level:g}."
    )


def _bound(gate: JudgedGate) -> str:
    """Return what of a gate's numbers stands closest to its limit."""
    limit = limit_of(gate)
    if gate["statistic"] == "ratio" and gate["low"] is not None and limit is not None:
        return f"95% interval from {near(gate['low'], limit)} of the baseline's"
    return percent(gate["value"], gate["threshold"])


def _p(gate: JudgedGate, level: float) -> str:
    return p_digits(measured(gate["p"]), level)


def _unsure(gates: Sequence[JudgedGate]) -> list[str]:
    """Return one sentence per control of which the scorer could not decide some replies."""
    sentences = []
    for control, found in by_control(gates).items():
        whose = _WHOSE[found[0].get("by", "rules")]
        counts = sorted(gate.get("unsure") or 0 for gate in found)
        if counts[-1]:
            span = f"{counts[0]} to {counts[-1]}" if counts[0] < counts[-1] else str(counts[-1])
            sentences.append(
                f"The {whose} unsure of replies to {span} of the {found[0]['n']} prompts of "
                f"{control}, by checkpoint; these count as failed in {found[0]['metric']}."
            )
    return sentences


def _of_them_unsure(gate: BaselineGate | JudgedGate) -> str:
    count = gate.get("unsure")
    return f", unsure of {count}, counted as failed" if count else ""


def _how_far(gates: Sequence[JudgedGate]) -> str:
    """Return the end of a sentence on gates that are not proven: what is, what would decide.

    Of a gate that a run fails its note tells; nothing else of it would change by more rows.
    """
    if any(gate.get("runs_failing") for gate in gates):
        return "."
    if all(gate["evidence"] == "violated" for gate in gates):
        return "; that it fails is proven."
    held, told = proven_limit(gates), ""
    if held is not None:
        of = " of the baseline's" if gates[0]["statistic"] == "ratio" else ""
        told = f", proven is {held:.2f}{of}"
    return f"{told}; {more(most_samples(gates))}."


def _unproven(gates: Sequence[JudgedGate]) -> str:
    """Return one sentence on all checkpoints whose gate on one control is not proven.

    Their values are all on one side of it: a mean over runs may fail what the first run passed.
    """
    first = gates[0]
    values = sorted(gate["value"] for gate in gates if gate["value"] is not None)
    span = percent(values[0], first["threshold"])
    if percent(values[-1]) != percent(values[0]):
        span = f"{span} to {percent(values[-1], first['threshold'])}"
    against = f" against {percent(first['baseline'])} untuned" if first["baseline"] else ""
    is_so = "passed but not proven" if first["passes"] else "failed by the mean over the runs"
    sentence = (
        f"The gate on {first['control']} is {is_so} after training on "
        f"{listed([gate['task'] for gate in gates])}: {first['metric']} is {span}{against} "
        f"(n = {first['n']}), asked is {first['rule']}"
    )
    sentence += _how_far(gates)
    note = first["note"]
    return sentence + (f" ({note[0].upper()}{note[1:]}.)" if note else "")
