"""The sentences on what training changed: the gains, and beside them the side effects."""

from collections.abc import Mapping, Sequence

from sftstudy.documents.recommendation import SideEffect, TaskGain, WithoutDuplicates
from sftstudy.pages.numbers import p_digits, points
from sftstudy.pages.text import place
from sftstudy.recommendation.phrases import by_training, listed, measured, more
from sftstudy.statistics.multiplicity import ALPHA


def gains_told(gains: Mapping[str, TaskGain | None]) -> list[str]:
    """Return what is known of the gains on the test splits."""
    sentences = []
    proven = {task: gain for task, gain in gains.items() if gain and gain["evidence"] == "proven"}
    if proven:
        barely = [
            f"{task} (adjusted p = {p_digits(gain['p_holm'])})"
            for task, gain in proven.items()
            if gain["only_just"]
        ]
        sentences.append(
            f"The gain over the baseline on the test split is proven on {', '.join(proven)} "
            f"(Holm-adjusted over the tasks){f', only just on {listed(barely)}' if barely else ''}."
        )
    for task, gain in gains.items():
        if gain is None:
            sentences.append(f"The gain on {task} is not known: its test split was not measured.")
        elif gain["evidence"] == "violated":
            sentences.append(
                f"On {task} the tuned student is worse than the baseline, and that is "
                f"{'only just ' if gain['only_just'] else ''}proven: {_points(gain)}."
            )
        elif gain["evidence"] == "not proven":
            sentences.append(
                f"The gain on {task} is not proven: {_points(gain)}; {more(gain['more_samples'])}."
            )
    return sentences


def duplicates_told(gains: Mapping[str, TaskGain | None]) -> list[str]:
    """Return which gains were measured on rows that have duplicates in train."""
    return [
        _duplicates(task, gain, gain["without_duplicates"])
        for task, gain in gains.items()
        if gain and gain["without_duplicates"]
    ]


def _points(gain: TaskGain) -> str:
    return (
        f"{points(gain['value'])} points, {_interval(gain['low'], gain['high'])}, "
        f"n = {gain['n']}, adjusted p = {p_digits(gain['p_holm'])}"
    )


def _interval(low: float, high: float) -> str:
    return f"95% interval {points(low)} to {points(high)}"


def _duplicates(task: str, gain: TaskGain, without: WithoutDuplicates) -> str:
    """Return how many rows of a test split have a duplicate in train, and the gain without them."""
    count = without["exact"] + without["near"]
    found = (
        f"{'Warning: ' if without['weaker'] else ''}{count} of the {gain['n']} test rows of {task} "
        f"{'have' if count > 1 else 'has'} a duplicate among its train rows ({without['exact']} "
        f"exact, {without['near']} near)"
    )
    value, low, high, p = (without[key] for key in ("value", "low", "high", "p_holm"))
    if value is None or low is None or high is None or p is None:
        return f"{found}, and too few are left without them for a comparison (n = {without['n']})."
    told = (
        f"{points(value)} points instead of {points(gain['value'])} ({_interval(low, high)}, "
        f"n = {without['n']}, adjusted p = {p_digits(p)})"
    )
    lost = gain["evidence"] == "proven" and p > ALPHA
    return f"{found}; without them the gain is {told}{', and not proven any more' if lost else ''}."


def side_effects_told(effects: Sequence[SideEffect]) -> list[str]:
    """Return what training on one task does elsewhere: every proven loss, and the largest other."""
    if not effects:
        return []
    sentences = [
        f"Training on {task} costs {listed([_loss(effect) for effect in lost])}: "
        f"{'all ' if len(lost) > 1 else ''}proven."
        for task, lost in by_training(effects, "violated").items()
    ]
    missing = sum(effect["evidence"] == "missing" for effect in effects)
    if missing < len(effects):
        sentences.append(_largest_unproven(effects, any_proven=bool(sentences)))
    gained = [
        f"{place(effect['evalset'])} {points(effect['value'])} points after {task}"
        for task, found in by_training(effects, "proven").items()
        for effect in found
    ]
    if gained:
        sentences.append(f"Proven gains elsewhere: {', '.join(gained)}.")
    if missing:
        sentences.append(f"{missing} of {len(effects)} side effects were not measured.")
    return sentences


def _loss(effect: SideEffect) -> str:
    where = " on its test split" if effect["evalset"].endswith(".test") else ""
    barely = ", only just" if effect["only_just"] else ""
    p = p_digits(measured(effect["p_holm"]))
    return (
        f"{place(effect['evalset'])} {-100 * measured(effect['value']):.1f} points{where} "
        f"({_interval(measured(effect['low']), measured(effect['high']))}, n = {effect['n']}, "
        f"adjusted p = {p}{barely})"
    )


def _largest_unproven(effects: Sequence[SideEffect], any_proven: bool) -> str:
    """Return the largest loss elsewhere that is not proven, or that there is none."""
    lower = [e for e in effects if e["evidence"] == "not proven" and measured(e["value"]) < 0]
    if not lower:
        return f"No {'other ' if any_proven else ''}loss elsewhere was seen."
    effect = min(lower, key=lambda effect: measured(effect["value"]))
    largest = (
        "The largest loss elsewhere that is not proven"
        if any_proven
        else "No loss elsewhere is proven; the largest that was seen"
    )
    value, low, high = (measured(effect[key]) for key in ("value", "low", "high"))
    return (
        f"{largest}: {place(effect['evalset'])} {points(value)} points after training on "
        f"{effect['trained_on']} ({_interval(low, high)}, n = {effect['n']}, adjusted p = "
        f"{p_digits(measured(effect['p_holm']))})."
    )
