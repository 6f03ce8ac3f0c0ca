"""What would have been chosen under other gates: how much hangs on where the limits were drawn."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sftstudy.recommendation.cells import BASE, Cells, align
from sftstudy.recommendation.judging import Gate, judge_gate
from sftstudy.recommendation.selection import choose
from sftstudy.recommendation.trials import Comparison
from sftstudy.statistics.gates import passes_rate, passes_ratio

# What a team may ask for instead; the limit of the study file is always among them.
RATIOS = (0.90, 0.93, 0.95, 0.97, 0.99)
RATES = (0.80, 0.85, 0.90, 0.93, 0.95, 0.97)


def sensitivity(
    comparison: Comparison | None, gates: Sequence[Gate], cells: Cells
) -> list[dict[str, Any]]:
    """Return, for each gate and limit, what would be chosen with it, the other gates as they are.

    ``feasible`` counts the configurations that pass; ``proven`` says whether every gate of the
    chosen one is; ``configured`` marks the limit that the study asked for.
    """
    if comparison is None:
        return []
    return [
        {
            "control": gate.control,
            "metric": gate.metric,
            "statistic": "ratio" if gate.above is None else "value",
            "limit": limit,
            "configured": other == gate,
        }
        | _outcome(comparison, gate, other, cells)
        for gate in gates
        for limit, other in _alternatives(gate)
    ]


def _alternatives(gate: Gate) -> list[tuple[float, Gate]]:
    key, limits = ("min_ratio_to_baseline", RATIOS) if gate.above is None else ("above", RATES)
    return [
        (limit, replace(gate, **{key: limit})) for limit in sorted({*limits, getattr(gate, key)})
    ]


def _outcome(comparison: Comparison, gate: Gate, other: Gate, cells: Cells) -> dict[str, Any]:
    """Return the choice with the gate `other` in the place of `gate`."""
    elsewhere = [
        [judged for judged in trial.gates if judged["control"] != gate.control]
        for trial in comparison.trials
    ]
    feasible = _passes(comparison, other, cells) & np.array(
        [all(judged["passes"] for judged in gates) for gates in elsewhere]
    )
    scores = comparison.scores * comparison.weights[:, None]
    index = choose(scores, feasible, comparison.costs, comparison.draws).chosen
    if index is None:
        return {"feasible": 0, "chosen": None, "proven": False}
    trial, base = comparison.trials[index], cells.scores(BASE, gate.control, gate.metric)
    here = [
        judge_gate(other, task, trial.controls[task, gate.control], base) for task in trial.select
    ]
    return {
        "feasible": int(feasible.sum()),
        "chosen": trial.name,
        "proven": all(judged["evidence"] == "proven" for judged in (*elsewhere[index], *here)),
    }


def _passes(comparison: Comparison, gate: Gate, cells: Cells) -> np.ndarray:
    """Return whether each complete configuration passes a gate on all its tasks, shape (K,)."""
    columns = [
        trial.controls[task, gate.control] for trial in comparison.trials for task in trial.select
    ]
    base = cells.scores(BASE, gate.control, gate.metric)
    values, _ = align([*columns, base] if base else columns)
    totals = values.sum(axis=0)
    tuned = totals[: len(columns)]
    if gate.above is not None:
        passes = passes_rate(tuned, len(values), gate.above)
    else:
        passes = passes_ratio(tuned, totals[-1], gate.min_ratio_to_baseline)
    return passes.reshape(len(comparison.trials), -1).all(axis=1)
