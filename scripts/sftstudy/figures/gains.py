"""The gain of every student on each task that it was trained on."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sftstudy.figures import names
from sftstudy.figures.common import empty, text_width
from sftstudy.figures.style import BLUE, INK, VERMILLION, panels
from sftstudy.tables.schema import Row, Tables, is_own, is_significant


def gains(tables: Tables, _: names.Figure) -> tuple[Figure, str]:
    """One panel per task, one line per student: the change on the test split of its own task."""
    title = "Change against the baseline on each task's test split, with 95% intervals"
    rows = [row for row in tables["forgetting"] if is_own(row) and row["change"] is not None]
    if not rows:
        return empty("No tuned student has been scored on a test split."), title
    tasks = list(dict.fromkeys(row["trained_on"] for row in rows))
    students = list(dict.fromkeys(row["student"] for row in rows))
    size = 2.2 + 1.9 * len(tasks), 0.85 + 0.3 * len(students)
    figure, grid = panels(
        size, (1, len(tasks)), left=text_width(students), right=0.1, top=0.25, bottom=0.5,
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
    face = colour if is_significant(row) else "none"
    panel.plot(100 * row["change"], height, "o", color=colour, markerfacecolor=face, markersize=6)
