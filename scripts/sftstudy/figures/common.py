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


def empty(text: str) -> Figure:
    """Return a figure that only says why there is none."""
    figure = Figure(figsize=(7, 0.6))
    figure.text(0, 0.5, text, va="center")
    return figure
