"""What to do now, as sentences."""

from collections.abc import Mapping, Sequence

from sftstudy.documents.recommendation import JudgedGate, TaskGain, Violation
from sftstudy.recommendation.configurations import Complete
from sftstudy.recommendation.names import BASELINE_FAILS, RECOMMENDED
from sftstudy.recommendation.phrases import listed, most_samples, proven_limit, unproven

Gains = Mapping[str, TaskGain | None]


def next_steps(
    verdict: str, chosen: Complete | None, gains: Gains, least: Violation | None
) -> list[str]:
    """Return what to do now, the most useful first."""
    if chosen is None:
        return _without_choice(least)
    steps = []
    if verdict == BASELINE_FAILS:
        steps.append(
            "Decide first whether the untuned student may be used at all: it fails a gate. The "
            "configuration shown loses little against it, no more is claimed."
        )
    if verdict == RECOMMENDED:
        steps.append(f"Use {chosen.name} as the default: the run files train with it.")
    lost = [task for task, gain in gains.items() if gain and gain["evidence"] == "violated"]
    if lost:
        steps.append(
            f"Do not ship it for {listed(lost)}: training makes the student worse there. Look at "
            "the replies that it broke, and leave the task out or search for it alone."
        )
    steps += [_for_a_gate(gates) for gates in unproven(chosen.gates).values()]
    steps += _for_weak_gains(gains)
    steps.append(
        "Train the choice once more with another `seed`: each configuration was trained once, and "
        "the intervals hold for other rows, not for another training run."
    )
    return steps


def _without_choice(least: Violation | None) -> list[str]:
    if least is None:
        return ["Run the missing cells: nothing can be judged without them."]
    return [
        "Go on with the untuned student: no configuration of this study can replace it.",
        f"Search more gently around {least['configuration']}: smaller learning rates, fewer "
        "epochs, or LoRA (`lora_space`).",
        "See under Configurations which limits would admit one, before changing any.",
    ]


def _for_a_gate(gates: Sequence[JudgedGate]) -> str:
    control, held, further = gates[0]["control"], proven_limit(gates), most_samples(gates)
    ways = []
    if held is not None and held > 0:
        key = "min_ratio_to_baseline" if gates[0]["statistic"] == "ratio" else "above"
        ways.append(f"decide whether `{key}: {held:.2f}`, which these data prove, is enough")
    if further and further <= 10 * gates[0]["n"]:
        ways.append(f"score about {further:,} further prompts")
    ways.append("take a configuration that loses less")
    return f"For proof on {control}: {', or '.join(ways)}."


def _for_weak_gains(gains: Gains) -> list[str]:
    weak = {task: gain for task, gain in gains.items() if gain and gain["evidence"] == "not proven"}
    if not weak:
        return []
    sizes = [
        f"{task} {gain['more_samples']:,}" for task, gain in weak.items() if gain["more_samples"]
    ]
    more = f" (further rows at the observed rate: {', '.join(sizes)})" if sizes else ""
    return [f"Enlarge the test split of {listed(list(weak))}{more}, or do without a claim there."]
