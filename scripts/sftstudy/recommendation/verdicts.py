"""The four verdicts, and the sentences that give their reasons."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sftstudy.recommendation.judging import violation
from sftstudy.recommendation.trials import Trial

RECOMMENDED = "RECOMMENDED"
PROVISIONAL = "PROVISIONAL"
NO_FEASIBLE = "NO FEASIBLE CONFIGURATION"
BASELINE_FAILS = "BASELINE FAILS GATE"


def verdict(
    baseline_gates: Sequence[dict[str, Any]],
    chosen: Trial | None,
    gains: dict[str, dict[str, Any] | None],
) -> str:
    """Return the verdict. RECOMMENDED asks for proof of every gate and of the gain on every task.

    `gains` are those of the chosen trial on the confirm splits, Holm-adjusted.
    """
    if any(gate["passes"] is False for gate in baseline_gates):
        return BASELINE_FAILS
    if chosen is None:
        return NO_FEASIBLE
    gates_proven = all(gate["evidence"] == "proven" for gate in chosen.gates)
    gain_proven = all(gain is not None and gain["evidence"] == "proven" for gain in gains.values())
    return RECOMMENDED if gates_proven and gain_proven else PROVISIONAL


def least_violating(trials: Sequence[Trial]) -> dict[str, Any] | None:
    """Return the complete trial whose worst gate is missed by least, with that gate.

    Of equally bad ones that which misses less over all gates.
    """
    complete = [trial for trial in trials if trial.complete and trial.gates]
    if not complete:
        return None
    worst = {trial.name: max(trial.gates, key=violation) for trial in complete}
    total = {trial.name: sum(map(violation, trial.gates)) for trial in complete}
    name = min(worst, key=lambda key: (violation(worst[key]), total[key]))
    return {"trial": name, "violation": violation(worst[name]), "gate": worst[name]}


def reasons(
    verdict_: str,
    baseline_gates: Sequence[dict[str, Any]],
    trials: Sequence[Trial],
    chosen: Trial | None,
    gains: dict[str, dict[str, Any] | None],
    least: dict[str, Any] | None,
) -> list[str]:
    """Return the reasons as sentences, the most important first."""
    sentences = []
    if verdict_ == BASELINE_FAILS:
        sentences += [_baseline_sentence(gate) for gate in baseline_gates if not gate["passes"]]
    if chosen is None:
        sentences += _infeasible_sentences(trials, least)
    else:
        sentences += _gate_sentences(chosen) + _gain_sentences(gains)
    incomplete = [trial.name for trial in trials if not trial.complete]
    if incomplete:
        sentences.append(
            f"{len(incomplete)} of {len(trials)} configurations could not be judged because cells "
            f"are missing: {', '.join(incomplete)}."
        )
    return sentences


def _baseline_sentence(gate: dict[str, Any]) -> str:
    return (
        f"The baseline itself fails the gate on {gate['control']}: {gate['metric']} is "
        f"{_percent(gate['value'])} (n = {gate['n']}), asked is {gate['rule']}. Trials are held to "
        "non-inferiority to the baseline instead."
    )


def _infeasible_sentences(trials: Sequence[Trial], least: dict[str, Any] | None) -> list[str]:
    complete = [trial for trial in trials if trial.complete]
    if not complete:
        return ["No configuration was measured on every task and control, so none can be judged."]
    failing = Counter(
        control
        for trial in complete
        for control in {gate["control"] for gate in trial.gates if not gate["passes"]}
    )
    count = max(failing.values())
    binding = [control for control, number in failing.items() if number == count]
    are, it = ("gate is", "it") if len(binding) == 1 else ("gates are", "each")
    sentences = [
        f"Every configuration fails a gate on some task. The binding {are} "
        f"{' and '.join(sorted(binding))}: {count} of {len(complete)} configurations fail {it}."
    ]
    gate = least["gate"]
    sentences.append(
        f"The least violating configuration is {least['trial']}: after training on "
        f"{gate['task']} {gate['metric']} on {gate['control']} is {_percent(gate['value'])}, "
        f"asked is {gate['rule']} ({_percent(gate['threshold'])}); it misses that by "
        f"{100 * least['violation']:.1f}%."
    )
    return sentences


def _gate_sentences(chosen: Trial) -> list[str]:
    if not chosen.gates:
        return ["No gates are configured, so nothing protects what the student could do before."]
    unproven = _by_control(gate for gate in chosen.gates if gate["evidence"] != "proven")
    count = len(chosen.gates) - sum(map(len, unproven.values()))
    sentences = [
        f"{count} of {len(chosen.gates)} gates (each control on each task's checkpoint) are proven "
        f"for {chosen.name}."
    ]
    return sentences + [_unproven_sentence(gates) for gates in unproven.values()]


def _by_control(gates: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for gate in gates:
        found.setdefault(gate["control"], []).append(gate)
    return found


def _unproven_sentence(gates: Sequence[dict[str, Any]]) -> str:
    """Return one sentence on all checkpoints whose gate on one control is not proven."""
    first = gates[0]
    values = sorted(gate["value"] for gate in gates)
    span = _percent(values[0])
    if _percent(values[-1]) != span:
        span = f"{span} to {_percent(values[-1])}"
    against = f" against {_percent(first['baseline'])} untuned" if first["baseline"] else ""
    sentence = (
        f"The gate on {first['control']} is passed but not proven after training on "
        f"{_listed([gate['task'] for gate in gates])}: {first['metric']} is {span}{against} "
        f"(n = {first['n']}), asked is {first['rule']}"
    )
    held = proven_limit(gates)
    if held is not None:
        of = " of the baseline's" if first["statistic"] == "ratio" else ""
        sentence += f", proven is {held:.2f}{of}"
    sentence += f"; {_more(_most_samples(gates))}."
    return sentence + (f" ({_sentence(first['note'])})" if first["note"] else "")


def proven_limit(gates: Sequence[dict[str, Any]]) -> float | None:
    """Return the limit, rounded down to a hundredth, that the data prove for all of `gates`.

    The lower end of the 95% interval excludes everything below it at one-sided 2.5%. None where a
    gate has no interval.
    """
    lows = [gate["low"] for gate in gates]
    return None if None in lows else math.floor(100 * min(lows)) / 100


def _most_samples(gates: Sequence[dict[str, Any]]) -> int | None:
    needed = [gate["more_samples"] for gate in gates]
    return None if None in needed else max(needed)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]


def _gain_sentences(gains: dict[str, dict[str, Any] | None]) -> list[str]:
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
                f"The gain on {task} is not proven: {_points(gain)}; {_more(gain['more_samples'])}."
            )
    return sentences


def next_steps(
    verdict_: str,
    chosen: Trial | None,
    gains: dict[str, dict[str, Any] | None],
    least: dict[str, Any] | None,
) -> list[str]:
    """Return what to do now, as sentences, the most useful first."""
    if chosen is None:
        return _steps_without_choice(least)
    steps = []
    if verdict_ == BASELINE_FAILS:
        steps.append(
            "Decide first whether the untuned student may be used at all: it fails a gate. The "
            "configuration shown loses little against it, no more is claimed."
        )
    if verdict_ == RECOMMENDED:
        steps.append(f"Use {chosen.name} as the default: the files below train with it.")
    lost = [task for task, gain in gains.items() if gain and gain["evidence"] == "violated"]
    if lost:
        steps.append(
            f"Do not ship it for {_listed(lost)}: training makes the student worse there. Look at "
            "the replies that it broke, and leave the task out or search for it alone."
        )
    unproven = _by_control(gate for gate in chosen.gates if gate["evidence"] != "proven")
    steps += [_gate_step(gates) for gates in unproven.values()]
    weak = {task: gain for task, gain in gains.items() if gain and gain["evidence"] == "not proven"}
    if weak:
        sizes = [
            f"{task} {gain['more_samples']:,}"
            for task, gain in weak.items()
            if gain["more_samples"]
        ]
        more = f" (further rows at the observed rate: {', '.join(sizes)})" if sizes else ""
        steps.append(
            f"Enlarge the test split of {_listed(list(weak))}{more}, or do without a claim there."
        )
    steps.append(
        "Train the choice once more with another `seed`: each configuration was trained once, and "
        "the intervals hold for other rows, not for another training run."
    )
    return steps


def _gate_step(gates: Sequence[dict[str, Any]]) -> str:
    control, held, more = gates[0]["control"], proven_limit(gates), _most_samples(gates)
    ways = []
    if held is not None and held > 0:
        key = "min_ratio_to_baseline" if gates[0]["statistic"] == "ratio" else "above"
        ways.append(f"decide whether `{key}: {held:.2f}`, which these data prove, is enough")
    if more and more <= 10 * gates[0]["n"]:
        ways.append(f"score about {more:,} further prompts")
    ways.append("take a configuration that loses less")
    return f"For proof on {control}: {', or '.join(ways)}."


def _steps_without_choice(least: dict[str, Any] | None) -> list[str]:
    if least is None:
        return ["Run the missing cells: nothing can be judged without them."]
    return [
        "Go on with the untuned student: no configuration of this study can replace it.",
        f"Search more gently around {least['trial']}: smaller learning rates, fewer epochs, or "
        "LoRA (`lora_space`).",
        "See under Trials which limits would admit a configuration, before changing any.",
    ]


def why_not(
    trial: Trial,
    entry: Mapping[str, Any],
    chosen: Trial | None,
    missing: Mapping[tuple[str, str], str],
) -> str:
    """Return why a configuration was not chosen; empty for the choice itself.

    `entry` is its part of the document (regrets and ties), `missing` says why cells are.
    """
    if chosen is not None and trial.name == chosen.name:
        return ""
    if not trial.complete:
        gone = [key for key in sorted(missing) if key[0].partition("/")[2] == trial.name]
        evalsets = list(dict.fromkeys(evalset or variant for variant, evalset in gone))
        return f"not measured on {_listed(evalsets)}" if evalsets else "not measured everywhere"
    failed = sorted((g for g in trial.gates if not g["passes"]), key=violation, reverse=True)
    if failed:
        worst = failed[0]
        others = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
        return (
            f"fails {worst['control']} after {worst['task']}: {_percent(worst['value'])}, asked "
            f"{_percent(worst['threshold'])}{others}"
        )
    if entry["within_one_se"]:
        dearer = chosen.train_flops and trial.train_flops and trial.train_flops > chosen.train_flops
        if dearer:
            return f"tied, {trial.train_flops / chosen.train_flops:.1f} times the compute"
        return "tied, larger regret"
    task = max(entry["regret"], key=entry["regret"].get)
    return f"{100 * entry['max_regret']:.1f} points behind the best on {task}"


def _points(gain: dict[str, Any]) -> str:
    low, high = 100 * gain["low"], 100 * gain["high"]
    return (
        f"{100 * gain['value']:+.1f} points, 95% interval {low:+.1f} to {high:+.1f}, "
        f"n = {gain['n']}, adjusted p = {gain['p_holm']:.2g}"
    )


def _more(samples: int | None) -> str:
    if samples is None:
        return "at the observed rate no number of samples would decide"
    return f"about {samples:,} further samples would decide at the observed rate"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def _percent(value: float | None) -> str:
    return "not measured" if value is None else f"{100 * value:.1f}%"
