"""What a reader must know before trusting a student's numbers: one sentence each."""

from collections.abc import Iterator

from sftstudy.cautions import REPEATED, dequantised, repeats, teaches, too_short
from sftstudy.documents.card import read_card
from sftstudy.documents.lengths import Lengths
from sftstudy.documents.provenance import read_provenance
from sftstudy.documents.source import SOURCE, read_source
from sftstudy.study.variants import BASE
from sftstudy.tables.results import Results
from sftstudy.tables.schema import Row, Tables

REPEATED_RATE = "repeated_rate"  # metric
NAMED = 12  # trials of one warning; the table `trials` has the steps of all
Dropped = dict[tuple[str, str], int]  # rows by student and eval set


def dropped_rows(tables: Tables) -> Dropped:
    """Return how many rows of each eval set no variant of a student was asked, where any."""
    return {
        (row["student"], row["evalset"]): row["dropped"]
        for row in tables["metrics"]
        if row["primary"] and row["variant"] == BASE and row["dropped"]
    }


def warnings(results: Results, tables: Tables, dropped: Dropped) -> list[Row]:
    """Return the warnings: the ``student``, what it is ``about``, and the ``text``."""
    lengths = _lengths(results)
    found: list[Row] = []
    for student in results.students:
        own = {task: by_name[student] for task, by_name in lengths.items() if student in by_name}
        sentences = [
            *_dequantised(results, student),
            *_too_long(student, own, dropped),
            *_taught(own),
            *_short(results, student),
            *_repeated(results, tables, student),
        ]
        found += [{"student": student, "about": about, "text": text} for about, text in sentences]
    return found


def _lengths(results: Results) -> dict[str, dict[str, Lengths]]:
    paths = {task: results.layout.card(task) for task in results.tasks}
    return {task: read_card(path)["lengths"] for task, path in paths.items() if path.exists()}


def _dequantised(results: Results, student: str) -> Iterator[tuple[str, str]]:
    """Yield that a student is not the published one, but near it."""
    path = results.checkpoint(student, BASE) / SOURCE
    if path.exists():
        source = read_source(path)
        if types := source.get("dequantised"):
            yield "all results", dequantised(str(source["id"]), types)


def _too_long(
    student: str, lengths: dict[str, Lengths], dropped: Dropped
) -> Iterator[tuple[str, str]]:
    """Yield what was left out for the student's max_length: one rule for all splits."""
    counts = {
        f"{task}.train": len(document["dropped"].get("train", ()))
        for task, document in lengths.items()
    }
    counts |= {evalset: n for (name, evalset), n in dropped.items() if name == student}
    told = [f"{n:,} of {name}" for name, n in counts.items() if n]
    if told:
        yield (
            ", ".join(told),
            "rows too long for the student's max_length were left out (drop_overlong), alike for "
            "the baseline and all trials; n counts the others, and another student may have "
            "answered other rows",
        )


def _taught(lengths: dict[str, Lengths]) -> Iterator[tuple[str, str]]:
    """Yield what the chat template has training teach beside the completions."""
    tasks: dict[str, list[str]] = {}
    for task, document in lengths.items():
        if written := document.get("before_reply"):
            tasks.setdefault(written, []).append(task)
    for written, names in tasks.items():
        yield ", ".join(names), teaches(written)


def _short(results: Results, student: str) -> Iterator[tuple[str, str]]:
    """Yield the trainings that had too few steps to tell much, together where they are alike."""
    trials: dict[str, list[str]] = {}
    for name, task, trial in results.trials():
        path = results.checkpoint(name, f"{task}/{trial}") / "provenance.json"
        if name != student or not path.exists():
            continue
        done = read_provenance(path)
        if text := too_short(done["rows"], done["steps"], done["recipe"]["training"]):
            trials.setdefault(text, []).append(f"{task}/{trial}")
    for text, names in trials.items():
        more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
        yield ", ".join(names[:NAMED]) + more, text


def _repeated(results: Results, tables: Tables, student: str) -> Iterator[tuple[str, str]]:
    """Yield, for each control, the trial that repeats itself most, and how many others do."""
    rates = [
        row
        for row in tables["metrics"]
        if (row["student"], row["metric"]) == (student, REPEATED_RATE)
    ]
    for control in results.controls:
        of = {row["variant"]: row for row in rates if row["evalset"] == control}
        untrained = of.pop(BASE, None)
        if untrained is None or untrained["value"] > REPEATED:
            continue
        names = [name for name, row in of.items() if row["value"] > REPEATED]
        if names:
            worst = max((of[name] for name in names), key=lambda row: row["value"])
            more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
            yield (
                f"{worst['variant']}{more}",
                repeats(control, worst["value"], worst["n"], untrained["value"]),
            )
