"""The report: one page that carries everything it shows and asks nobody for anything."""

import os
from pathlib import Path

from sftstudy.errors import StudyError
from sftstudy.figures.names import figures
from sftstudy.files.reading import read_text
from sftstudy.files.writing import write_text
from sftstudy.pages.render import render
from sftstudy.report import evidence, judgements, overview, samples, verdicts, warnings
from sftstudy.study.variants import BASE
from sftstudy.tables.results import Results
from sftstudy.tables.schema import Tables
from sftstudy.tables.write import read

TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = ("address.js", "tables.js", "predictions.js")  # in the order in which they run


def write_report(results: Results, tables_dir: Path, figures_dir: Path, output: Path) -> None:
    """Write the report of `results` to the file `output`."""
    tables = read(tables_dir)
    documents = {student: results.recommendation(student) for student in results.students}
    seconds = evidence.training_seconds(results)
    payload, per_cell, counts = samples.encoded(results, documents, tables)
    views = verdicts.verdicts(results, tables, documents, seconds)
    ranked = [view["student"] for view in views]
    training = evidence.training(results)
    dropped = warnings.dropped_rows(tables)
    page = render(
        TEMPLATES / "index.html",
        plan=results.plan,
        tasks=results.tasks,
        controls=results.controls,
        cells=sum(1 for _ in (*results.cells(), *results.replicate_cells(documents))),
        trials=sum(1 for _ in results.trials()),
        replicates=sum(1 for _ in results.replicates(documents)),
        undecided=[student for student, document in documents.items() if document is None],
        verdicts=views,
        tally=verdicts.tally(views),
        metrics=overview.key_metrics(results, tables, {n: documents[n] for n in ranked}),
        judgements=judgements.judgements(results, {n: documents[n] for n in ranked}),
        forgetting=overview.forgetting(results, tables),
        regret=overview.regret(results, tables, documents),
        seconds={
            student: {name: evidence.whole(times) for name, times in found.items()}
            for student, found in seconds.items()
        },
        documents=documents,
        figures=_figures(results, figures_dir),
        payload=payload,
        per_cell=per_cell,
        counts=counts,
        cards=evidence.data_cards(results),
        sources=evidence.sources(results),
        training=training,
        dropped=dropped,
        decodings=_decodings(tables),
        warnings=warnings.warnings(results, tables, dropped),
        lineage=evidence.lineage(results),
        clock="CPU time" if set(training["devices"]) == {"cpu"} else "GPU time",
        missing=tables["missing"],
        missing_variants=evidence.missing_variants(tables["missing"]),
        results_folder=results.folder.as_posix(),
        root=_relative(results.folder, output),
        tables_root=_relative(tables_dir, output),
        style=(TEMPLATES / "report.css").read_text(encoding="utf-8"),
        script="".join((TEMPLATES / name).read_text(encoding="utf-8") for name in SCRIPTS),
    )
    write_text(output, page)


def _decodings(tables: Tables) -> dict[tuple[str, str], str]:
    """Return how replies were drawn by student and eval set, where not one greedy reply to each."""
    return {
        (row["student"], row["evalset"]): row["decoding"]
        for row in tables["metrics"]
        if row["primary"] and row["variant"] == BASE and row["decoding"]
    }


def _figures(results: Results, folder: Path) -> dict[str, str]:
    """Return the SVG of every figure by its name."""
    found: dict[str, str] = {}
    for figure in figures(results.students, results.tasks):
        path = folder / f"{figure.name}.svg"
        if not path.exists():
            raise StudyError(f"{path}: no such figure; draw the figures again with scripts/draw.py")
        found[figure.name] = read_text(path)
    return found


def _relative(folder: Path, output: Path) -> str:
    return Path(os.path.relpath(folder, output.parent)).as_posix()
