"""What would have been chosen under other gates: how much hangs on where the limits were drawn."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sftstudy.documents.recommendation import Alternative, Outcome
from sftstudy.recommendation.cells import Cells
from sftstudy.recommendation.comparison import Comparison, control_outcomes, pass_on_all_tasks
from sftstudy.recommendation.judging import Gate, judge_gate
from sftstudy.recommendation.selection import choose
from sftstudy.study.variants import BASE

# What a team may ask for instead; the limit of the study file is always among them.
RATIOS = (0.90, 0.93, 0.95, 0.97, 0.99)
RATES = (0.80, 0.85, 0.90, 0.93, 0.95, 0.97)


def sensitivity(
    comparison: Comparison | None, gates: Sequence[Gate], cells: Cells
) -> list[Alternative]:
    """Return, for each gate and limit, what would be chosen with it, the other gates as they are.

    ``feasible`` counts the configurations that pass; ``proven`` says whether every gate of the
    chosen one is; ``configured`` marks the limit that the study file asks for.
    """
    if comparison is None:
        return []
    return [
        {
            "control": gate.control,
            "metric": gate.metric,
            "statistic": gate.statistic,
            "limit": limit,
            "configured": limit == gate.limit,
            **_outcome(comparison, replace(gate, limit=limit), cells),
        }
        for gate in gates
        for limit in sorted({*(RATIOS if gate.relative else RATES), gate.limit})
    ]


def _outcome(comparison: Comparison, moved: Gate, cells: Cells) -> Outcome:
    """Return the choice with the gate `moved` in the place of the one on its control."""
    elsewhere = [
        [judged for judged in one.gates if judged["control"] != moved.control]
        for one in comparison.configurations
    ]
    values, _ = control_outcomes(comparison.configurations, moved, cells)
    here = pass_on_all_tasks(comparison.configurations, moved, values.mean(axis=0))
    feasible = here & np.array([all(judged["passes"] for judged in gates) for gates in elsewhere])
    index = choose(comparison.weighted, feasible, comparison.costs, comparison.draws).chosen
    if index is None:
        return {"feasible": 0, "chosen": None, "proven": False}
    chosen = comparison.configurations[index]
    tuned = {task: chosen.controls[task, moved.control] for task in chosen.select}
    gates = elsewhere[index] + [
        judge_gate(moved, task, scores, cells.scores(BASE, moved.control, scores.metric))
        for task, scores in tuned.items()
    ]
    return {
        "feasible": int(feasible.sum()),
        "chosen": chosen.name,
        "proven": all(
            judged["evidence"] == "proven" and "instead_of" not in judged for judged in gates
        ),
    }
