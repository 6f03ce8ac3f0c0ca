"""Where a file comes from, and whether it still is what its job made."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from programs import run
from repository import ROOT
from sftstudy.errors import StudyError
from sftstudy.files.ledger import LEDGER
from sftstudy.files.reading import read_json, read_text
from sftstudy.files.writing import write_json, write_jsonl, write_text
from sftstudy.pages.render import render
from sftstudy.records import record
from sftstudy.records.explain import explain
from sftstudy.records.lineage import Lineage
from sftstudy.report import evidence
from sftstudy.report.page import TEMPLATES
from sftstudy.status import attention
from sftstudy.study.grid import Study
from sftstudy.study.plan import study_plan
from sftstudy.tables.results import Results

VARIANT = "smoke/banking77/lr0.001"
METRICS = f"results/mini/metrics/{VARIANT}/banking77.val.json"
PREDICTIONS = f"results/mini/predictions/{VARIANT}/banking77.val.jsonl"
CHECKPOINT = f"results/mini/checkpoints/{VARIANT}"
RECIPE = f"results/mini/recipes/{VARIANT}.yaml"
DATA = "results/mini/data/banking77/val.jsonl"
RAW = "results/mini/raw/banking77"


def job(
    monkeypatch: pytest.MonkeyPatch,
    program: str,
    inputs: list[str],
    make: Callable[[], None],
    **facts: int,
) -> None:
    """Read the inputs, make something and write the record, as a program of that name."""
    monkeypatch.setattr("sys.argv", [f"scripts/{program}.py", "--some", "option of it"])
    LEDGER.open(f"results/mini/records/{program}-{len(inputs)}.json")
    for name in inputs:
        if Path(name).is_dir():
            record.use(Path(name))
        else:
            read_text(Path(name))
    make()
    LEDGER.note(**facts)
    record.write(LEDGER.record)
    LEDGER.close()


def make_folder(name: str, **documents: object) -> None:
    for file, document in documents.items():
        write_json(Path(name, f"{file}.json"), document)
        LEDGER.outputs.pop(f"{name}/{file}.json")
    LEDGER.wrote(Path(name))


@pytest.fixture
def chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The chain of one metrics file, made by jobs that kept their records."""
    monkeypatch.chdir(tmp_path)
    source = {"kind": "hub", "id": "org/banking77", "revision": "ab" * 20, "files": {}}
    raw = {"SOURCE": source, "train": {"rows": 3}}
    job(monkeypatch, "fetch", [], lambda: make_folder(RAW, **raw))
    job(monkeypatch, "prepare", [f"{RAW}/train.json"], lambda: write_text(Path(DATA), "rows"))
    job(monkeypatch, "recipe", [], lambda: write_text(Path(RECIPE), "learning_rate: 0.001\n"))
    weights = {"config": {}, "provenance": {"weights_sha256": {}}}
    inputs = [RECIPE, DATA]
    job(monkeypatch, "train", inputs, lambda: make_folder(CHECKPOINT, **weights), tokens=12_345)
    inputs = [CHECKPOINT, DATA]
    job(monkeypatch, "predict", inputs, lambda: write_text(Path(PREDICTIONS), "replies"))
    metrics = {"primary": "a", "metrics": {"a": {"value": 0.5, "low": 0.0, "high": 1.0}}}
    inputs = [PREDICTIONS, DATA]
    job(monkeypatch, "score", inputs, lambda: write_json(Path(METRICS), metrics))
    return tmp_path


def test_the_whole_chain_is_told_back_to_its_sources(chain: Path) -> None:
    text = "\n".join(explain(Path(METRICS)))
    for program in ("score", "predict", "train", "recipe", "prepare", "fetch"):
        assert text.count(f"made by  {program}, ") == 1, "every job is told once"
    assert f"source   hub: org/banking77 ({'ab' * 20})" in text
    assert "| learning_rate: 0.001" in text and "tokens 12,345" in text
    assert "(made by prepare, see above)" in text
    assert "command  scripts/score.py --some 'option of it'" in text
    marks = [line.rpartition("  ")[2] for line in text.splitlines() if "  sha256 " in line]
    assert len(marks) == 8 and set(marks) == {"unchanged"}
    assert "\n".join(explain(chain / METRICS)) == text, "absolute paths name the same file"


def test_an_edited_metrics_file_is_seen(chain: Path) -> None:
    file = Path(METRICS)
    file.write_text(file.read_text().replace("0.5", "0.9"))
    (problem,) = Lineage(Path("results/mini")).problems([METRICS])
    assert (problem.file, problem.state, problem.cause) == (METRICS, "edited", True)
    assert next(explain(file)).endswith("EDITED BY HAND")


def test_changed_inputs_make_everything_after_them_stale(chain: Path) -> None:
    Path(DATA).write_text("other rows")
    problems = Lineage(Path("results/mini")).problems([METRICS])
    states = {problem.file: (problem.state, problem.cause) for problem in problems}
    assert states == {
        DATA: ("edited", True),
        CHECKPOINT: ("stale", True),
        PREDICTIONS: ("stale", True),
        METRICS: ("stale", True),
    }
    text = "\n".join(explain(Path(METRICS)))
    assert f"{DATA}  sha256" in text and "CHANGED SINCE, EDITED BY HAND" in text


def test_a_job_that_ran_again_makes_stale_what_was_not_made_again(
    chain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = "learning_rate: 0.002\n"
    job(monkeypatch, "recipe", [], lambda: write_text(Path(RECIPE), recipe))
    problems = Lineage(Path("results/mini")).problems([METRICS])
    assert [(problem.file, problem.cause) for problem in problems] == [
        (CHECKPOINT, True),
        (PREDICTIONS, False),
        (METRICS, False),
    ]
    assert problems[0].reason == f"{RECIPE} changed since it was made"
    assert problems[2].reason == f"rests on {PREDICTIONS}"


def test_a_deleted_intermediate_file_is_missing_and_no_reason_for_doubt(chain: Path) -> None:
    Path(PREDICTIONS).unlink()
    assert Lineage(Path("results/mini")).problems([METRICS]) == []
    assert any(line.endswith("MISSING") for line in explain(Path(METRICS)))


def test_a_file_of_unknown_origin_says_so(chain: Path) -> None:
    stranger = Path("results/mini/metrics/stranger.json")
    write_json(stranger, {})
    assert next(explain(stranger)).endswith("no record of its job")
    with pytest.raises(StudyError, match="no such file, and no record"):
        list(explain(Path("results/mini/metrics/none.json")))
    with pytest.raises(StudyError, match="no folder above it holds records"):
        list(explain(Path("elsewhere/file")))


def test_a_wrong_name_is_answered_with_those_that_are_nearest(chain: Path) -> None:
    for wrong in (f"{METRICS[:-5]}s.json", METRICS.replace("mini", "mimi"), f"{METRICS}l"):
        with pytest.raises(StudyError) as caught:
            list(explain(Path(wrong)))
        assert str(caught.value).endswith(f" Did you mean {METRICS}?"), wrong


def test_without_a_file_one_that_is_there_is_the_example(chain: Path) -> None:
    status, text = run("explain.py")
    example = "For example: make explain FILE=results/{}\n"
    assert (status, text) == (
        1,
        "error: no file is named. " + example.format("smoke/report/index.html"),
    )
    for name in ("recommendations/a.json", "recommendations/b.json"):
        write_json(Path("results/mini", name), {})
    status, text = run("explain.py", "elsewhere/file")
    assert text.endswith(
        "For example: make explain FILE=results/mini/recommendations/a.json, "
        "or make explain FILE=results/mini/recommendations/b.json\n"
    )


def test_an_empty_record_of_a_failed_job_is_none(chain: Path) -> None:
    Path("results/mini/records/failed.json").touch()
    assert Lineage(Path("results/mini")).state(METRICS) == "unchanged"


def test_status_and_report_list_what_is_wrong(chain: Path) -> None:
    study = Study(yaml.safe_load((ROOT / "tests/workflow/mini.yaml").read_text()), "mini.yaml")
    assert attention(study, chain) == ""
    results = Results(study_plan(study), Path("results/mini"))
    assert evidence.lineage(results)["problems"] == []
    file = Path(METRICS)
    file.write_text(file.read_text().replace("0.5", "0.9"))
    assert attention(study, chain).splitlines()[1].startswith(f"  {METRICS}: edited by hand")
    (problem,) = evidence.lineage(results)["problems"]
    assert problem.file == METRICS
    assert sum(evidence.lineage(results)["commits"].values()) == 1


def test_the_program(chain: Path) -> None:
    status, text = run("explain.py", METRICS)
    assert status == 0 and text.startswith(f"{METRICS}  sha256 ")
    status, text = run("explain.py", "elsewhere")
    assert status == 1 and text.startswith("error: elsewhere: no folder above it holds records")


def test_report_warns_at_its_top(chain: Path) -> None:
    from sftstudy.records.lineage import Problem

    problems = [Problem(f"<{n}>", "edited", True, "edited") for n in range(30)]
    problems.append(Problem("other", "stale", False, "its input has changed"))
    page = render(TEMPLATES / "problems.html", lineage={"problems": problems}, warnings=[])
    # One line per reason, with some of its files.
    assert "31 files are not what their jobs made" in page and page.count("<li>") == 2
    assert "and 27 more" in page and "its input has changed: <code>other</code>" in page
    assert "&lt;0&gt;" in page and "<0>" not in page
    assert render(TEMPLATES / "problems.html", lineage={"problems": []}, warnings=[]).strip() == ""


def test_databases_that_replies_are_scored_on_are_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that the rows name; when one is edited, the metrics are stale, and explain says why."""
    monkeypatch.chdir(tmp_path)
    reference = {"sql": "SELECT n FROM t", "schema": "CREATE TABLE t (n INTEGER)", "db_id": "a"}
    prompt = [{"role": "user", "content": "all"}]
    row = {"id": "r", "group": "a", "prompt": prompt, "reference": reference}
    reply = {"id": "r", "text": "```sql\nSELECT n FROM t\n```", "finish_reason": "stop"}
    write_jsonl(Path("rows.jsonl"), [row])
    write_jsonl(Path("replies.jsonl"), [reply])
    for name in "ab":
        database(name, "CREATE TABLE t (n INTEGER)", "INSERT INTO t VALUES (1)")
    metrics = Path("results/mini/metrics/nl2sql.val.json")
    record = "results/mini/records/nl2sql.val.json"
    files = ("--predictions", "replies.jsonl", "--data", "rows.jsonl")
    files += ("--options", '{"databases": "databases"}')
    names = ("--student", "s", "--variant", "base", "--task", "nl2sql", "--split", "val")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "scripts"))
    status, output = run("score.py", *files, *names, "--output", metrics, "--record", record)
    assert status == 0, output
    used = "databases/a/a.sqlite"
    inputs = Lineage(Path("results/mini")).records[metrics.as_posix()]["inputs"]
    assert [name for name in inputs if name.startswith("databases")] == [used]
    assert any(f"{used}  sha256 {inputs[used][:12]}" in line for line in explain(metrics))
    # What decided: SQLite. Both the result and the record of the job say which.
    assert read_json(metrics)["versions"] == {"sqlite": sqlite3.sqlite_version}
    assert read_json(Path(record))["packages"]["sqlite"] == sqlite3.sqlite_version
    assert Lineage(Path("results/mini")).state(metrics.as_posix()) == "unchanged"

    database("a", "INSERT INTO t VALUES (2)")
    [problem] = Lineage(Path("results/mini")).problems([metrics.as_posix()])
    assert (problem.state, problem.reason) == ("stale", f"{used} changed since it was made")
    assert any(used in line and "CHANGED SINCE" in line for line in explain(metrics))


def database(name: str, *statements: str) -> None:
    """Run statements on ``databases/{name}/{name}.sqlite``."""
    file = Path("databases", name, f"{name}.sqlite")
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(file)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_a_database_that_changes_while_replies_are_scored_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sftstudy.scoring.document import _unchanged

    monkeypatch.chdir(tmp_path)
    database("a", "CREATE TABLE t (n INTEGER)")
    message = r"a\.sqlite: was changed while replies were scored on it"
    with pytest.raises(StudyError, match=message), _unchanged([Path("databases/a/a.sqlite")]):
        database("a", "INSERT INTO t VALUES (2)")
