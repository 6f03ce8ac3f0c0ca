"""The tables: complete, true to the files they come from, and honest about what is missing."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from repository import ROOT
from sftstudy.errors import StudyError
from sftstudy.statistics.multiplicity import holm
from sftstudy.tables.collect import collect
from sftstudy.tables.results import load
from sftstudy.tables.schema import COLUMNS, FORMATS, NAMES, documentation
from sftstudy.tables.write import HTML_ROWS, read, write
from synthetic_study import Study, write_recommendation, write_study

TASKS = ("banking77", "tatqa")
SPACE = {
    "learning_rate": [1e-5, 5e-5],
    "num_train_epochs": [1, 3],
    "per_device_train_batch_size": [4],
}
GONE = ("tiny", "tatqa", "lr1e-05_ep3_bs4")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Study:
    root = tmp_path_factory.mktemp("study")
    study = Study(root, ("tiny", "small"), TASKS, space=SPACE, rows=30, missing=(GONE,))
    write_study(study)
    return study


@pytest.fixture
def study(written: Study, tmp_path: Path) -> Study:
    """A copy that a test may damage."""
    shutil.copytree(written.root, tmp_path, dirs_exist_ok=True)
    return Study(tmp_path, written.students, TASKS, space=SPACE, rows=30, missing=(GONE,))


def tables_of(study: Study) -> dict[str, list[dict]]:
    return collect(load(study.root / "plan.json", study.results))


def metrics_file(study: Study, variant: str, evalset: str, student: str = "small") -> Path:
    return study.results / "metrics" / student / variant / f"{evalset}.json"


def edit(path: Path, change) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_every_cell_of_the_plan_is_measured_or_missing(written: Study) -> None:
    tables = tables_of(written)
    # Baselines: 2 val, 2 controls, 2 test. Each of 2 x 4 trials: 1 val, 2 controls, 2 test.
    cells = 2 * (6 + 2 * 4 * 5)
    measured = {(row["student"], row["variant"], row["evalset"]) for row in tables["metrics"]}
    assert len(measured) + len(tables["missing"]) == cells
    assert len(tables["missing"]) == 5
    assert len(tables["trials"]) == 2 * 2 * 4


def test_metrics_are_the_files_values(written: Study) -> None:
    document = json.loads(metrics_file(written, "tatqa/lr5e-05_ep1_bs4", "ifeval").read_text())
    rows = {
        row["metric"]: row
        for row in tables_of(written)["metrics"]
        if (row["student"], row["variant"], row["evalset"])
        == ("small", "tatqa/lr5e-05_ep1_bs4", "ifeval")
    }
    assert set(rows) == set(document["metrics"])
    for name, metric in document["metrics"].items():
        for key in ("value", "n", "se", "low", "high", "interval"):
            assert rows[name][key] == metric[key]
    assert (rows["prompt_strict"]["task"], rows["prompt_strict"]["trial"]) == (
        "tatqa",
        "lr5e-05_ep1_bs4",
    )
    assert rows["prompt_strict"]["primary"] and not rows["legacy_prompt_strict"]["primary"]


def test_replies_that_a_scorer_is_unsure_of_stand_beside_the_rate_that_counts_them(
    written: Study,
) -> None:
    tables = tables_of(written)
    rows = [row for row in tables["metrics"] if row["metric"] == "safe_rate"]
    assert all(row["unsure"] == round((1 - row["value"]) * row["n"]) // 2 for row in rows)
    gates = [row for row in tables["gates"] if row["control"] == "simple_safety_tests"]
    counts = {(row["student"], row["variant"]): row["unsure"] for row in rows}
    assert any(row["unsure"] for row in gates)
    for row in gates:
        assert row["unsure"] == counts.get((row["student"], f"{row['task']}/{row['trial']}"))
    assert {row["unsure"] for row in tables["gates"] if row["control"] == "ifeval"} == {None}


def test_hyperparameters_come_from_the_recipe_and_not_from_names(study: Study) -> None:
    path = study.results / "checkpoints/small/tatqa/lr5e-05_ep3_bs4/provenance.json"
    edit(path, lambda document: document["recipe"]["training"].update(learning_rate=0.123))
    rows = tables_of(study)["trials"]
    found = [row for row in rows if (row["student"], row["task"]) == ("small", "tatqa")]
    assert {row["trial"]: row["learning_rate"] for row in found}["lr5e-05_ep3_bs4"] == 0.123


def test_change_is_against_the_baseline_on_the_same_eval_set(written: Study) -> None:
    rows = [row for row in tables_of(written)["forgetting"] if row["student"] == "small"]
    assert len(rows) == 2 * 4
    for row in rows:
        variant = f"{row['trained_on']}/{row['configuration']}"
        tuned = json.loads(metrics_file(written, variant, row["evalset"]).read_text())
        base = json.loads(metrics_file(written, "base", row["evalset"]).read_text())
        right = [sum(item["correct"] for item in document["items"]) for document in (tuned, base)]
        assert row["change"] == pytest.approx((right[0] - right[1]) / 30)
        assert row["low"] <= row["change"] <= row["high"]
        assert 0 <= row["p"] <= row["p_holm"] <= 1


def test_comparison_pairs_items_by_id_and_not_by_position(study: Study) -> None:
    before = tables_of(study)["forgetting"]
    shown = next(row["configuration"] for row in before if row["student"] == "small")
    path = metrics_file(study, f"tatqa/{shown}", "tatqa.test")
    edit(path, lambda document: document["items"].reverse())
    write_recommendation(study, "small")
    after = tables_of(study)["forgetting"]
    assert [row.get("p") for row in after] == pytest.approx([row.get("p") for row in before])


def test_missing_cells_say_how_far_they_got(study: Study) -> None:
    metrics_file(study, "base", "ifeval").unlink()
    gone = metrics_file(study, "tatqa/lr5e-05_ep1_bs4", "ifeval")
    gone.unlink()
    (study.results / "predictions/small/tatqa/lr5e-05_ep1_bs4/ifeval.jsonl").unlink()
    tables = tables_of(study)
    reached = {(r["student"], r["variant"], r["evalset"]): r for r in tables["missing"]}
    assert reached["tiny", "tatqa/lr1e-05_ep3_bs4", "ifeval"]["reached"] == "nothing"
    assert reached["small", "tatqa/lr5e-05_ep1_bs4", "ifeval"]["reached"] == "checkpoint"
    assert reached["small", "base", "ifeval"]["reached"] == "predictions"
    assert reached["small", "tatqa/lr5e-05_ep1_bs4", "ifeval"]["target"] == gone.as_posix()


def test_missing_cells_of_replicates_are_those_that_the_choice_asks_for(study: Study) -> None:
    file = study.results / "recommendations/tiny.json"
    document = json.loads(file.read_text())
    chosen = document["chosen"]
    again = [document["runs"][0] | {"run": n, "trial": f"{chosen}_rep{n}"} for n in (1, 2)]
    file.write_text(json.dumps(document | {"runs": [*document["runs"], *again]}))
    measured = metrics_file(study, f"tatqa/{chosen}_rep2", "ifeval", student="tiny")
    measured.parent.mkdir(parents=True)
    measured.write_text("{}")
    found = [row for row in tables_of(study)["missing"] if "_rep" in row["variant"]]
    assert len(found) == 2 * len(TASKS) * 4 - 1
    assert {(row["student"], row["reached"]) for row in found} == {("tiny", "nothing")}


def test_missing_cell_of_the_shown_configuration_is_an_empty_row_of_its_own(study: Study) -> None:
    before = [row for row in tables_of(study)["forgetting"] if row["student"] == "small"]
    shown = before[0]["configuration"]
    metrics_file(study, f"tatqa/{shown}", "banking77.test").unlink()
    metrics_file(study, f"banking77/{shown}", "banking77.test").unlink()
    write_recommendation(study, "small")
    after = [row for row in tables_of(study)["forgetting"] if row["student"] == "small"]
    places = [(row["trained_on"], row["evalset"]) for row in after]
    assert places == [(row["trained_on"], row["evalset"]) for row in before]
    for row in after:
        measured = row["evalset"] != "banking77.test"
        assert (row["change"] is not None) == (row["p_holm"] is not None) == measured


def test_metric_over_nothing_is_empty_and_compared_with_nothing(study: Study) -> None:
    def empty(document: dict) -> None:
        nothing = dict.fromkeys(("value", "se", "low", "high", "interval"))
        document["metrics"]["em"].update(nothing, n=0)

    edit(metrics_file(study, "base", "tatqa.val"), empty)
    rows = [row for row in tables_of(study)["trials"] if row["student"] == "small"]
    assert all(row["baseline"] is None for row in rows if row["task"] == "tatqa")
    assert not any("change" in row for row in rows if row["task"] == "tatqa")


def test_student_without_recommendation_is_shown_as_missing(study: Study) -> None:
    (study.results / "recommendations/small.json").unlink()
    tables = tables_of(study)
    verdicts = {row["student"]: row["verdict"] for row in tables["recommendations"]}
    assert verdicts["small"] == "MISSING" and verdicts["tiny"] != "MISSING"
    assert {row["student"] for row in tables["gates"]} == {"tiny"}


def test_cut_metrics_file_is_an_error_that_names_it(study: Study) -> None:
    path = metrics_file(study, "base", "tatqa.test")
    path.write_text(path.read_text()[:500])
    with pytest.raises(StudyError, match=r"small/base/tatqa\.test\.json.*cut off"):
        tables_of(study)


def test_formats_hold_the_same_rows_in_the_columns_of_the_schema(
    written: Study, tmp_path: Path
) -> None:
    tables = tables_of(written)
    write(tables, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{name}.{suffix}" for name in NAMES for suffix in FORMATS
    }
    for name, rows in read(tmp_path).items():
        with (tmp_path / f"{name}.csv").open(newline="") as handle:
            reader = csv.DictReader(handle)
            flat = list(reader)
        assert reader.fieldnames == list(COLUMNS[name])
        assert len(flat) == len(rows) == len(tables[name]) > 0
        for line, row in zip(flat, rows, strict=True):
            assert line == {k: "" if v is None else str(v) for k, v in row.items()}


def test_html_table_escapes_and_says_when_it_is_cut(tmp_path: Path, written: Study) -> None:
    tables = tables_of(written)
    tables["recommendations"][0]["reason"] = "<script>alert(1)</script>\u202eevil"
    tables["curves"] = (tables["curves"] * 100)[: HTML_ROWS + 1]
    write(tables, tmp_path)
    page = (tmp_path / "recommendations.html").read_text()
    assert "<script>" not in page and "&lt;script&gt;" in page
    assert "\u202e" not in page and "⟦U+202E⟧" in page
    assert "3,000 of 3,001 rows" in (tmp_path / "curves.html").read_text()


def test_documentation_is_in_step_with_the_schema() -> None:
    assert (ROOT / "docs/tables.md").read_text() == documentation(), (
        "run: PYTHONPATH=scripts python -m sftstudy.tables.schema > docs/tables.md"
    )


def test_collating_and_reporting_import_nothing_heavy() -> None:
    script = (
        "import sys; import sftstudy.tables.collect, sftstudy.tables.write, sftstudy.report.page;"
        "print([m for m in ('torch', 'pandas', 'scipy', 'matplotlib', 'datasets') "
        "if m in sys.modules])"
    )
    output = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(ROOT / "scripts")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert output.stdout.strip() == "[]"


def test_effects_are_a_row_for_each_outcome_and_value(study: Study) -> None:
    path = study.results / "recommendations/small.json"
    document = json.loads(path.read_text())
    rate, epochs = document["effects"]
    epochs |= {"loss": None, "note": "made"}
    path.write_text(json.dumps(document))
    rows = [row for row in tables_of(study)["effects"] if row["student"] == "small"]
    assert [(row["axis"], row["outcome"], row["value"]) for row in rows] == [
        (axis, outcome, value)
        for axis, values in (("learning_rate", [1e-5, 5e-5]), ("num_train_epochs", [1, 3]))
        for outcome in ("gain", "loss")
        for value in values
    ]
    first, level = rows[0], rate["gain"]["levels"][0]
    for key in ("mean", "difference", "low", "high"):
        assert first[key] == level[key]
    for key in ("largest", "p", "p_holm", "distinguishable", "share", "remaining"):
        assert first[key] == rate["gain"][key]
    assert first["largest_low"] == rate["gain"]["low"] and first["configurations"] == 2
    assert {rows[-1].get(key) for key in ("mean", "low", "largest_low", "p")} == {None}
    assert rows[-1]["note"] == "made"
    # A recommendation that was kept from before there were effects has none.
    del document["effects"]
    path.write_text(json.dumps(document))
    assert {row["student"] for row in tables_of(study)["effects"]} == {"tiny"}


def test_gains_are_one_family_and_side_effects_another(written: Study) -> None:
    rows = [row for row in tables_of(written)["forgetting"] if "p" in row]
    student = rows[0]["student"]
    own = [r for r in rows if r["student"] == student and r["evalset"] == f"{r['trained_on']}.test"]
    assert [row["p_holm"] for row in own] == holm([row["p"] for row in own])
    rest = [row for row in rows if row["student"] == student and row not in own]
    assert len(own) == 2 and len(rest) == 2 * 3
    assert [row["p_holm"] for row in rest] == holm([row["p"] for row in rest])
