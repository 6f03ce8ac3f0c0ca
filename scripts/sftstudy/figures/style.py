"""How all figures look, and how they are written: SVG that follows the page's colours.

Text and axes are drawn in a stand-in colour that becomes ``currentColor`` in the file, what hides
lines behind labels in one that becomes the page's own: a figure inside the report is legible on
light and dark, and black on white where it stands alone.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.typing import RcKeyType

from sftstudy.figures.svg import tidy
from sftstudy.files.writing import write_text

# Okabe and Ito, "Color universal design" (2008): distinct under all common colour deficiencies.
# The black and the yellow are left out: each vanishes on one of the two backgrounds.
BLUE, VERMILLION, GREEN = "#0072b2", "#d55e00", "#009e73"
PURPLE, ORANGE, SKY = "#cc79a7", "#e69f00", "#56b4e9"
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
MARKERS = ("o", "s", "^", "D", "v", "P")
GREY = "#85898f"  # 3 to 1 or more against both backgrounds, for what matters less
INK, PAPER = "#010203", "#fdfcfb"
_STAND_INS = {INK: "currentColor", PAPER: "var(--paper,#fff)"}

_RC: dict[RcKeyType, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.facecolor": "none",
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": INK,
    "grid.alpha": 0.12,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "figure.facecolor": "none",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.2,
}


@contextmanager
def style(name: str) -> Iterator[None]:
    """Draw with the house style. `name` makes the ids within the file its own."""
    with matplotlib.rc_context(_RC | {"svg.hashsalt": name}):
        yield


def panels(
    size: tuple[float, float],
    shape: tuple[int, int] = (1, 1),
    *,
    left: float,
    right: float,
    top: float,
    bottom: float,
    gap: tuple[float, float] = (0.4, 0.6),
    share_y: bool = False,
) -> tuple[Figure, np.ndarray]:
    """Return a figure and its axes, an array of `shape`; all lengths are in inches.

    Margins are given, not computed: matplotlib's layout engines draw every figure several times.
    `gap` is the space between panels, horizontal and vertical.
    """
    width, height = size
    rows, columns = shape
    panel_width = (width - left - right - gap[0] * (columns - 1)) / columns
    panel_height = (height - top - bottom - gap[1] * (rows - 1)) / rows
    grid = {
        "left": left / width,
        "right": 1 - right / width,
        "top": 1 - top / height,
        "bottom": bottom / height,
        "wspace": gap[0] / panel_width,
        "hspace": gap[1] / panel_height,
    }
    figure = Figure(figsize=size)
    return figure, figure.subplots(
        *shape, squeeze=False, sharey="row" if share_y else "none", gridspec_kw=grid
    )


def save(figure: Figure, path: Path, title: str) -> None:
    """Write `figure` as SVG with text as text. `title` is what screen readers say."""
    buffer = io.StringIO()
    # No date and no version: the same tables give the same bytes.
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Title": title})
    write_text(path, tidy(buffer.getvalue(), _STAND_INS))
