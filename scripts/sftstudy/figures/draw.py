"""Drawing every figure of a study from its tables."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from sftstudy.figures import names
from sftstudy.figures.style import BLUE, COLOURS, INK, MARKERS, VERMILLION, panels, save, style
from sftstudy.pages.numbers import number, points
from sftstudy.tables.schema import AXES, varying

Row = dict[str, Any]
Tables = dict[str, list[Row]]

# Losses and gains in two hues that colour-blind readers tell apart, no change in between.
_CHANGES = LinearSegmentedColormap.from_list("changes", [VERMILLION, "#f4f1ec", BLUE])
_ALPHA = 0.05


def draw_all(tables: Tables, students: list[str], tasks: list[str], folder: Path) -> None:
    """Write every figure of `names.figures` into `folder`."""
    for figure in names.figures(students, tasks):
        with style(figure.name):
            drawn, title = _KINDS[figure.kind](tables, figure)
            save(drawn, folder / f"{figure.name}.svg", title)


def _of(tables: Tables, table: str, **wanted: str) -> list[Row]:
    rows = tables[table]
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def _text_width(labels: list[str]) -> float:
    """Return about how many inches the longest label takes at the house's size."""
    return 0.2 + 0.078 * max(map(len, labels))


def _empty(text: str) -> Figure:
    figure = Figure(figsize=(7, 0.6))
    figure.text(0, 0.5, text, va="center")
    return figure


# -- gains ------------------------------------------------------------------------------------


def _gains(tables: Tables, _: names.Figure) -> tuple[Figure, str]:
    """One panel per task, one line per student: the change on the test split of its own task."""
    title = "Change against the baseline on each task's test split, with 95% intervals"
    rows = [
        row
        for row in tables["forgetting"]
        if row["evalset"] == f"{row['trained_on']}.test" and row["change"] is not None
    ]
    if not rows:
        return _empty("No tuned student has been scored on a test split."), title
    tasks = list(dict.fromkeys(row["trained_on"] for row in rows))
    students = list(dict.fromkeys(row["student"] for row in rows))
    size = 2.2 + 1.9 * len(tasks), 0.85 + 0.3 * len(students)
    figure, grid = panels(
        size, (1, len(tasks)), left=_text_width(students), right=0.1, top=0.25, bottom=0.5,
        gap=(0.25, 0), share_y=True,
    )  # fmt: skip
    for panel, task in zip(grid[0], tasks, strict=True):
        for row in rows:
            if row["trained_on"] == task:
                _gain_line(panel, row, students.index(row["student"]))
        panel.axvline(0, color=INK, linewidth=0.8)
        panel.set_title(task)
        panel.set_xlabel("change, percentage points")
        panel.grid(visible=False, axis="y")
    grid[0, 0].set_yticks(range(len(students)), students)
    grid[0, 0].set_ylim(len(students) - 0.4, -0.6)
    return figure, title


def _gain_line(panel: Axes, row: Row, height: int) -> None:
    colour = BLUE if row["change"] >= 0 else VERMILLION
    if row["low"] is not None:
        panel.hlines(height, 100 * row["low"], 100 * row["high"], color=colour, linewidth=1.6)
    face = colour if _proven(row) else "none"
    panel.plot(100 * row["change"], height, "o", color=colour, markerfacecolor=face, markersize=6)


# -- forgetting -------------------------------------------------------------------------------


def _forgetting(tables: Tables, what: names.Figure) -> tuple[Figure, str]:
    """Trained on x evaluated on, as a heat map on one scale for all students."""
    title = f"Forgetting matrix of {what.student}: change against the baseline"
    rows = _of(tables, "forgetting", student=what.student)
    if not rows:
        return _empty("No configuration to show: see what is missing."), title
    trained = list(dict.fromkeys(row["trained_on"] for row in rows))
    evaluated = list(dict.fromkeys(row["evalset"] for row in rows))
    reach = max((abs(row["change"] or 0) for row in tables["forgetting"]), default=0) or 1.0
    left = _text_width(trained) + 0.1
    size = left + 0.86 * len(evaluated), 0.5 + 0.5 * len(trained)
    figure, grid = panels(size, left=left, right=0.02, top=0.48, bottom=0.02)
    axes = grid[0, 0]
    for row in rows:
        place = evaluated.index(row["evalset"]), trained.index(row["trained_on"])
        _heat_cell(axes, row, place, reach)
    axes.set_xlim(-0.5, len(evaluated) - 0.5)
    axes.set_ylim(len(trained) - 0.5, -0.5)
    labels = [name.removesuffix(".test").replace("_", "_\n", 1) for name in evaluated]
    axes.set_xticks(range(len(evaluated)), labels, fontsize=8)
    axes.set_yticks(range(len(trained)), trained)
    axes.xaxis.tick_top()
    axes.set_ylabel("trained on")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    return figure, title


def _heat_cell(axes: Axes, row: Row, place: tuple[int, int], reach: float) -> None:
    x, y = place
    corner, size = (x - 0.48, y - 0.47), (0.96, 0.94)
    if row["change"] is None:
        hatch = {"facecolor": "none", "hatch": "////", "edgecolor": INK, "alpha": 0.25}
        axes.add_patch(Rectangle(corner, *size, linewidth=0, **hatch))
        axes.text(x, y, "missing", ha="center", va="center", fontsize=8)
        return
    colour = _CHANGES(0.5 + 0.5 * row["change"] / reach)
    own = row["evalset"] == f"{row['trained_on']}.test"
    frame = {"linewidth": 1.4, "edgecolor": INK} if own else {"linewidth": 0}
    axes.add_patch(Rectangle(corner, *size, facecolor=colour, **frame))
    # Black or white, whichever contrasts more: they are equal at a luminance of 0.19.
    ink = "#fff" if _luminance(colour) < 0.19 else "#111"
    text = {"ha": "center", "va": "center", "color": ink}
    weight = "bold" if _proven(row) else "normal"
    axes.text(x, y - 0.14, points(row["change"]), weight=weight, fontsize=9.5, **text)
    if row["low"] is not None:
        between = f"{points(row['low'])} to {points(row['high'])}"
        axes.text(x, y + 0.22, between, fontsize=6.6, **text)


def _proven(row: Row) -> bool:
    return row["p_holm"] is not None and row["p_holm"] <= _ALPHA


def _luminance(colour: tuple[float, ...]) -> float:
    """Relative luminance of an sRGB colour. WCAG 2.2, "relative luminance"."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


# -- trials -----------------------------------------------------------------------------------


def _trials(tables: Tables, what: names.Figure) -> tuple[Figure, str]:
    """Small multiples: the task's val split and each control, by a hyperparameter."""
    title = f"Trials of {what.student} on {what.task}: scores with 95% intervals"
    trials = _of(tables, "trials", student=what.student, task=what.task)
    known = [row for row in trials if row["learning_rate"] is not None]
    if not known:
        return _empty(f"No trial of {what.task} has been trained."), title
    axis, series = _layout(known)
    evalsets = _evalsets(tables, what)
    size = 2.7 + 2.3 * len(evalsets), 2.45
    figure, grid = panels(
        size, (1, len(evalsets)), left=0.55, right=2.1, top=0.25, bottom=0.45, gap=(0.45, 0)
    )
    for panel, evalset in zip(grid[0], evalsets, strict=True):
        scores = {
            row["variant"]: row
            for row in _of(tables, "metrics", student=what.student, evalset=evalset)
            if row["primary"] and row["value"] is not None
        }
        _trial_panel(panel, known, scores, axis, series)
        _reference_lines(panel, tables, what, evalset, scores.get("base"))
        panel.set_title(evalset)
        panel.set_xlabel(AXES[axis])
    grid[0, 0].set_ylabel("score, %")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper right")
    return figure, title


def _layout(trials: list[Row]) -> tuple[str, list[tuple]]:
    """Return the hyperparameter of the x axis, and the settings of the others, one per series."""
    names = varying(trials)
    axis = names[0] if names else "learning_rate"
    others = [name for name in names if name != axis]
    return axis, list(dict.fromkeys(tuple((n, row[n]) for n in others) for row in trials))


def _evalsets(tables: Tables, what: names.Figure) -> list[str]:
    controls = dict.fromkeys(
        row["evalset"] for row in tables["metrics"]
        if row["student"] == what.student and "." not in row["evalset"]
    )  # fmt: skip
    return [f"{what.task}.val", *controls]


def _trial_panel(
    panel: Axes, trials: list[Row], scores: dict[str, Row], axis: str, series: list[tuple]
) -> None:
    positions = {value: x for x, value in enumerate(dict.fromkeys(row[axis] for row in trials))}
    for index, setting in enumerate(series):
        # Side by side, or the intervals would cover each other.
        shift = 0.14 * (index - (len(series) - 1) / 2)
        series_points = [
            (positions[row[axis]] + shift, scores[f"{row['task']}/{row['trial']}"])
            for row in trials
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
    gates = _of(tables, "gates", student=what.student, task=what.task, control=evalset)
    if gates:
        threshold = 100 * gates[0]["threshold"]
        panel.axhline(threshold, color=VERMILLION, linewidth=1.1, linestyle=(0, (1, 1.5)))
        panel.annotate(
            "gate", (1, threshold), xycoords=("axes fraction", "data"), xytext=(0, -8),
            textcoords="offset points", ha="right", color=VERMILLION, fontsize=8,
        )  # fmt: skip


# -- configurations: gain against what it costs -------------------------------------------------


def _pareto(tables: Tables, what: names.Figure) -> tuple[Figure, str]:
    title = f"Configurations of {what.student}: mean gain against loss of controls"
    axis = "largest loss of a control, % of its baseline (left is better)"
    return _configurations(tables, what, "control_loss", 100, axis), title


def _cost(tables: Tables, what: names.Figure) -> tuple[Figure, str]:
    title = f"Configurations of {what.student}: mean gain against training compute"
    axis = "compute of the trainings on all tasks, PFLOP (left is cheaper)"
    return _configurations(tables, what, "train_flops", 1e-15, axis), title


def _configurations(
    tables: Tables, what: names.Figure, key: str, unit: float, label: str
) -> Figure:
    """Draw every complete configuration at its mean gain and its `key` times `unit`."""
    rows = [
        row
        for row in _of(tables, "configurations", student=what.student)
        if row["mean_gain"] is not None and row[key] is not None
    ]
    if not rows:
        return _empty("No configuration is complete.")
    figure, grid = panels((5.7, 4.0), left=0.7, right=0.1, top=0.35, bottom=0.45)
    axes = grid[0, 0]
    places = {row["trial"]: (unit * row[key], 100 * row["mean_gain"]) for row in rows}
    front = _front(rows, key)
    axes.plot(
        *zip(*(places[row["trial"]] for row in front), strict=True),
        color=INK, alpha=0.4, linewidth=1, drawstyle="steps-post", label="Pareto front",
    )  # fmt: skip
    kinds = {
        "feasible": {"color": BLUE, "marker": "o"},
        "infeasible": {"color": VERMILLION, "marker": "X"},
    }
    for status, look in kinds.items():
        some = [places[row["trial"]] for row in rows if row["status"] == status]
        x, y = zip(*some, strict=True) if some else ((), ())
        axes.plot(x, y, linestyle="none", markersize=6, label=status, **look)
    ends = [x for x, _ in places.values()]
    labelled = [*front, *(row for row in rows if row["chosen"] and row not in front)]
    for index, row in enumerate(labelled):
        place, above = places[row["trial"]], index % 2 == 0
        # Above to the left, below to the right, so that neighbours keep apart; not off the edge.
        share = (place[0] - min(ends)) / ((max(ends) - min(ends)) or 1)
        right = share < 0.25 if above else share <= 0.75
        _label_point(axes, row, place, right=right, above=above)
    for row in rows:
        if row["chosen"]:
            axes.plot(
                *places[row["trial"]], "o", markersize=12, color=INK, markerfacecolor="none",
                label="chosen",
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


def _label_point(
    axes: Axes, row: Row, place: tuple[float, float], right: bool, above: bool
) -> None:
    axes.annotate(
        row["trial"],
        place,
        xytext=(8 if right else -8, 5 if above else -11),
        ha="left" if right else "right",
        textcoords="offset points",
        fontsize=7.5,
        weight="bold" if row["chosen"] else "normal",
    )


# -- training curves --------------------------------------------------------------------------


def _curves(tables: Tables, what: names.Figure) -> tuple[Figure, str]:
    title = f"Training curves of {what.student}"
    curves = _of(tables, "curves", student=what.student)
    if not curves:
        return _empty("No training has logged a loss."), title
    recipes = {(r["task"], r["trial"]): r for r in _of(tables, "trials", student=what.student)}
    tasks = list(dict.fromkeys(row["task"] for row in curves))
    columns = min(2, len(tasks))
    lines = math.ceil(len(tasks) / columns)
    figure, grid = panels(
        (5.7, 0.6 + 1.7 * lines), (lines, columns), left=0.5, right=0.1, top=0.55, bottom=0.45,
        gap=(0.45, 0.7),
    )  # fmt: skip
    rates = sorted({recipes[row["task"], row["trial"]]["learning_rate"] for row in curves})
    for panel, task in zip(grid.flat, tasks, strict=False):
        for trial in dict.fromkeys(row["trial"] for row in curves if row["task"] == task):
            curve = [row for row in curves if row["task"] == task and row["trial"] == trial]
            rate = recipes[task, trial]["learning_rate"]
            panel.plot(
                [row["step"] for row in curve], [row["loss"] for row in curve],
                color=COLOURS[rates.index(rate) % len(COLOURS)], linewidth=0.9, alpha=0.75,
                label=f"learning rate {number(rate)}",
            )  # fmt: skip
        panel.set_title(task)
        panel.set_xlabel("optimizer step")
    for panel in grid[:, 0]:
        panel.set_ylabel("loss, nats per token")
    for panel in grid.flat[len(tasks) :]:
        panel.set_visible(False)
    unique = dict(zip(*reversed(grid[0, 0].get_legend_handles_labels()), strict=True))
    figure.legend(unique.values(), unique.keys(), loc="upper center", ncols=4)
    return figure, title


_KINDS: dict[str, Callable[[Tables, names.Figure], tuple[Figure, str]]] = {
    "gains": _gains,
    "forgetting": _forgetting,
    "trials": _trials,
    "pareto": _pareto,
    "cost": _cost,
    "curves": _curves,
}
