"""How much past trainings of one configuration differed, beyond what their rows and replies do.

A recommendation with replicates names the runs of its choice; their metrics files have the rows.
The standard deviation that it tells of its runs (`spread`) is more than that: runs that are equally
good differ too, since rows come out otherwise in each. That part is taken out here, and what is
left is averaged over the tasks: of few runs it is rough, and may be nothing.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from sftstudy.documents.metrics import Metrics, read_metrics
from sftstudy.documents.recommendation import read_recommendation
from sftstudy.recommendation.cells import Cells, align
from sftstudy.recommendation.judging import Gate
from sftstudy.statistics.runs import run_spread
from sftstudy.study.layout import Layout

EvalSet = Callable[[str], str]  # of the checkpoints of a task


def spread_at_gate(roots: Sequence[Path], student: str, gate: Gate) -> float | None:
    """Return the standard deviation between the true means of runs at a gate, over all tasks.

    Of the first of the results folders that tells it; None where none does. Of what is said of a
    row's replies together it is that of the single ones, which are what is drawn.
    """
    metric = gate.metric.replace("always_", "")
    return _first(roots, student, lambda _: gate.control, metric)


def spread_of_gains(roots: Sequence[Path], student: str) -> float | None:
    """Return the same of the tasks' primary metrics, each on its own test split."""
    return _first(roots, student, lambda task: f"{task}.test", None)


def _first(
    roots: Sequence[Path], student: str, evalset: EvalSet, metric: str | None
) -> float | None:
    found = (_spread(root, student, evalset, metric) for root in roots)
    return next((spread for spread in found if spread is not None), None)


def _spread(root: Path, student: str, evalset: EvalSet, metric: str | None) -> float | None:
    layout = Layout(root)
    file = layout.recommendation(student)
    if not file.is_file() or not file.stat().st_size:
        return None
    document = read_recommendation(file)
    cells = _cells(layout, student)
    squares, freedom = 0.0, 0
    for task in document["tasks"]:
        names = [f"{task}/{run['trial']}" for run in document.get("runs", [])]
        known = [name for name in names if metric is None or cells.has(name, evalset(task), metric)]
        scores = [one for name in known if (one := cells.scores(name, evalset(task), metric))]
        if len(scores) > 1:
            spread = run_spread(*align(scores), baseline=0.0)
            # Of one run, and below nothing too: cut at every task, the average would be too large.
            of_run = (spread.variance - spread.interaction) * spread.runs
            squares, freedom = squares + (spread.runs - 1) * of_run, freedom + spread.runs - 1
    return math.sqrt(max(0.0, squares / freedom)) if freedom else None


def _cells(layout: Layout, student: str) -> Cells:
    def read(variant: str, evalset: str) -> Metrics | None:
        file = layout.metrics(student, variant, evalset)
        return read_metrics(file) if file.is_file() and file.stat().st_size else None

    return Cells(read, lambda _: None)
