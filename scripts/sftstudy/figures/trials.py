"""The scores of all trials of a student on one task, by a hyperparameter."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sftstudy.figures import names
from sftstudy.figures.common import empty, rows_of
from sftstudy.figures.style import COLOURS, INK, MARKERS, VERMILLION, panels
from sftstudy.pages.numbers import number
from sftstudy.study.variants import BASE
from sftstudy.tables.schema import AXES, Row, Tables, varying


def trials(tables: Tables, what: names.Figure) -> tuple[Figure, str]:
    """Small multiples: the task's val split and each control, by a hyperparameter."""
    title = f"Trials of {what.student} on {what.task}: scores with 95% intervals"
    rows = rows_of(tables, "trials", student=what.student, task=what.task)
    known = [row for row in rows if row["learning_rate"] is not None]
    if not known:
        return empty(f"No trial of {what.task} has been trained."), title
    axis, series = _layout(known)
    evalsets = _evalsets(tables, what)
    size = 2.7 + 2.3 * len(evalsets), 2.45
    figure, grid = panels(
        size, (1, len(evalsets)), left=0.55, right=2.1, top=0.25, bottom=0.45, gap=(0.45, 0)
    )
    for panel, evalset in zip(grid[0], evalsets, strict=True):
        scores = {
            row["variant"]: row
            for row in rows_of(tables, "metrics", student=what.student, evalset=evalset)
            if row["primary"] and row["value"] is not None
        }
        _trial_panel(panel, known, scores, axis, series)
        _reference_lines(panel, tables, what, evalset, scores.get(BASE))
        panel.set_title(evalset)
        panel.set_xlabel(AXES[axis])
    grid[0, 0].set_ylabel("score, %")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper right")
    return figure, title


def _layout(rows: list[Row]) -> tuple[str, list[tuple]]:
    """Return the hyperparameter of the x axis, and the settings of the others, one per series."""
    axes = varying(rows)
    axis = axes[0] if axes else "learning_rate"
    others = [name for name in axes if name != axis]
    return axis, list(dict.fromkeys(tuple((n, row[n]) for n in others) for row in rows))


def _evalsets(tables: Tables, what: names.Figure) -> list[str]:
    controls = dict.fromkeys(
        row["evalset"] for row in tables["metrics"]
        if row["student"] == what.student and "." not in row["evalset"]
    )  # fmt: skip
    return [f"{what.task}.val", *controls]


def _trial_panel(
    panel: Axes, rows: list[Row], scores: dict[str, Row], axis: str, series: list[tuple]
) -> None:
    positions = {value: x for x, value in enumerate(dict.fromkeys(row[axis] for row in rows))}
    for index, setting in enumerate(series):
        # Side by side, or the intervals would cover each other.
        shift = 0.14 * (index - (len(series) - 1) / 2)
        series_points = [
            (positions[row[axis]] + shift, scores[f"{row['task']}/{row['trial']}"])
            for row in rows
            if all(row[name] == value for name, value in setting)
            and f"{row['task']}/{row['trial']}" in scores
        ]
        if not series_points:
            continue
        x = [position for position, _ in series_points]
        y = [100 * score["value"] for _, score in series_points]
        # Of a share of 0 or 1 rounding may put an end of the interval a hair's breadth beyond it.
        error = [
            [100 * max(0.0, score["value"] - score["low"]) for _, score in series_points],
            [100 * max(0.0, score["high"] - score["value"]) for _, score in series_points],
        ]
        label = ", ".join(f"{AXES[n]} {number(value)}" for n, value in setting if value is not None)
        panel.errorbar(
            x, y, error, fmt=MARKERS[index % len(MARKERS)], color=COLOURS[index % len(COLOURS)],
            markersize=4.5, elinewidth=1, label=label or "trials",
        )  # fmt: skip
    panel.set_xticks(list(positions.values()), [number(value) for value in positions])
    panel.set_xlim(-0.5, len(positions) - 0.5)
    panel.grid(visible=False, axis="x")


def _reference_lines(
    panel: Axes, tables: Tables, what: names.Figure, evalset: str, base: Row | None
) -> None:
    if base is not None:
        panel.axhline(
            100 * base["value"], color=INK, linewidth=0.9, linestyle=(0, (4, 2)), label="baseline"
        )
    gates = rows_of(tables, "gates", student=what.student, task=what.task, control=evalset)
    if gates:
        threshold = 100 * gates[0]["threshold"]
        panel.axhline(threshold, color=VERMILLION, linewidth=1.1, linestyle=(0, (1, 1.5)))
        panel.annotate(
            "gate", (1, threshold), xycoords=("axes fraction", "data"), xytext=(0, -8),
            textcoords="offset points", ha="right", color=VERMILLION, fontsize=8,
        )  # fmt: skip
