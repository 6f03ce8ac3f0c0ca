"""What a test's p-value says in words: proven, violated, not proven, and whether by little."""

from typing import Literal

from sftstudy.statistics.multiplicity import ALPHA

Evidence = Literal["proven", "not proven", "violated"]


def of_change(value: float, p: float) -> Evidence:
    """Return what the two-sided, adjusted `p` says of a change: proven better, or proven worse."""
    if p > ALPHA:
        return "not proven"
    return "proven" if value > 0 else "violated"


def of_gate(p: float, against: float, alpha: float) -> Evidence:
    """Return what a gate's one-sided p-values say: that it is kept, or (`against`) broken."""
    if p <= alpha:
        return "proven"
    return "violated" if against <= alpha else "not proven"


def only_just(p: float, level: float) -> bool:
    """Return whether a test decides, but by little: p is above half of its `level`.

    Were the estimate the truth, as many other rows would then miss the level in 38 to 50% of draws
    (of a normal statistic, at one-sided 5% and 2.5%): "proven" alone would say too much.
    """
    return level / 2 < p <= level
