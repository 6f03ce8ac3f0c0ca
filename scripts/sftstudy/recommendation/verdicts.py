"""The verdict on a student, and why each other configuration was not chosen."""

from collections.abc import Mapping, Sequence

from sftstudy.documents.recommendation import BaselineGate, Standing, TaskGain, Violation
from sftstudy.recommendation.configurations import Complete, Configuration
from sftstudy.recommendation.judging import violation
from sftstudy.recommendation.names import BASELINE_FAILS, NO_FEASIBLE, PROVISIONAL, RECOMMENDED
from sftstudy.recommendation.phrases import listed, percent
from sftstudy.study.variants import trial_of


def verdict(
    baseline_gates: Sequence[BaselineGate],
    chosen: Complete | None,
    gains: Mapping[str, TaskGain | None],
    runs_missing: bool = False,
) -> str:
    """Return the verdict. RECOMMENDED asks for proof of every gate and of the gain on every task.

    That of a gate is to come from whom the study file wants to judge it. `gains` are those of the
    chosen configuration on the confirm splits, Holm-adjusted; they and its gates are over all its
    runs, of which none may be missing.
    """
    if any(gate["passes"] is False for gate in baseline_gates):
        return BASELINE_FAILS
    if chosen is None:
        return NO_FEASIBLE
    gates_proven = all(
        gate["evidence"] == "proven" and "instead_of" not in gate for gate in chosen.gates
    )
    gain_proven = all(gain is not None and gain["evidence"] == "proven" for gain in gains.values())
    proven = gates_proven and gain_proven and not runs_missing
    return RECOMMENDED if proven else PROVISIONAL


def least_violating(configurations: Sequence[Configuration]) -> Violation | None:
    """Return the complete configuration whose worst gate is missed by least, with that gate.

    Of equally bad ones that which misses less over all gates.
    """
    complete = [one for one in configurations if isinstance(one, Complete) and one.gates]
    if not complete:
        return None
    worst = {one.name: max(one.gates, key=violation) for one in complete}
    total = {one.name: sum(map(violation, one.gates)) for one in complete}
    name = min(worst, key=lambda key: (violation(worst[key]), total[key]))
    return {"configuration": name, "violation": violation(worst[name]), "gate": worst[name]}


def why_not(
    configuration: Configuration,
    standing: Standing,
    chosen: Complete | None,
    missing: Mapping[tuple[str, str], str],
) -> str:
    """Return why a configuration was not chosen; empty for the choice itself.

    `missing` says why cells are.
    """
    if chosen is not None and configuration.name == chosen.name:
        return ""
    if not isinstance(configuration, Complete):
        gone = [key for key in sorted(missing) if trial_of(key[0]) == configuration.name]
        evalsets = list(dict.fromkeys(evalset or variant for variant, evalset in gone))
        return f"not measured on {listed(evalsets)}" if evalsets else "not measured everywhere"
    failed = sorted(
        (g for g in configuration.gates if not g["passes"]), key=violation, reverse=True
    )
    if failed:
        worst = failed[0]
        others = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
        return (
            f"fails {worst['control']} after {worst['task']}: "
            f"{percent(worst['value'], worst['threshold'])}, asked "
            f"{percent(worst['threshold'], worst['value'])}{others}"
        )
    if standing["within_one_se"]:
        cost, least = configuration.train_flops, chosen.train_flops if chosen else None
        if cost and least and cost > least:
            return f"tied, {cost / least:.1f} times the compute"
        return "tied, larger regret"
    regrets = {task: regret for task, regret in standing["regret"].items() if regret is not None}
    task = max(regrets, key=regrets.__getitem__)
    return f"regret of {100 * regrets[task]:.1f} points on {task}"
