"""Lines of aligned columns, for a terminal."""

from collections.abc import Sequence

Rows = Sequence[tuple[str, ...]]


def widths(rows: Rows) -> list[int]:
    """Return the length of the longest text of each column."""
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def aligned(rows: Rows, left: int = 1) -> list[str]:
    """Return rows as lines, the first `left` columns to the left, the others to the right."""
    longest = widths(rows)
    return [
        "  ".join(
            text.ljust(width) if number < left else text.rjust(width)
            for number, (text, width) in enumerate(zip(row, longest, strict=True))
        ).rstrip()
        for row in rows
    ]
