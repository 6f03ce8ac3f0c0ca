"""Numbers as people read them."""

import math
from typing import Any

from sftstudy.pages.text import visible

MISSING = "\u2013"
MINUS = "\u2212"
LEVEL = 0.05  # of most tests


def percent(value: float | None) -> str:
    """Return a fraction as percent with one decimal: 0.7315 is ``73.2``."""
    return MISSING if value is None else f"{100 * value:.1f}".replace("-", MINUS)


def points(value: float | None) -> str:
    """Return a difference of fractions in percentage points, signed: 0.123 is ``+12.3``."""
    if value is None:
        return MISSING
    text = f"{100 * value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", MINUS)


def near(value: float, limit: float, decimals: int = 2, scale: float = 1) -> str:
    """Return a value that stands beside its limit with as many decimals as keep them apart.

    0.9513 is ``0.951`` beside 0.95, and ``0.95`` beside 0.9; what rounds to the limit, or past it,
    gets up to five decimals and is then ``just above 0.95``. With a `scale` of 100 both are shown
    as percent. A value that equals its limit reads like it.
    """
    shown, bound = scale * value, scale * limit
    if math.isclose(shown, bound, rel_tol=1e-9, abs_tol=1e-12):
        return f"{shown:.{decimals}f}".replace("-", MINUS)
    for places in range(decimals, 6):
        text = f"{shown:.{places}f}"
        read, limit_read = float(text), float(f"{bound:.{places}f}")
        if read != limit_read and (read > bound) == (shown > bound):
            return text.replace("-", MINUS)
    return f"just {'above' if value > limit else 'below'} {short(bound)}"


def hours(seconds: float | None) -> str:
    """Return seconds as hours with a unit that keeps two figures."""
    if seconds is None:
        return MISSING
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:,.1f} h"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 task``, ``4 tasks``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def lasting(seconds: float) -> str:
    """Return a duration in one or two units: ``40 s``, ``12 min``, ``3 h 20 min``, ``2 d 5 h``."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def p_value(p: float | None, level: float = LEVEL) -> str:
    """Return a p-value for people: ``p < 0.001``, or two significant figures.

    One beside its `level` gets as many as tell them apart.
    """
    if p is None:
        return ""
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p_digits(p, level)}"


def p_digits(p: float, level: float = LEVEL) -> str:
    """Return a p-value in two significant digits, or as many as tell it from its level."""
    text = f"{p:.2g}"
    return near(p, level, 3) if float(text) == level else text


def short(value: float) -> str:
    """Return four significant figures, exponents without padding: 0.00005 is ``5e-5``."""
    return f"{value:.4g}".replace("e-0", "e-").replace("e+0", "e")


def number(value: Any) -> str:
    """Return a number without noise digits, other values as text, None as a dash."""
    if value is None or value == "":
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return short(value)
    return f"{value:,}" if isinstance(value, int) else visible(str(value))
