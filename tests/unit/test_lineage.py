"""Where a file comes from, and whether it still is what its job made."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from programs import run
from repository import ROOT
from sftstudy import provenance
from sftstudy.errors import StudyError
from sftstudy.files import read_text, write_json, write_text
from sftstudy.ledger import LEDGER
from sftstudy.lineage import Lineage, explain
from sftstudy.report import evidence
from sftstudy.status import attention
from sftstudy.study import Study
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
    LEDGER.open(f"results/mini/provenance/{program}-{len(inputs)}.json")
    for name in inputs:
        if Path(name).is_dir():
            provenance.use(Path(name))
        else:
            read_text(Path(name))
    make()
    LEDGER.note(**facts)
    provenance.write()
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
    source = {"kind": "hub", "id": "org/banking77", "revision": "ab" * 20}
    raw = {"SOURCE": source, "train": {"rows": 3}}
    job(monkeypatch, "fetch_dataset", [], lambda: make_folder(RAW, **raw))
    job(monkeypatch, "prepare", [f"{RAW}/train.json"], lambda: write_text(Path(DATA), "rows"))
    job(monkeypatch, "recipe", [], lambda: write_text(Path(RECIPE), "learning_rate: 0.001\n"))
    weights = {"config": {}, "provenance": {"recipe": {}}}
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
    for program in ("score", "predict", "train", "recipe", "prepare", "fetch_dataset"):
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


def test_an_empty_record_of_a_failed_job_is_none(chain: Path) -> None:
    Path("results/mini/provenance/failed.json").touch()
    assert Lineage(Path("results/mini")).state(METRICS) == "unchanged"


def test_status_and_report_list_what_is_wrong(chain: Path) -> None:
    study = Study(yaml.safe_load((ROOT / "tests/workflow/mini.yaml").read_text()), "mini.yaml")
    assert attention(study, chain) == ""
    results = Results(study.plan(), Path("results/mini"))
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
    from sftstudy.lineage import Problem
    from sftstudy.report.render import render

    problems = [Problem(f"<{n}>", "edited", True, "edited") for n in range(30)]
    page = render("problems.html", lineage={"problems": problems})
    assert "30 files are not what their jobs made" in page and "and 10 more" in page
    assert "&lt;0&gt;" in page and "<0>" not in page
    assert render("problems.html", lineage={"problems": []}).strip() == ""
