"""The verdicts of a study in a few lines, for the end of a run."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from sftstudy.documents.recommendation import (
    Recommendation,
    failed_gates,
    is_measured,
    read_recommendation,
)
from sftstudy.errors import StudyError
from sftstudy.pages.numbers import short
from sftstudy.pages.text import place
from sftstudy.recommendation.names import BASELINE_FAILS, NO_FEASIBLE, PROVISIONAL, RECOMMENDED
from sftstudy.study.grid import Study
from sftstudy.study.layout import Layout

VERDICTS = (RECOMMENDED, PROVISIONAL, NO_FEASIBLE, BASELINE_FAILS)  # best first
STUDENTS_SHOWN = 5  # of more only the tally is told
LOSSES_SHOWN = 2
TOLD = {"learning_rate": "learning rate {}", "num_train_epochs": "epochs {}"}


def verdicts(documents: Sequence[Recommendation]) -> list[str]:
    """Return a line per student; of several students first how many have which verdict."""
    lines = [headline(document) for document in documents]
    if len(documents) < 2:
        return lines
    return [tally(documents), *(lines if len(lines) <= STUDENTS_SHOWN else [])]


def tally(documents: Sequence[Recommendation]) -> str:
    """Return the verdicts, best first, how many students have each, and which."""
    parts = []
    for verdict in VERDICTS:
        mine = [document for document in documents if document["verdict"] == verdict]
        names = [_named(document) for document in mine]
        if names:
            parts.append(f"{len(names)} {verdict} ({', '.join(names)})")
    return f"{len(documents)} students: {'; '.join(parts)}"


def headline(document: Recommendation) -> str:
    """Return the verdict on one student, and what it rests on: gains, gates, costs elsewhere."""
    verdict, chosen = document["verdict"], document["chosen"]
    failing = [gate["control"] for gate in document["baseline"]["gates"] if gate["passes"] is False]
    if failing:
        verdict += f" ({', '.join(dict.fromkeys(failing))})"
    if chosen is None:
        return f"{document['student']}: {verdict}{_nearest(document)}"
    parts = [_gain(document), _proven(document), _runs(document), _losses(document)]
    told = "; ".join(filter(None, parts))
    return f"{document['student']}: {verdict} {chosen}{_settings(document)}: {told}"


def tell(study: Study) -> None:
    """Print the verdicts on a study's students, and where its report is."""
    results = Layout(Path(study.root))
    files = [results.recommendation(student) for student in study.students]
    gone = [file for file in files if not file.exists()]
    try:
        lines = verdicts([read_recommendation(file) for file in files if file.exists()])
    except StudyError as error:  # a document that was edited: the report tells it as well
        lines = [f"error: {error}"]
    lines += [f"{file} is not there; make it again: snakemake {file}" for file in gone]
    print("\n".join([*lines, f"Report: {results.report.absolute()}"]), flush=True)


def _named(document: Recommendation) -> str:
    chosen = document["chosen"]
    return f"{document['student']}: {chosen}" if chosen else document["student"]


def _settings(document: Recommendation) -> str:
    """Return in words what people ask first of a configuration, where all tasks share it."""
    config = document["config"] or {}
    told = [words.format(short(config[key])) for key, words in TOLD.items() if key in config]
    return f" ({', '.join(told)})" if told else ""


def _gain(document: Recommendation) -> str:
    mean, tasks = document["gains"]["mean"], document["tasks"]
    if mean is None:
        return "gain not measured on every task"
    over = f"on {tasks[0]}"
    if len(tasks) > 1:
        over = f"on average over {len(tasks)} tasks, one checkpoint each"
    interval = f"95% {_points(mean['low'])} to {_points(mean['high'])}"
    return f"{_points(mean['value'])} points {over} ({interval})"


def _proven(document: Recommendation) -> str:
    gains = document["gains"]["confirm"]
    evidence = {task: gain["evidence"] if gain else "missing" for task, gain in gains.items()}
    told = f"{_count(evidence.values())} of {len(gains)} gains proven"
    if lost := [task for task, found in evidence.items() if found == "violated"]:
        told += f", a loss on {', '.join(lost)}"
    gates = [
        gate
        for one in document["configurations"]
        if one["configuration"] == document["chosen"]
        for gate in one["gates"]
    ]
    barely = sum(gate["evidence"] == "proven" and gate["only_just"] for gate in gates)
    just = f" ({barely} only just)" if barely else ""
    if not gates:
        return f"no gates, {told}"
    return f"{_count([gate['evidence'] for gate in gates])} of {len(gates)} gates{just}, {told}"


def _count(evidence: Iterable[str]) -> int:
    return sum(found == "proven" for found in evidence)


def _runs(document: Recommendation) -> str:
    """Return over how many runs the verdict is, and how many of them fail a gate."""
    runs = document.get("runs", [])
    if len(runs) < 2:
        return ""
    if unknown := sum(not is_measured(run) for run in runs):
        return f"{unknown} of {len(runs)} runs not measured"
    failing = sum(bool(failed_gates(run)) for run in runs)
    return f"{len(runs)} runs{f', {failing} of them failing a gate' if failing else ''}"


def _losses(document: Recommendation) -> str:
    """Return what is proven to be worse elsewhere, the largest first."""
    found = sorted(
        (effect["value"], f"{place(effect['evalset'])} ", effect["trained_on"])
        for effect in document["side_effects"]
        if effect["evidence"] == "violated" and effect["value"] is not None
    )
    told = [f"{name}{_points(value)} after {task}" for value, name, task in found[:LOSSES_SHOWN]]
    if len(found) > LOSSES_SHOWN:
        told.append(f"{len(found) - LOSSES_SHOWN} more")
    return f"costs elsewhere proven: {', '.join(told)}" if told else ""


def _nearest(document: Recommendation) -> str:
    """Return the configuration that misses its worst gate by least, and that gate."""
    least = document["least_violating"]
    if least is None:
        return ": no configuration could be judged"
    gate = least["gate"]
    untuned = "" if gate["baseline"] is None else f", which has {100 * gate['baseline']:.1f}%"
    value = "not measured" if gate["value"] is None else f"{100 * gate['value']:.1f}%"
    return (
        f": {least['configuration']} comes nearest, with {gate['control']} {value} after "
        f"{gate['task']} (asked is {gate['rule']}{untuned})"
    )


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"
