"""Words and numbers that the sentences of reasons and next steps share."""

import math
from collections.abc import Iterable, Sequence

from sftstudy.documents.recommendation import JudgedGate
from sftstudy.recommendation.cells import all_known


def unproven(gates: Iterable[JudgedGate]) -> dict[str, list[JudgedGate]]:
    """Return the gates that are not proven, by control."""
    found: dict[str, list[JudgedGate]] = {}
    for gate in gates:
        if gate["evidence"] != "proven":
            found.setdefault(gate["control"], []).append(gate)
    return found


def proven_limit(gates: Iterable[JudgedGate]) -> float | None:
    """Return the limit, rounded down to a hundredth, that the data prove for all of `gates`.

    The lower end of the 95% interval excludes everything below it at one-sided 2.5%. None where a
    gate has no interval.
    """
    lows = all_known(gate["low"] for gate in gates)
    return math.floor(100 * min(lows)) / 100 if lows else None


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


def percent(value: float | None) -> str:
    """Return a fraction in percent."""
    return "not measured" if value is None else f"{100 * value:.1f}%"
