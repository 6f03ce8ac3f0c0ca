"""Results that were kept although the code of their jobs has changed since.

``make keep-results`` writes them down in one file beside the results, so that it can be told which
code made them. An entry holds for the output of one job that ran once: when the output is made
anew, its record tells another start, and the entry says nothing any more.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from sftstudy.documents.kept import Kept, KeptFile, read_kept
from sftstudy.documents.record import Record
from sftstudy.files.writing import write_json
from sftstudy.records.record import code_state

FILE = "kept.json"
SCHEMA = 1


def read(results: Path) -> dict[str, Kept]:
    """Return what was kept in a results folder, by output."""
    file = results / FILE
    return read_kept(file)["kept"] if file.is_file() else {}


def files(results: str) -> list[str]:
    """Return the file that `read` reads, if there is one: the report is made again when it changes.

    It names the file as Snakemake does.
    """
    file = Path(results, FILE)
    return [file.as_posix()] if file.is_file() else []


def holding(results: Path, records: Mapping[str, Record]) -> dict[str, Kept]:
    """Return what was kept and not made anew since; `records` are those of jobs, by output."""
    return {
        output: entry
        for output, entry in read(results).items()
        if output in records and records[output]["started"] == entry["started"]
    }


def add(
    results: Path,
    records: Mapping[str, Record],
    versions: Mapping[str, tuple[str, str]],
) -> None:
    """Write down that outputs were kept; `versions` are those of their code, before and now.

    Of an output that was kept before, the version that made it stays what it was.
    """
    before = holding(results, records)
    code, when = code_state(), datetime.now(UTC).isoformat(timespec="seconds")
    new: dict[str, Kept] = {
        output: {
            "started": records[output]["started"],
            "made_by": before[output]["made_by"] if output in before else made_by,
            "kept_for": kept_for,
            "when": when,
            "code": code,
        }
        for output, (made_by, kept_for) in versions.items()
    }
    document: KeptFile = {"schema": SCHEMA, "kept": before | new}
    write_json(results / FILE, document)
