"""The configurations of a student: their mean gain against what they cost."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sftstudy.figures import names
from sftstudy.figures.common import compute_unit, empty, rows_of
from sftstudy.figures.style import BLUE, INK, VERMILLION, panels
from sftstudy.tables.schema import Row, Tables


def pareto(tables: Tables, what: names.Figure) -> tuple[Figure, str]:
    title = f"Configurations of {what.student}: mean gain against loss of controls"
    axis = "largest loss of a control, % of its baseline (left is better)"
    return _scatter(tables, what, "control_loss", 100, axis), title


def cost(tables: Tables, what: names.Figure) -> tuple[Figure, str]:
    title = f"Configurations of {what.student}: mean gain against training compute"
    rows = rows_of(tables, "configurations", student=what.student)
    unit, name = compute_unit(max((row["train_flops"] or 0 for row in rows), default=0))
    axis = f"compute of the trainings on all tasks, {name} (left is cheaper)"
    return _scatter(tables, what, "train_flops", 1 / unit, axis), title


def _scatter(tables: Tables, what: names.Figure, key: str, unit: float, label: str) -> Figure:
    """Draw every complete configuration at its mean gain and its `key` times `unit`."""
    rows = [
        row
        for row in rows_of(tables, "configurations", student=what.student)
        if row["mean_gain"] is not None and row[key] is not None
    ]
    if not rows:
        return empty("No configuration is complete.")
    figure, grid = panels((5.7, 4.0), left=0.7, right=0.1, top=0.35, bottom=0.45)
    axes = grid[0, 0]
    places = {row["configuration"]: (unit * row[key], 100 * row["mean_gain"]) for row in rows}
    front = _front(rows, key)
    axes.plot(
        *zip(*(places[row["configuration"]] for row in front), strict=True),
        color=INK, alpha=0.4, linewidth=1, drawstyle="steps-post", label="Pareto front",
    )  # fmt: skip
    for status, colour, marker in (("feasible", BLUE, "o"), ("infeasible", VERMILLION, "X")):
        some = [places[row["configuration"]] for row in rows if row["status"] == status]
        x, y = zip(*some, strict=True) if some else ((), ())
        axes.plot(x, y, marker, markersize=6, label=status, color=colour)
    labelled = [*front, *(row for row in rows if row["chosen"] and row not in front)]
    _label(axes, labelled, places)
    for row in rows:
        if row["chosen"]:
            axes.plot(
                *places[row["configuration"]], "o", markersize=12, color=INK,
                markerfacecolor="none", label="chosen",
            )  # fmt: skip
    axes.margins(0.22, 0.14)
    axes.set_xlabel(label)
    axes.set_ylabel("mean gain on val splits, percentage points")
    figure.legend(loc="upper center", ncols=4)
    return figure


def _front(rows: list[Row], key: str) -> list[Row]:
    """Return the rows that gain more than every row of less or equal `key`, in its order."""
    front: list[Row] = []
    for row in sorted(rows, key=lambda row: (row[key], -row["mean_gain"])):
        if not front or row["mean_gain"] > front[-1]["mean_gain"]:
            front.append(row)
    return front


def _label(axes: Axes, rows: list[Row], places: dict[str, tuple[float, float]]) -> None:
    """Write names beside points: one above to the left, the next below to the right.

    So neighbours keep apart. Near the left or right edge the name stays inside.
    """
    ends = [x for x, _ in places.values()]
    for index, row in enumerate(rows):
        place, above = places[row["configuration"]], index % 2 == 0
        share = (place[0] - min(ends)) / ((max(ends) - min(ends)) or 1)
        right = share < 0.25 if above else share <= 0.75
        axes.annotate(
            row["configuration"],
            place,
            xytext=(8 if right else -8, 5 if above else -11),
            ha="left" if right else "right",
            textcoords="offset points",
            fontsize=8,
            weight="bold" if row["chosen"] else "normal",
        )
