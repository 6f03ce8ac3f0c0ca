"""Lines of aligned columns, for a terminal."""

from collections.abc import Sequence

Rows = Sequence[tuple[str, ...]]


def widths(rows: Rows) -> list[int]:
    """Return the width of each column."""
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def aligned(rows: Rows, left: int = 1) -> list[str]:
    """Return rows as lines, the first `left` columns to the left, the others to the right."""
    columns = list(enumerate(widths(rows)))
    return [
        "  ".join(
            row[number].ljust(width) if number < left else row[number].rjust(width)
            for number, width in columns
        ).rstrip()
        for row in rows
    ]
