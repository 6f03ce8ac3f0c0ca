"""What the figures share: rows of one student, and what is drawn where there is nothing to draw."""

from matplotlib.figure import Figure

from sftstudy.tables.schema import Row, Tables


def rows_of(tables: Tables, table: str, **wanted: str) -> list[Row]:
    """Return the rows of a table that have these values."""
    rows = tables[table]
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def text_width(labels: list[str]) -> float:
    """Return about how many inches the longest label takes at the house's size."""
    return 0.2 + 0.078 * max(map(len, labels))


def compute_unit(largest: float) -> tuple[float, str]:
    """Return a unit, in FLOPs, in which the largest of some computes has few digits; its name."""
    for power, name in ((18, "EFLOP"), (15, "PFLOP"), (12, "TFLOP"), (9, "GFLOP")):
        if largest >= 10**power:
            return 10.0**power, name
    return 1.0, "FLOP"


def empty(text: str) -> Figure:
    """Return a figure that only says why there is none."""
    figure = Figure(figsize=(7, 0.6))
    figure.text(0, 0.5, text, va="center")
    return figure
