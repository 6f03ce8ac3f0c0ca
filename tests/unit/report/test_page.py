"""The report as a file: complete, self-contained, and safe whatever a model wrote."""

import base64
import copy
import json
import re
import shutil
import zlib
from pathlib import Path

import pytest

from sftstudy.report.overview import key_metrics
from sftstudy.tables.results import load
from sftstudy.tables.write import read
from synthetic_study import Study, write_report, write_study

TASKS = ("banking77", "tatqa")
SPACE = {
    "learning_rate": [1e-5, 5e-5],
    "num_train_epochs": [1, 3],
    "per_device_train_batch_size": [4],
}
GONE = ("tiny", "tatqa", "lr1e-05_ep1_bs4")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    root = tmp_path_factory.mktemp("study")
    study = Study(
        root, ("tiny", "small"), TASKS, space=SPACE, rows=30, missing=(GONE,), attacks=True
    )
    write_study(study)
    return study


@pytest.fixture(scope="module")
def page(study: Study) -> str:
    return write_report(study).read_text()


def unpacked(page: str) -> dict:
    payload = re.search(r'id="payload">([^<]*)<', page)[1]
    return json.loads(zlib.decompress(base64.b64decode(payload), -zlib.MAX_WBITS))


# -- the page ------------------------------------------------------------------------------------


def test_page_asks_nobody_for_anything(page: str) -> None:
    addresses = re.findall(r"(?:src|href|action|data|srcset)\s*=\s*\"([^\"]*)\"", page)
    assert addresses
    assert not [a for a in addresses if re.match(r"[a-z]+:|//", a)]
    assert "@import" not in page and "url(http" not in page
    namespaces = re.sub(r'xmlns(:\w+)?="[^"]*"', "", page)
    assert "http://" not in namespaces and "https://" not in namespaces


def test_links_point_to_files_that_exist(page: str, study: Study) -> None:
    for link in set(re.findall(r'href="(\.\.[^"]*)"', page)):
        assert (study.results / "report" / link).exists(), link


def test_attack_strings_are_nowhere_markup(page: str) -> None:
    assert len(re.findall(r"<script", page)) == 2  # the payload and the page's own
    assert "onerror" not in page and "<iframe" not in page


def test_sections_come_in_the_order_people_read(page: str) -> None:
    order = re.findall(r'<section id="(\w+)"', page)
    assert order == [
        "verdicts", "metrics", "forgetting", "configurations", "predictions", "data", "provenance",
    ]  # fmt: skip


def test_missing_cells_are_shown_as_missing(page: str) -> None:
    assert "5 of 92 results are missing" in page
    assert "Replicates of" not in page
    assert "<td>tatqa</td><td><code>lr1e-05_ep1_bs4</code></td>" in page


def test_without_a_recommendation_replicates_are_not_known(study: Study, tmp_path: Path) -> None:
    copied = Study(tmp_path, study.students, TASKS, space=SPACE, rows=30, missing=(GONE,))
    shutil.copytree(study.root, tmp_path, dirs_exist_ok=True)
    (copied.results / "recommendations/small.json").unlink()
    assert "Replicates of small are not counted" in write_report(copied).read_text()


def test_best_of_each_column_is_marked_and_is_the_largest(page: str, study: Study) -> None:
    results = load(study.root / "plan.json", study.results)
    documents = {name: results.recommendation(name) for name in study.students}
    table = key_metrics(results, read(study.results / "tables"), documents)
    for column in range(len(table["columns"])):
        cells = [line["cells"][column] for line in table["lines"] if line["cells"][column]]
        best = [cell["value"] for cell in cells if cell["best"]]
        assert best and set(best) == {max(cell["value"] for cell in cells)}


def test_same_results_give_the_same_page(page: str, study: Study) -> None:
    assert write_report(study).read_text() == page


def test_report_without_recommendations_cards_and_predictions(study: Study, tmp_path: Path) -> None:
    bare = Study(tmp_path, study.students, TASKS, space=SPACE)
    shutil.copytree(study.results / "metrics", bare.results / "metrics")
    shutil.copy(study.root / "plan.json", tmp_path)
    page = write_report(bare).read_text()
    assert page.count("No recommendation has been made yet") == 2
    assert "no card" in page and unpacked(page)["cells"] == []


def test_replies_that_the_scorer_is_unsure_of_stand_beside_gates_and_key_metrics(
    page: str, study: Study
) -> None:
    results = load(study.root / "plan.json", study.results)
    tables = read(study.results / "tables")
    shown = {
        name: document["chosen"] or document["least_violating"]["configuration"]
        for name in study.students
        if (document := results.recommendation(name))
    }
    gates = [row for row in tables["gates"] if row["trial"] == shown[row["student"]]]
    told = [row["unsure"] for row in gates if row["unsure"]]
    assert told and page.count(" of them unsure</small>") == len(told)
    assert all(f", {count} of them unsure</small>" in page for count in told)
    assert page.count("; the scorer is unsure of ") >= len(told)


def test_replies_without_answer_are_told_by_whatever_metric_counts_them(
    study: Study, tmp_path: Path
) -> None:
    """The metrics file says which one it is, so a new task needs no line here."""
    copied = Study(tmp_path, study.students, TASKS, space=SPACE)
    for name in ("plan.json", study.results.name):
        copy = shutil.copytree if (study.root / name).is_dir() else shutil.copy
        copy(study.root / name, tmp_path / name)
    for file in copied.results.glob("metrics/*/**/*.test.json"):
        document = json.loads(file.read_text())
        base = file.parent.name == "base"
        [accuracy, *_] = document["metrics"].values()
        document["metrics"]["silence"] = accuracy | {"value": 0.25 if base else 0.125}
        document["metrics"]["silence"] |= {"better": "lower", "counts": "unread"}
        document["metrics"]["speech"] = accuracy | {"value": 0.5}
        file.write_text(json.dumps(document))
    page = write_report(copied).read_text()
    assert page.count("no readable answer: 25.0 → 12.5%") >= len(TASKS)


def test_every_run_of_the_choice_is_shown_and_which_fails(study: Study, tmp_path: Path) -> None:
    replicated = Study(tmp_path, study.students, TASKS, space=SPACE, rows=30, missing=(GONE,))
    shutil.copytree(study.root, tmp_path, dirs_exist_ok=True)
    files = {s: replicated.results / f"recommendations/{s}.json" for s in study.students}
    documents = {s: json.loads(file.read_text()) for s, file in files.items()}
    student = next(s for s, document in documents.items() if document["chosen"])
    document = documents[student]
    [first] = document["runs"]
    second = copy.deepcopy(first) | {"run": 1, "trial": f"{first['trial']}_rep1"}
    second["seed"] = dict.fromkeys(TASKS, 1042)
    second["gains"]["tatqa"] = None
    second["gates"][0] |= {"value": 0.123, "passes": False}
    document["runs"] = [first, second]
    document["spread"]["gates"][0]["sd"] = 0.045
    files[student].write_text(json.dumps(document))
    page = write_report(replicated).read_text()
    [table] = re.findall(r'<table class="runs".*?</table>', page, re.DOTALL)
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", table))
    assert f"{first['trial']}_rep1 1042" in text and "✕ 12.3 failed" in text
    assert "missing" in text and "standard deviation" in text and " 4.5 " in text
    # Of the replicate on each task both controls and both test splits.
    assert "13 of 100 results are missing" in page and "and 2 replicates of what" in page
    assert f"<td><code>{first['trial']}_rep1</code></td>" in page
    assert "1 of them fails a gate" in page and "every other configuration was trained once" in page
    rows = read(replicated.results / "tables")["runs"]
    assert {(row["run"], row["seed"]) for row in rows if row["student"] == student} >= {(1, 1042)}
    [gate] = [row for row in rows if row["passes"] is False and row["run"] == 1]
    assert (gate["value"], gate["sd"], gate["task"]) == (0.123, 0.045, second["gates"][0]["task"])


def test_a_single_run_has_no_table(page: str) -> None:
    assert 'class="runs"' not in page and "every configuration was trained once" in page
