"""What was kept across an update, and until when that holds."""

from pathlib import Path

import pytest

import made_documents
from sftstudy.files.writing import write_json
from sftstudy.records import kept
from sftstudy.records.explain import explain
from sftstudy.records.lineage import Lineage

RESULTS = Path("results/mini")
OUTPUT = "results/mini/metrics/a.json"
OLD, NEW, NEWER = (f"scripts/score.py {digit * 16}" for digit in "123")


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """The record of a job that made one file."""
    monkeypatch.chdir(tmp_path)
    write_json(Path(OUTPUT), {})
    made = made_documents.record(
        {OUTPUT: Lineage(RESULTS).sha256(OUTPUT) or ""}, code={"commit": "ab" * 20, "changed": []}
    )
    write_json(RESULTS / "records/a.json", made)
    return made


def add(before: str, now: str) -> None:
    kept.add(RESULTS, Lineage(RESULTS).records, {OUTPUT: (before, now)})


def test_explain_names_the_version_that_made_it(record: dict[str, object]) -> None:
    assert not any("kept" in line for line in explain(Path(OUTPUT)))
    add(OLD, NEW)
    text = "\n".join(explain(Path(OUTPUT)))
    assert f"code     {'ab' * 6}" in text and f"made by the code {OLD}, for {NEW}" in text
    assert text.splitlines()[0].endswith("unchanged")


def test_the_version_that_made_it_stays_the_first(record: dict[str, object]) -> None:
    add(OLD, NEW)
    add(NEW, NEWER)
    [entry] = kept.read(RESULTS).values()
    assert (entry["made_by"], entry["kept_for"]) == (OLD, NEWER)


def test_what_is_made_anew_is_no_longer_kept(record: dict[str, object]) -> None:
    add(OLD, NEW)
    assert list(Lineage(RESULTS).kept) == [OUTPUT]
    write_json(RESULTS / "records/a.json", record | {"started": "2026-02-02T00:00:00+00:00"})
    assert Lineage(RESULTS).kept == {}
    add(NEW, NEWER)
    [entry] = kept.read(RESULTS).values()
    assert (entry["made_by"], entry["kept_for"]) == (NEW, NEWER)


def test_the_report_reads_the_file_once_there_is_one(record: dict[str, object]) -> None:
    assert kept.files("results/mini") == []
    add(OLD, NEW)
    assert kept.files("results/mini") == ["results/mini/kept.json"]
