"""The runs of the chosen configuration: its trials, which it was chosen by, and their replicates.

Read after the choice. Verdict, gains and gates are over all of them; here is what each one was.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import stdev

from sftstudy.documents.recommendation import JudgedGate, Run, Spread, is_measured
from sftstudy.recommendation.cells import Cells, Scores
from sftstudy.recommendation.configurations import Complete
from sftstudy.recommendation.gains import compared
from sftstudy.recommendation.judging import Gate, judge_gate, scores_at, why_no_review
from sftstudy.study.variants import runs, trial_of


@dataclass(frozen=True)
class Runs:
    """What is told of the runs of a configuration.

    Attributes:
        each: The runs, the trials first.
        spread: How much they differ.
        missing: Names of those, where there are several, of which a cell is missing: any of a
            replicate, of the first run one that the verdict needs.
    """

    each: list[Run]
    spread: Spread
    missing: list[str]

    @property
    def replicated(self) -> bool:
        """Whether there is, or should be, more than one run."""
        return len(self.each) > 1


NO_RUNS = Runs([], {"gains": {}, "gates": []}, [])


def judged_over_runs(
    chosen: Complete, gates: Sequence[Gate], cells: Cells, replicates: int
) -> Complete:
    """Return the chosen configuration with its gates judged over all its runs."""
    if not replicates:
        return chosen
    scored = _scored(chosen, gates, cells, replicates)
    judged = []
    for task, gate, (first, *others), base in scored:
        why_not = why_no_review(cells, gate, *runs(task, chosen.name, replicates))
        known = [one for one in others if one]
        judged.append(judge_gate(gate, task, first, base, why_not, known))
    return replace(chosen, gates=judged)


def _scored(
    chosen: Complete, gates: Sequence[Gate], cells: Cells, replicates: int
) -> list[tuple[str, Gate, list[Scores | None], Scores | None]]:
    """Return what the runs on each task and the baseline scored at each gate: of one task and gate
    all by the same verdicts."""
    return [
        (task, gate, *scores_at(gate, cells, *runs(task, chosen.name, replicates)))
        for task in chosen.select
        for gate in gates
    ]


def read_runs(chosen: Complete, gates: Sequence[Gate], cells: Cells, replicates: int) -> Runs:
    """Return every run of the chosen configuration by itself, and how much they differ."""
    tasks = list(chosen.select)
    by_task = {task: runs(task, chosen.name, replicates) for task in tasks}
    scored = _scored(chosen, gates, cells, replicates)
    each = []
    for number in range(replicates + 1):
        judged = [judge_gate(gate, task, tuned[number], base) for task, gate, tuned, base in scored]
        each.append(_run(number, {task: by_task[task][number] for task in tasks}, judged, cells))
    names = {variant for variants in by_task.values() for variant in variants[1:]}
    gone = {trial_of(variant) for variant, _ in cells.missing if variant in names}
    missing = [run["trial"] for run in each if run["trial"] in gone or not is_measured(run)]
    return Runs(each, _spread(tasks, each), missing if replicates else [])


def _run(number: int, variants: dict[str, str], judged: Sequence[JudgedGate], cells: Cells) -> Run:
    """Return what one run, a training on every task, was by itself."""
    gains = {task: compared(cells, [name], f"{task}.test") for task, name in variants.items()}
    recipes = {task: cells.recipe(name) for task, name in variants.items()}
    return {
        "run": number,
        "trial": trial_of(next(iter(variants.values()))),
        "seed": {task: one["training"]["seed"] if one else None for task, one in recipes.items()},
        "gains": {task: one.gain.value if one else None for task, one in gains.items()},
        "gates": [
            {
                "control": gate["control"],
                "metric": gate["metric"],
                "task": gate["task"],
                "value": gate["value"],
                "passes": gate["passes"],
            }
            for gate in judged
        ],
    }


def _spread(tasks: Sequence[str], each: Sequence[Run]) -> Spread:
    by_gate = zip(*(run["gates"] for run in each), strict=True)
    return {
        "gains": {task: _sd([run["gains"][task] for run in each]) for task in tasks},
        "gates": [
            {
                "control": same[0]["control"],
                "metric": same[0]["metric"],
                "task": same[0]["task"],
                "sd": _sd([gate["value"] for gate in same]),
            }
            for same in by_gate
        ],
    }


def _sd(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return stdev(known) if len(known) > 1 else None
