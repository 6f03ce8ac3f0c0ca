"""Words and numbers that the sentences of reasons and next steps share."""

import math
from collections.abc import Iterable, Sequence
from typing import TypedDict

from sftstudy.documents.recommendation import JudgedBy, JudgedGate, SideEffect
from sftstudy.pages.numbers import near
from sftstudy.recommendation.cells import all_known
from sftstudy.statistics.gates import LEVELS


def by_control(gates: Iterable[JudgedGate]) -> dict[str, list[JudgedGate]]:
    """Return gates by their control."""
    found: dict[str, list[JudgedGate]] = {}
    for gate in gates:
        found.setdefault(gate["control"], []).append(gate)
    return found


def judged_by(gate: JudgedBy) -> str:
    """Return whose verdicts a gate rests on; empty where a scorer alone can tell."""
    by = gate.get("by")
    if not by:
        return ""
    if "read" in gate:
        return f"by {by}, {gate['read']:,} of {gate['replies']:,} replies read"
    return f"by {by}" + (f", not by {gate['instead_of']}" if "instead_of" in gate else "")


def unproven(gates: Iterable[JudgedGate]) -> dict[str, list[JudgedGate]]:
    """Return the gates that are not proven, by control."""
    return by_control(gate for gate in gates if gate["evidence"] != "proven")


def proven_limit(gates: Iterable[JudgedGate]) -> float | None:
    """Return the limit, rounded down to a hundredth, that the data prove for all of `gates`.

    The lower end of the 95% interval excludes everything below it at one-sided 2.5%. None where a
    gate has no interval.
    """
    lows = all_known(gate["low"] for gate in gates)
    return math.floor(100 * min(lows)) / 100 if lows else None


def limit_of(gate: JudgedGate) -> float | None:
    """Return the limit of what a gate's interval is of: of the value, or of the ratio."""
    if gate["statistic"] == "value" or gate["threshold"] is None:
        return gate["threshold"]
    return gate["threshold"] / gate["baseline"] if gate["baseline"] else None


def level_of(gate: JudgedGate) -> float:
    """Return what the p of a gate must not exceed for a proof."""
    return gate.get("level", LEVELS[gate["statistic"]])


def most_samples(gates: Iterable[JudgedGate]) -> int | None:
    """Return how many further rows would decide all of `gates`; None where none would."""
    needed = all_known(gate["more_samples"] for gate in gates)
    return max(needed) if needed else None


def more(samples: int | None) -> str:
    """Return what further rows would do."""
    if samples is None:
        return "at the observed rate no number of samples would decide"
    return f"about {samples:,} further samples would decide at the observed rate"


def listed(names: Sequence[str]) -> str:
    """Return names as an enumeration: ``a, b and c``."""
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]


def percent(value: float | None, beside: float | None = None) -> str:
    """Return a fraction in percent; of one that stands `beside` another, which side it is on."""
    if value is None:
        return "not measured"
    return f"{100 * value:.1f}%" if beside is None else f"{near(value, beside, 1, 100)}%"


class Evident(TypedDict):
    """What has evidence: a gate, a gain, a side effect."""

    evidence: str
    only_just: bool


def strength(judged: Evident) -> str:
    """Return evidence in words: ``proven``, ``only just proven``."""
    return f"only just {judged['evidence']}" if judged["only_just"] else judged["evidence"]


def measured(value: float | None) -> float:
    """Return a number of something that has evidence, so that it is there."""
    assert value is not None, "what has no number has no evidence"
    return value


def by_training(effects: Iterable[SideEffect], evidence: str) -> dict[str, list[SideEffect]]:
    """Return the side effects of one evidence by the task trained on, the largest first."""
    found: dict[str, list[SideEffect]] = {}
    for effect in sorted(effects, key=lambda effect: -abs(effect["value"] or 0.0)):
        if effect["evidence"] == evidence:
            found.setdefault(effect["trained_on"], []).append(effect)
    return found
