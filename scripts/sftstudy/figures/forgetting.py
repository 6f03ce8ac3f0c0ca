"""The forgetting matrix of a student: what training on one task does to everything else."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from sftstudy.figures import names
from sftstudy.figures.common import empty, rows_of, text_width
from sftstudy.figures.style import BLUE, INK, VERMILLION, panels
from sftstudy.pages.numbers import points
from sftstudy.pages.text import place
from sftstudy.tables.schema import Row, Tables, is_own, is_significant

# Losses and gains in two hues that colour-blind readers tell apart, no change in between.
_CHANGES = LinearSegmentedColormap.from_list("changes", [VERMILLION, "#f4f1ec", BLUE])


def forgetting(tables: Tables, what: names.Figure) -> tuple[Figure, str]:
    """Trained on x evaluated on, as a heat map on one scale for all students."""
    title = f"Forgetting matrix of {what.student}: change against the baseline"
    rows = rows_of(tables, "forgetting", student=what.student)
    if not rows:
        return empty("No configuration to show: see what is missing."), title
    trained = list(dict.fromkeys(row["trained_on"] for row in rows))
    evaluated = list(dict.fromkeys(row["evalset"] for row in rows))
    reach = max((abs(row["change"] or 0) for row in tables["forgetting"]), default=0) or 1.0
    left = text_width(trained) + 0.1
    size = left + 0.86 * len(evaluated), 0.5 + 0.5 * len(trained)
    figure, grid = panels(size, left=left, right=0.02, top=0.48, bottom=0.02)
    axes = grid[0, 0]
    for row in rows:
        position = evaluated.index(row["evalset"]), trained.index(row["trained_on"])
        _heat_cell(axes, row, position, reach)
    axes.set_xlim(-0.5, len(evaluated) - 0.5)
    axes.set_ylim(len(trained) - 0.5, -0.5)
    labels = [place(name).replace("_", "_\n", 1) for name in evaluated]
    axes.set_xticks(range(len(evaluated)), labels, fontsize=8)
    axes.set_yticks(range(len(trained)), trained)
    axes.xaxis.tick_top()
    axes.set_ylabel("trained on")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    return figure, title


def _heat_cell(axes: Axes, row: Row, position: tuple[int, int], reach: float) -> None:
    x, y = position
    corner, width, height = (x - 0.48, y - 0.47), 0.96, 0.94
    if row["change"] is None:
        axes.add_patch(
            Rectangle(
                corner, width, height,
                linewidth=0, facecolor="none", hatch="////", edgecolor=INK, alpha=0.25,
            )
        )  # fmt: skip
        axes.text(x, y, "missing", ha="center", va="center", fontsize=8)
        return
    colour = _CHANGES(0.5 + 0.5 * row["change"] / reach)
    line, edge = (1.4, INK) if is_own(row) else (0, None)
    axes.add_patch(
        Rectangle(corner, width, height, facecolor=colour, linewidth=line, edgecolor=edge)
    )
    # Black or white, whichever contrasts more: they are equal at a luminance of 0.19.
    ink = "#fff" if _luminance(colour) < 0.19 else "#111"
    text: dict[str, Any] = {"ha": "center", "va": "center", "color": ink}
    weight = "bold" if is_significant(row) else "normal"
    axes.text(x, y - 0.14, points(row["change"]), weight=weight, fontsize=9.5, **text)
    if row["low"] is not None:
        between = f"{points(row['low'])} to {points(row['high'])}"
        axes.text(x, y + 0.22, between, fontsize=7.4, **text)


def _luminance(colour: tuple[float, ...]) -> float:
    """Relative luminance of an sRGB colour. WCAG 2.2, "relative luminance"."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
