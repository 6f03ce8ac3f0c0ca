"""The scores of all trials of a student on one task, by a hyperparameter."""

from urllib.parse import quote, urlencode

from matplotlib.artist import Artist
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
    size = 2.4 + 1.98 * len(evalsets), 2.45
    figure, grid = panels(
        size, (1, len(evalsets)), left=0.5, right=1.95, top=0.25, bottom=0.45, gap=(0.4, 0)
    )
    for panel, evalset in zip(grid[0], evalsets, strict=True):
        scores = {
            row["variant"]: row
            for row in rows_of(tables, "metrics", student=what.student, evalset=evalset)
            if row["primary"] and row["value"] is not None
        }
        places = _trial_panel(panel, known, scores, axis, series)
        _link(panel, places, what, evalset, _failed(tables, what, evalset))
        _reference_lines(panel, tables, what, evalset, scores.get(BASE))
        panel.set_title(evalset)
        panel.set_xlabel(AXES[axis])
    grid[0, 0].set_ylabel("score, %")
    handles: dict[str, Artist] = {}
    for panel in grid[0]:
        handles |= dict(zip(*reversed(panel.get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles.keys(), loc="upper right")
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
) -> dict[str, tuple[float, float]]:
    """Draw every trial that was scored; return where each one's point lies."""
    places: dict[str, tuple[float, float]] = {}
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
        found = [score["trial"] for _, score in series_points]
        places |= dict(zip(found, zip(x, y, strict=True), strict=True))
        label = ", ".join(f"{AXES[n]} {number(value)}" for n, value in setting if value is not None)
        panel.errorbar(
            x, y, error, fmt=MARKERS[index % len(MARKERS)], color=COLOURS[index % len(COLOURS)],
            markersize=4.5, elinewidth=1, label=label or "trials",
        )  # fmt: skip
    panel.set_xticks(list(positions.values()), [number(value) for value in positions])
    panel.set_xlim(-0.5, len(positions) - 0.5)
    panel.grid(visible=False, axis="x")
    return places


def _failed(tables: Tables, what: names.Figure, control: str) -> set[str]:
    """Return the trials on the task that fail the gate on a control."""
    gates = rows_of(tables, "gates", student=what.student, task=what.task, control=control)
    return {row["trial"] for row in gates if not row["passes"]}


def _link(
    panel: Axes,
    places: dict[str, tuple[float, float]],
    what: names.Figure,
    evalset: str,
    failed: set[str],
) -> None:
    """Let points lead to their replies in the page: all on val, on a control those that fail.

    What is clicked lies invisible over the points and is larger than they are.
    """
    own = evalset == f"{what.task}.val"
    linked = {trial: place for trial, place in places.items() if own or trial in failed}
    if linked:
        x, y = zip(*linked.values(), strict=True)
        clicked = panel.scatter(x, y, s=121, zorder=5, color=INK)
        clicked.set_edgecolor("none")
        clicked.set_clip_on(False)
        clicked.set_urls([_address(what, trial, evalset) for trial in linked])


def _address(what: names.Figure, trial: str, evalset: str) -> str:
    """Return the address, within the report, of a trial's replies to an eval set."""
    asked = {"student": what.student, "trained": what.task, "trial": trial, "evalset": evalset}
    return f"#predictions?{urlencode(asked | {'outcome': 'all'}, quote_via=quote)}"


def _reference_lines(
    panel: Axes, tables: Tables, what: names.Figure, evalset: str, base: Row | None
) -> None:
    if base is not None:
        panel.axhline(
            100 * base["value"], color=INK, linewidth=0.9, linestyle=(0, (4, 2)), label="baseline"
        )
    gates = rows_of(tables, "gates", student=what.student, task=what.task, control=evalset)
    if gates and gates[0]["threshold"] is not None:
        threshold = 100 * gates[0]["threshold"]
        panel.axhline(
            threshold, color=VERMILLION, linewidth=1.1, linestyle=(0, (1, 1.5)), label="gate"
        )
