"""What each hyperparameter does to mean gain and control loss, the others being equal."""

import math
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sftstudy.figures import names
from sftstudy.figures.common import empty, rows_of
from sftstudy.figures.style import BLUE, GREY, VERMILLION, panels
from sftstudy.pages.numbers import number, percent, points
from sftstudy.tables.schema import AXES, Row, Tables

_COLUMNS = 3  # panels side by side
_COLOURS = {"gain": BLUE, "loss": VERMILLION}
_LABELS = {"gain": "mean gain, points", "loss": "control loss, %"}


def effects(tables: Tables, what: names.Figure) -> tuple[Figure, str]:
    """Small multiples: one per hyperparameter, gain above, control loss below."""
    title = f"Main effects of the hyperparameters of {what.student}"
    rows = {
        outcome: rows_of(tables, "effects", student=what.student, outcome=outcome)
        for outcome in _LABELS
    }
    if not rows["gain"]:
        return empty("No hyperparameter varies over the complete configurations."), title
    if all(row["mean"] is None for row in rows["loss"]):
        del rows["loss"]
    axes = list(dict.fromkeys((row["axis"], row["among"]) for row in rows["gain"]))
    lines = math.ceil(len(axes) / _COLUMNS)
    names_below = 0.15 * max(_label(row).count("\n") for row in rows["gain"])
    figure, grid = panels(
        (5.7, lines * len(rows) * (1.75 + names_below)),
        (lines * len(rows), _COLUMNS),
        left=0.55, right=0.1, top=0.5, bottom=0.25 + names_below,
        gap=(0.25, 0.75 + names_below),
    )  # fmt: skip
    for index, (axis, among) in enumerate(axes):
        line, column = divmod(index, _COLUMNS)
        for offset, (outcome, all_rows) in enumerate(rows.items()):
            panel = grid[line * len(rows) + offset, column]
            own = [row for row in all_rows if (row["axis"], row["among"]) == (axis, among)]
            _panel(panel, own, all_rows)
            if column == 0:
                panel.set_ylabel(_LABELS[outcome])
            panel.tick_params(labelleft=column == 0)
    for panel in grid[-len(rows) :, (len(axes) - 1) % _COLUMNS + 1 :].flat:
        panel.set_visible(False)
    return figure, title


def _panel(panel: Axes, rows: list[Row], all_rows: list[Row]) -> None:
    """Draw one hyperparameter on the scale of all, `rows` being its own."""
    first = rows[0]
    colour = _COLOURS[first["outcome"]] if first["distinguishable"] else GREY
    for x, row in enumerate(rows):
        if row["mean"] is None:
            continue
        ends = [100 * (row["mean"] - row["difference"] + row[end]) for end in ("low", "high")]
        panel.vlines(x, *ends, color=colour, linewidth=1.6)
        panel.plot(x, 100 * row["mean"], "o", color=colour, markersize=5)
        text = points(row["mean"]) if row["outcome"] == "gain" else percent(row["mean"])
        right = x < len(rows) - 1
        panel.annotate(
            text, (x, 100 * row["mean"]), xytext=(5 if right else -5, 0), va="center",
            ha="left" if right else "right", textcoords="offset points", fontsize=8,
        )  # fmt: skip
    panel.set_ylim(*_limits(all_rows))
    panel.set_xlim(-0.4, len(rows) - 0.6)
    panel.set_xticks(range(len(rows)), [_label(row) for row in rows])
    panel.grid(visible=False, axis="x")
    name = AXES[first["axis"]] + (f" ({first['among']})" if first["among"] else "")
    panel.set_title(name, pad=25)
    panel.text(
        0, 1.03, _verdict(first), transform=panel.transAxes, fontsize=8, va="bottom",
        linespacing=1.25,
    )  # fmt: skip


def _label(row: Row) -> str:
    """Return the value of a row, long names on several lines."""
    return number(row["value"]).replace("_", "_\n")


def _limits(rows: list[Row]) -> tuple[float, float]:
    """Return the ends of the scale, in percent, on which all intervals find room."""
    known = [row for row in rows if row["mean"] is not None]
    middles = [row["mean"] - row["difference"] for row in known]
    low = min((m + row["low"] for m, row in zip(middles, known, strict=True)), default=0.0)
    high = max((m + row["high"] for m, row in zip(middles, known, strict=True)), default=1.0)
    room = 0.06 * (high - low) or 0.01
    return 100 * (low - room), 100 * (high + room)


def _verdict(row: Row) -> str:
    """Return in two lines what a panel shows."""
    if row["largest"] is None:
        return fill(row["note"] or "not measured", 28)
    if not row["distinguishable"]:
        return "not distinguishable\nfrom noise of the rows"
    between = f"({percent(row['largest_low'])} to {percent(row['largest_high'])})"
    share = f"{100 * row['share']:.0f}% of the variance"
    return f"differ by {percent(row['largest'])} {between}\n{share}"
