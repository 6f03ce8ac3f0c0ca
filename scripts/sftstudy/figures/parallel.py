"""All configurations of a student at a glance: hyperparameters, gain, loss and cost in parallel."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sftstudy.figures import names
from sftstudy.figures.common import compute_unit, empty, rows_of, text_width
from sftstudy.figures.style import BLUE, INK, PAPER, VERMILLION, panels
from sftstudy.pages.numbers import MINUS, number
from sftstudy.recommendation.cells import all_known
from sftstudy.tables.schema import AXES, Row, Tables, varying

_BAND = 0.62  # share of the room of a value over which its lines are spread


@dataclass(frozen=True)
class _Scale:
    """One vertical axis: heading, the labels on it, and each row's height, 0 to 1."""

    heading: str
    unit: str  # or what of the heading needs a second line
    labels: Sequence[tuple[float, str]]
    heights: Sequence[float]


def parallel(tables: Tables, what: names.Figure) -> tuple[Figure, str]:
    """One line per complete configuration; what is better is higher."""
    title = f"Configurations of {what.student}: hyperparameters, gain, control loss and compute"
    found = rows_of(tables, "configurations", student=what.student)
    trials = {row["trial"]: row for row in rows_of(tables, "trials", student=what.student)}
    rows = sorted(
        (row for row in found if row["mean_gain"] is not None and row["configuration"] in trials),
        key=lambda row: row["mean_gain"],
    )
    if not rows:
        return empty("No configuration is complete."), title
    settings = [trials[row["configuration"]] for row in rows]
    scales = [_values(axis, [one[axis] for one in settings]) for axis in varying(settings)]
    scales += _outcomes(rows)
    shown = _shown(tables, what, rows)
    right = 0.1 + text_width([shown["configuration"] if shown else "", "least violating"])
    figure, grid = panels(
        (1.22 * (len(scales) - 1) + 0.6 + right, 3.5), left=0.6, right=right, top=0.75, bottom=0.1
    )
    axes = grid[0, 0]
    for index, row in enumerate(rows):
        _line(axes, [scale.heights[index] for scale in scales], row, row is shown)
    for x, scale in enumerate(scales):
        _axis(axes, x, scale)
    if shown:
        _name(axes, len(scales) - 1, scales[-1].heights[rows.index(shown)], shown)
    axes.set_xlim(0, len(scales) - 1)
    axes.set_ylim(-0.03, 1.03)
    axes.set_axis_off()
    _legend(figure, axes, rows, len(found) - len(rows))
    return figure, title


def _shown(tables: Tables, what: names.Figure, rows: list[Row]) -> Row | None:
    """Return the chosen configuration, or the least violating one where none is chosen."""
    verdicts = rows_of(tables, "recommendations", student=what.student)
    name = next((one["chosen"] or one["least_violating"] for one in verdicts), None)
    return next((row for row in rows if row["configuration"] == name), None)


def _values(axis: str, values: list) -> _Scale:
    """Return the scale of a hyperparameter.

    Lines through one value are spread, in the order of their gain, so that they can be followed.
    """
    known = {value for value in values if value is not None}
    text = any(isinstance(value, str) for value in known)
    levels = [value for value in dict.fromkeys(values) if value is not None]
    levels = levels if text else sorted(levels)
    levels += [None] if None in values else []
    room = 1 / len(levels)
    heights = []
    for index, value in enumerate(values):
        rank, count = values[:index].count(value), values.count(value)
        spread = _BAND * ((rank + 0.5) / count - 0.5)
        heights.append(room * (levels.index(value) + 0.5 + spread))
    places = [
        (room * (index + 0.5), number(value).replace("_", "_\n"))
        for index, value in enumerate(levels)
    ]
    name = AXES[axis]
    first, _, second = name.partition(" ") if len(name) > 15 else (name, "", "")
    return _Scale(first, second, places, heights)


def _outcomes(rows: list[Row]) -> list[_Scale]:
    """Return the scales of what configurations bring and cost; less of a cost is higher."""
    scales = [_numeric("mean gain", "points", [100 * row["mean_gain"] for row in rows])]
    losses, computes = (
        all_known(row[key] for row in rows) for key in ("control_loss", "train_flops")
    )
    if losses:
        scales.append(_numeric("control loss", "%, less is up", [-100 * loss for loss in losses]))
    if computes:
        unit, name = compute_unit(max(computes))
        costs = [-compute / unit for compute in computes]
        scales.append(_numeric("compute", f"{name}, less is up", costs))
    return scales


def _numeric(heading: str, unit: str, values: list[float]) -> _Scale:
    """Return the scale of numbers; costs come negated, and are labelled by what they are."""
    low, high = min(values), max(values)
    if low == high:  # no configuration is better: none at an end of the axis
        low, high = low - 0.5, high + 0.5
    span = high - low
    sign = -1 if "less" in unit else 1
    ticks = [tick for tick in MaxNLocator(4).tick_values(low, high) if low <= tick <= high]
    labels = [
        ((tick - low) / span, _digits(sign * tick).replace("-", MINUS))
        for tick in (ticks if len(set(values)) > 1 else values[:1])
    ]
    return _Scale(heading, unit, labels, [(value - low) / span for value in values])


def _digits(value: float) -> str:
    """Return a number in four digits, without exponents."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value + 0.0:.4g}"


def _line(axes: Axes, heights: list[float], row: Row, shown: bool) -> None:
    feasible = row["status"] == "feasible"
    axes.plot(
        range(len(heights)), heights, color=INK if shown else BLUE if feasible else VERMILLION,
        linewidth=2.6 if shown else 1.2, alpha=1 if shown else 0.9,
        linestyle="-" if feasible else (0, (4, 2)), zorder=3 if shown else 2, clip_on=False,
    )  # fmt: skip


def _axis(axes: Axes, x: int, scale: _Scale) -> None:
    axes.vlines(x, 0, 1, color=INK, linewidth=0.8, alpha=0.5, clip_on=False)
    for text, lift, weight in ((scale.heading, 18, "bold"), (scale.unit, 7, "normal")):
        axes.annotate(
            text, (x, 1), xytext=(0, lift), textcoords="offset points", ha="center", va="bottom",
            weight=weight, annotation_clip=False,
        )  # fmt: skip
    for height, label in scale.labels:
        axes.annotate(
            label, (x, height), xytext=(-4, 0), textcoords="offset points", ha="right",
            va="center", fontsize=8.5, annotation_clip=False, zorder=5,
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.8, "alpha": 0.85},
        )  # fmt: skip


def _name(axes: Axes, x: int, height: float, row: Row) -> None:
    lines = row["configuration"], "chosen" if row["chosen"] else "least violating"
    for text, lift in zip(lines, (5, -6), strict=True):
        # At the top it stays below the headings.
        axes.annotate(
            text, (x, min(height, 0.93)), xytext=(7, lift), textcoords="offset points",
            va="center", weight="bold", annotation_clip=False,
        )  # fmt: skip


def _legend(figure: Figure, axes: Axes, rows: list[Row], incomplete: int) -> None:
    for status, colour, dashes in (
        ("feasible", BLUE, "-"),
        ("infeasible", VERMILLION, (0, (4, 2))),
    ):
        if any(row["status"] == status for row in rows):
            axes.plot([], [], color=colour, linestyle=dashes, label=status)
    figure.legend(loc="upper left", ncols=2)
    if incomplete:
        figure.text(0.99, 0.985, f"{incomplete} incomplete: not drawn", ha="right", va="top")
