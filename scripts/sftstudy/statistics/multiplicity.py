"""Several tests at once."""

from collections.abc import Sequence

ALPHA = 0.05  # the level of every two-sided test, after adjustment


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values, in the order given.

    Rejecting where the adjusted value is at most `ALPHA` keeps the chance of any false rejection
    at `ALPHA`, whatever the tests' dependence. Holm (1979).
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, (len(p_values) - rank) * p_values[index])
        adjusted[index] = min(1.0, largest)
    return adjusted
