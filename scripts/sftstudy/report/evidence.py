"""What the numbers rest on: the data, the models, the code, and what is missing."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from sftstudy.documents.card import read_card
from sftstudy.documents.lengths import Lengths
from sftstudy.documents.provenance import Provenance, read_provenance
from sftstudy.documents.source import read_source
from sftstudy.files.ledger import shown
from sftstudy.recommendation.cells import all_known
from sftstudy.records.explain import commit_line
from sftstudy.records.lineage import Lineage
from sftstudy.records.record import code_state
from sftstudy.study.variants import BASE, task_of, trial_of
from sftstudy.tables.results import Results
from sftstudy.tables.schema import Row


def data_cards(results: Results) -> list[Row]:
    """Return one view per task: source, splits, leakage and lengths; None-valued where missing."""
    return [_card(results, task) for task in results.tasks]


def _card(results: Results, task: str) -> Row:
    path = results.layout.card(task)
    if not path.exists():
        return {"task": task, "card": None}
    card = read_card(path)
    splits, train = card["splits"].values(), card["splits"].get("train")
    labels = {
        label: [split["labels"].get(label, 0) for split in splits]
        for label in sorted({label for split in splits for label in split["labels"]})
    }
    return {
        "task": task,
        "card": card,
        # Some labels are the rule; a long list is folded away by the template.
        "labels": labels,
        "copies": card["leakage"].get("train-test"),
        "unseen": len(set(labels) - set(train["labels"] if train else ())),
        "lengths": [_length(student, document) for student, document in card["lengths"].items()],
    }


def _length(student: str, document: Lengths) -> Row:
    splits = document["splits"]
    longest = [part["conversation"]["max"] for part in splits.values() if part["conversation"]]
    train = splits["train"]["conversation"] if "train" in splits else {}
    return {
        "student": student,
        "max_length": document["max_length"],
        "train": train,
        "longest": max(longest, default=None),
        "dropped": len(document["dropped"].get("train", ())),
    }


def sources(results: Results) -> list[Row]:
    """Return where every dataset and student came from, with its revision."""
    found = []
    folders = [
        *((name, "data", results.layout.raw(name)) for name in results.tasks),
        *((name, "data", results.layout.raw(name)) for name in results.controls),
        *((name, "student", results.checkpoint(name, BASE)) for name in results.students),
    ]
    for name, kind, folder in folders:
        path = folder / "SOURCE.json"
        row: Row = {"name": name, "kind": kind, "files": 0}
        row |= dict.fromkeys(("id", "revision", "from"))
        if path.exists():
            source = read_source(path)
            row |= {"files": len(source["files"]), "id": source["id"]}
            row |= {"revision": source["revision"], "from": source["kind"]}
        found.append(row)
    return found


def training(results: Results) -> Row:
    """Return what all trainings ran on and with; more than one value of a kind is a warning."""
    devices: Counter[str] = Counter()
    packages: dict[str, Counter[str]] = {}
    seeds: Counter[Any] = Counter()
    for provenance in _provenance(results):
        devices[provenance["device"]] += 1
        seeds[provenance["recipe"]["training"].get("seed")] += 1
        for name, version in provenance["packages"].items():
            packages.setdefault(name, Counter())[version] += 1
    return {"devices": devices, "packages": dict(sorted(packages.items())), "seeds": seeds}


def training_seconds(results: Results) -> dict[str, dict[str, list[float | None]]]:
    """Return, per student and configuration, the measured GPU seconds of its trainings, by task.

    None where a training is missing. Measured times are shown, never compared: they differ from
    run to run, so no table and no recommendation holds them.
    """
    found: dict[str, dict[str, list[float | None]]] = {name: {} for name in results.students}
    for student, task, trial in results.trials():
        path = results.checkpoint(student, f"{task}/{trial}") / "provenance.json"
        seconds = read_provenance(path)["gpu_seconds"] if path.exists() else None
        found[student].setdefault(trial, []).append(seconds)
    return found


def whole(seconds: Sequence[float | None]) -> float | None:
    """Return the sum of a configuration's `training_seconds`; None where one is missing."""
    known = all_known(seconds)
    return sum(known) if known else None


def lineage(results: Results) -> Row:
    """Return which files are not what their jobs made, and with which code all was made."""
    found = Lineage(results.folder)
    metrics = [shown(results.metrics(cell)) for cell in results.cells()]
    recommendations = [
        shown(results.layout.recommendation(student)) for student in results.students
    ]
    made = (found.made(name) for name in metrics)
    return {
        "problems": found.problems([*metrics, *recommendations]),
        "code": code_state(),
        "commits": Counter(commit_line(record["code"]) for _, record in filter(None, made)),
        "kept": Counter(
            (entry["made_by"], commit_line(found.records[output]["code"]))
            for output, entry in found.kept.items()
        ),
    }


def missing_variants(missing: list[Row]) -> list[Row]:
    """Return missing cells grouped by variant and by how far the chain of files got."""
    found: dict[tuple[str, str, str], Row] = {}
    for row in missing:
        key = row["student"], row["variant"], row["reached"]
        named = {"task": task_of(row["variant"]), "trial": trial_of(row["variant"])}
        found.setdefault(key, row | named | {"evalsets": []})["evalsets"].append(row["evalset"])
    return list(found.values())


def _provenance(results: Results) -> Iterator[Provenance]:
    for student, task, trial in results.trials():
        path = results.checkpoint(student, f"{task}/{trial}") / "provenance.json"
        if path.exists():
            yield read_provenance(path)
