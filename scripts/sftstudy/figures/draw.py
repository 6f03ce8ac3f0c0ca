"""Drawing every figure of a study from its tables."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from sftstudy.figures import names
from sftstudy.figures.configurations import cost, pareto
from sftstudy.figures.curves import curves
from sftstudy.figures.effects import effects
from sftstudy.figures.forgetting import forgetting
from sftstudy.figures.gains import gains
from sftstudy.figures.parallel import parallel
from sftstudy.figures.style import save, style
from sftstudy.figures.trials import trials
from sftstudy.tables.schema import Tables

# Kind of a figure in `names` -> what draws it, and gives it its title.
_KINDS: dict[str, Callable[[Tables, names.Figure], tuple[Figure, str]]] = {
    "gains": gains,
    "forgetting": forgetting,
    "trials": trials,
    "effects": effects,
    "parallel": parallel,
    "pareto": pareto,
    "cost": cost,
    "curves": curves,
}


def draw_all(tables: Tables, students: list[str], tasks: list[str], folder: Path) -> None:
    """Write every figure of `names.figures` into `folder`."""
    for figure in names.figures(students, tasks):
        with style(figure.name):
            drawn, title = _KINDS[figure.kind](tables, figure)
            save(drawn, folder / f"{figure.name}.svg", title)
