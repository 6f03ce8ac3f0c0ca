"""The sentences on the runs of the chosen configuration."""

from collections.abc import Mapping, Sequence

from sftstudy.documents.recommendation import JudgedGate, Run, failed_gates
from sftstudy.recommendation.phrases import listed, percent
from sftstudy.recommendation.runs import Runs
from sftstudy.statistics.runs import failing_at_most, next_run_within


def run_name(run: Run) -> str:
    """Return what a run is called, with its seeds where they are known."""
    seeds = sorted({seed for seed in run["seed"].values() if seed is not None})
    told = f" (seed {listed(list(map(str, seeds)))})" if seeds else ""
    return f"{f'replicate {number}' if (number := run['run']) else 'the first run'}{told}"


def runs_told(
    runs: Runs, judged: Sequence[JudgedGate], missing: Mapping[tuple[str, str], str]
) -> list[str]:
    """Return how many runs there are, which of them fail, and how much they differ.

    `judged` are the gates over all runs; `missing` says why cells are. Of a single run nothing is
    told: what it cannot say is in the next steps.
    """
    if not runs.replicated:
        return []
    name, count = runs.each[0]["trial"], len(runs.each)
    rules = {(gate["control"], gate["task"]): gate for gate in judged}
    sentences = [
        f"{name} was trained {count} times on every task, with other seeds: gates, gains and side "
        "effects are of the mean over these runs, and p and intervals take in that runs differ."
    ]
    if runs.missing:
        sentences = [_missing(runs.missing, missing)]
    failing = [run for run in runs.each if failed_gates(run)]
    sentences += [_failing(run, rules) for run in failing]
    if judged and not runs.missing:
        sentences.append(_next(len(failing), count))
    sentences += [
        f"On {task} the student gains nothing in {listed(names)}, so that gain is not proven."
        for task, names in _lost(runs).items()
    ]
    return sentences + _spread(runs)


def _failing(run: Run, rules: Mapping[tuple[str, str], JudgedGate]) -> str:
    found = []
    for gate in failed_gates(run):
        rule = rules[gate["control"], gate["task"]]
        value = percent(gate["value"], rule["threshold"])
        found.append(
            f"{gate['control']} after training on {gate['task']} ({gate['metric']} is {value}, "
            f"asked is {rule['rule']})"
        )
    name = run_name(run)
    return (
        f"{name[0].upper()}{name[1:]} fails the gate{'s' if len(found) > 1 else ''} on "
        f"{listed(found)}: another training may, too."
    )


def _next(failing: int, count: int) -> str:
    return (
        f"{failing or 'None'} of the {count} runs fail{'s' * (failing < 2)} a gate, so up to "
        f"{failing_at_most(failing, count):.0%} of all trainings may, with 95% confidence; the "
        f"next one may lie up to {next_run_within(count):.1f} standard deviations off their mean."
    )


def _lost(runs: Runs) -> dict[str, list[str]]:
    """Return the tasks on which a run gains nothing, each with the names of these runs."""
    lost: dict[str, list[str]] = {}
    for run in runs.each:
        for task, gain in run["gains"].items():
            if gain is not None and gain <= 0:
                lost.setdefault(task, []).append(run_name(run))
    return lost


def _missing(names: Sequence[str], missing: Mapping[tuple[str, str], str]) -> str:
    reasons = {
        variant: reason
        for (variant, _), reason in sorted(missing.items())
        if variant.partition("/")[2] in names
    }
    told = "; ".join(f"{variant}: {reason}" for variant, reason in reasons.items())
    return (
        "Not every run was measured, so the verdict is no better than PROVISIONAL, and gates and "
        f"gains are of the mean over those that were: {told}."
    )


def _spread(runs: Runs) -> list[str]:
    gains = [
        f"the gain on {task} {100 * sd:.1f}"
        for task, sd in runs.spread["gains"].items()
        if sd is not None
    ]
    gates: dict[str, float] = {}
    for gate in runs.spread["gates"]:
        if gate["sd"] is not None:
            what = f"{gate['metric']} on {gate['control']}"
            gates[what] = max(gates.get(what, 0.0), gate["sd"])
    told = gains + [f"{what} up to {100 * sd:.1f}" for what, sd in gates.items()]
    if not told:
        return []
    return [f"Standard deviation between the {len(runs.each)} runs, in points: {', '.join(told)}."]
