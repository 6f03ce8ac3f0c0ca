"""What to do now, as sentences."""

from collections.abc import Mapping, Sequence

from sftstudy.documents.decoding import Decoding
from sftstudy.documents.recommendation import (
    JudgedGate,
    SideEffect,
    TaskGain,
    Violation,
    failed_gates,
)
from sftstudy.pages.text import place
from sftstudy.recommendation.configurations import Complete, Configuration
from sftstudy.recommendation.names import BASELINE_FAILS, RECOMMENDED
from sftstudy.recommendation.phrases import (
    by_training,
    listed,
    most_samples,
    proven_limit,
    unproven,
)
from sftstudy.recommendation.runs import Runs
from sftstudy.tasks.registry import CONTROLS, TASKS

NAMED = 3  # configurations
ENOUGH_RUNS = 5  # docs/statistics.md, "Studies with replicates"
ENOUGH_REPLIES = 8  # to a prompt: docs/statistics.md, "Studies with several replies"
Gains = Mapping[str, TaskGain | None]


def next_steps(
    verdict: str,
    configurations: Sequence[Configuration],
    chosen: Complete | None,
    gains: Gains,
    effects: Sequence[SideEffect],
    least: Violation | None,
    runs: Runs,
    decodings: Mapping[str, Decoding],
) -> list[str]:
    """Return what to do now, the most useful first.

    `decodings` say of which eval sets replies are drawn, and how many to a prompt.
    """
    if chosen is None:
        return _without_choice(least)
    steps = _for_incomplete(configurations) + _for_missing_runs(runs)
    if verdict == BASELINE_FAILS:
        steps.append(
            "Decide first whether the untuned student may be used at all: it fails a gate. The "
            "configuration shown loses little against it, no more is claimed."
        )
    harmed = by_training(effects, "violated")
    if verdict == RECOMMENDED:
        each = ", each checkpoint for its own task alone" if harmed else ""
        steps.append(f"Use {chosen.name} as the default{each}: the run files train with it.")
    lost = [task for task, gain in gains.items() if gain and gain["evidence"] == "violated"]
    if lost:
        steps.append(
            f"Do not ship it for {listed(lost)}: training makes the student worse there. Look at "
            "the replies that it broke, and leave the task out or search for it alone."
        )
    steps += _for_failing_runs(chosen, runs)
    steps += [_for_side_effects(task, found, chosen) for task, found in harmed.items()]
    steps += _for_a_review(chosen)
    weak = _weak(gains, runs)
    steps += _for_few_replies(chosen, weak, decodings)
    undecided = _undecided(chosen)
    steps += [_for_a_gate(gates) for gates in undecided.values()]
    steps += _for_weak_gains(weak) + _for_duplicates(gains)
    return steps + _for_more_runs(runs, decided=not (weak or undecided))


def _for_a_review(chosen: Complete) -> list[str]:
    """Return that replies are to be read where the study file wants a person to judge them."""
    if not any(gate.get("instead_of") == "review" for gate in chosen.gates):
        return []
    return [
        f"Read the replies of the untuned student and of {chosen.name}: Snakemake makes a page for "
        "it, `review/{student}.html` in the results folder; what it exports belongs into "
        "`reviews/`. No verdict above PROVISIONAL rests on anybody else."
    ]


def _for_incomplete(configurations: Sequence[Configuration]) -> list[str]:
    names = [one.name for one in configurations if not isinstance(one, Complete)]
    if not names:
        return []
    told = listed(names) if len(names) <= NAMED else f"{len(names)} configurations"
    return [f"Measure {told} first: what was not judged could not be chosen, and may be better."]


def _without_choice(least: Violation | None) -> list[str]:
    if least is None:
        return ["Run the missing cells: nothing can be judged without them."]
    return [
        "Go on with the untuned student: no configuration of this study can replace it.",
        f"Search more gently around {least['configuration']}: smaller learning rates, fewer "
        "epochs, or LoRA (`lora_space`).",
        "See under Configurations which limits would admit one, before changing any.",
    ]


def _for_side_effects(task: str, harmed: Sequence[SideEffect], chosen: Complete) -> str:
    """Return what to do where training on one task has done proven harm elsewhere."""
    gated = {gate["control"] for gate in chosen.gates}
    failed = {gate["control"] for gate in chosen.gates if not gate["passes"]}
    tasks = [place(one["evalset"]) for one in harmed if one["evalset"].endswith(".test")]
    controls = [one["evalset"] for one in harmed if not one["evalset"].endswith(".test")]
    sentences = []
    if tasks:
        sentences.append(
            f"Ship the checkpoint of {task} for {task} only and send it nothing of "
            f"{listed(tasks)}, where it is worse than the untuned student; one checkpoint for "
            "both needs a training on both."
        )
    if controls:
        free = [control for control in controls if control not in gated]
        allowed = f"no gate asks for {listed(free)}" if free else "its gates allow it"
        if harm := [control for control in controls if control in failed]:
            allowed = f"the gate on {listed(harm)} fails"
        sentences.append(
            f"Read the replies to {listed(controls)} that the checkpoint of {task} broke before "
            f"people meet it: it is worse there than the untuned student, and {allowed}."
        )
    return " ".join(sentences)


def _for_missing_runs(runs: Runs) -> list[str]:
    if not runs.missing:
        return []
    return [f"Run again for {listed(runs.missing)}: without every run nothing is proven."]


def _for_failing_runs(chosen: Complete, runs: Runs) -> list[str]:
    controls = {gate["control"]: None for run in runs.each for gate in failed_gates(run)}
    if not controls:
        return []
    return [
        f"Ask every further training of {chosen.name} for {listed(list(controls))} before people "
        "meet it, or take a configuration that loses less: one of its runs fails there."
    ]


def _for_more_runs(runs: Runs, decided: bool) -> list[str]:
    if not runs.replicated:
        return [
            "Set `replicates: 4` and run again, which trains the choice four times more: each "
            "configuration was trained once, and the intervals hold for other rows, not for "
            "another training run."
        ]
    if len(runs.each) < ENOUGH_RUNS and not decided and not runs.missing:
        return [
            f"Set `replicates: {ENOUGH_RUNS - 1}`: with {len(runs.each)} runs little is known of "
            "how much they differ, which makes intervals wide."
        ]
    return []


def _for_duplicates(gains: Gains) -> list[str]:
    weaker = [
        task
        for task, gain in gains.items()
        if gain and gain["without_duplicates"] and gain["without_duplicates"]["weaker"]
    ]
    if not weaker:
        return []
    return [
        f"Claim for {listed(weaker)} the gain without the test rows that are in train too, or "
        "take those out of the split."
    ]


def _for_few_replies(
    chosen: Complete, weak: Mapping[str, TaskGain], decodings: Mapping[str, Decoding]
) -> list[str]:
    """Return of which eval sets more replies to a prompt would prove more."""
    open_ones = {control: control for control in _undecided(chosen)}
    open_ones |= {task: f"{task}.test" for task in weak}
    few = [
        name
        for name, evalset in open_ones.items()
        if name in TASKS + CONTROLS
        and (evalset not in decodings or decodings[evalset]["samples"] < ENOUGH_REPLIES)
    ]
    if not few:
        return []
    return [
        f"Ask {listed(few)} for several replies to each prompt (`samples: {ENOUGH_REPLIES}`, "
        "`temperature: 0.7`): a single reply often comes out otherwise the next time, and the mean "
        "over several proves more by the same prompts. `make power` says how much here. Scores "
        "then say what users get who sample."
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


def _for_weak_gains(weak: Mapping[str, TaskGain]) -> list[str]:
    if not weak:
        return []
    sizes = [
        f"{task} {gain['more_samples']:,}" for task, gain in weak.items() if gain["more_samples"]
    ]
    more = f" (further rows at the observed rate: {', '.join(sizes)})" if sizes else ""
    return [f"Enlarge the test split of {listed(list(weak))}{more}, or do without a claim there."]


def _weak(gains: Gains, runs: Runs) -> dict[str, TaskGain]:
    """Return the gains that more evidence may prove: none that one of the runs does not have."""
    lost = {
        task
        for run in runs.each
        if runs.replicated
        for task, gain in run["gains"].items()
        if gain is not None and gain <= 0
    }
    return {
        task: gain
        for task, gain in gains.items()
        if gain and gain["evidence"] == "not proven" and task not in lost
    }


def _undecided(chosen: Complete) -> dict[str, list[JudgedGate]]:
    """Return the gates, by control, that more evidence may prove: none that a run fails."""
    return unproven(
        gate
        for gate in chosen.gates
        if gate["evidence"] == "not proven" and not gate.get("runs_failing")
    )
