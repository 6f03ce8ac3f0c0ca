"""The training curves of a student."""

import math

from matplotlib.figure import Figure

from sftstudy.figures import names
from sftstudy.figures.common import empty, rows_of
from sftstudy.figures.style import COLOURS, panels
from sftstudy.pages.numbers import number
from sftstudy.tables.schema import Tables


def curves(tables: Tables, what: names.Figure) -> tuple[Figure, str]:
    title = f"Training curves of {what.student}"
    logged = rows_of(tables, "curves", student=what.student)
    if not logged:
        return empty("No training has logged a loss."), title
    recipes = {(r["task"], r["trial"]): r for r in rows_of(tables, "trials", student=what.student)}
    tasks = list(dict.fromkeys(row["task"] for row in logged))
    columns = min(2, len(tasks))
    lines = math.ceil(len(tasks) / columns)
    figure, grid = panels(
        (5.7, 0.6 + 1.7 * lines), (lines, columns), left=0.5, right=0.1, top=0.55, bottom=0.45,
        gap=(0.45, 0.7),
    )  # fmt: skip
    rates = sorted({recipes[row["task"], row["trial"]]["learning_rate"] for row in logged})
    for panel, task in zip(grid.flat, tasks, strict=False):
        for trial in dict.fromkeys(row["trial"] for row in logged if row["task"] == task):
            curve = [row for row in logged if row["task"] == task and row["trial"] == trial]
            rate = recipes[task, trial]["learning_rate"]
            [line] = panel.plot(
                [row["step"] for row in curve], [row["loss"] for row in curve],
                color=COLOURS[rates.index(rate) % len(COLOURS)], linewidth=0.9, alpha=0.75,
                label=f"learning rate {number(rate)}",
            )  # fmt: skip
            # Points that lie within half a point of a straight line are no use to any eye.
            line.get_path().should_simplify, line.get_path().simplify_threshold = True, 0.5
        panel.set_title(task)
        panel.set_xlabel("optimizer step")
    for panel in grid[:, 0]:
        panel.set_ylabel("loss, nats per token")
    for panel in grid.flat[len(tasks) :]:
        panel.set_visible(False)
    unique = dict(zip(*reversed(grid[0, 0].get_legend_handles_labels()), strict=True))
    figure.legend(unique.values(), unique.keys(), loc="upper center", ncols=4)
    return figure, title
