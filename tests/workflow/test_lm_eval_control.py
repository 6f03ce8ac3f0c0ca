"""A task of lm-eval becomes a control of a finished study: its own jobs run, and no others."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_lm_eval import write_tasks
from sftstudy.files.reading import read_json, read_jsonl
from workflow.running import MINI, Editor, plan, snakemake

pytestmark = pytest.mark.slow

STUDY = ("--configfile", MINI)
SUMMARY = {"collate": 1, "draw": 1, "report": 1}
PREPARED = {"prepare_lm_eval": 1, "fits_lm_eval": 1}
ASKED = {"predict_lm_eval": 3, "score_lm_eval": 3}
VARIANTS = ("base", "banking77/lr0.001", "pubmedqa/lr0.001")
CONTROL = """    choices:
      lm_eval: lm_tasks/choices.yaml
      source: {path: lm_tasks/raw}
      limit: 10
"""
GATE = "gates: {choices: {metric: acc, above: 0.001}}"
CODE = "ANOTHER = 1"


@pytest.fixture(scope="module")
def checkout(mini: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished mini study, with lm-eval's tasks beside it and none in it."""
    checkout = tmp_path_factory.mktemp("lm_eval") / "checkout"
    shutil.copytree(mini, checkout, symlinks=True)
    (checkout / "lm_tasks").mkdir()
    write_tasks(checkout / "lm_tasks")
    return checkout


@pytest.fixture(scope="module")
def controlled(checkout: Path) -> Path:
    """The study with the control, and before it is run what is planned."""
    editor = Editor(checkout)
    editor.replace(MINI, "simple_safety_tests]", f"simple_safety_tests, choices]\n{GATE}")
    editor.append(MINI, CONTROL.rstrip())
    return checkout


@pytest.fixture
def edited(finished: Path) -> Iterator[Editor]:
    editor = Editor(finished)
    yield editor
    editor.restore()


@pytest.fixture(scope="module")
def finished(controlled: Path) -> Path:
    target = "results/mini/metrics/smoke/base/choices.json"
    once = {"fetch_dataset": 1, **PREPARED}
    one = {"predict_lm_eval": 1, "score_lm_eval": 1}
    assert plan(controlled, target, *STUDY).rules == once | one, "a file by its name"
    whole = plan(controlled, *STUDY).rules
    assert whole == {**once, **ASKED, "recommend": 1, "plan": 1, **SUMMARY}
    snakemake(controlled, target, *STUDY)
    assert (controlled / target).exists()
    snakemake(controlled, *STUDY)
    return controlled


def test_the_same_again_does_nothing(finished: Path) -> None:
    assert plan(finished, *STUDY).rules == {}


def test_another_limit_asks_this_control_alone(edited: Editor) -> None:
    edited.replace(MINI, "limit: 10", "limit: 9")
    assert plan(edited.checkout, *STUDY).rules == {
        **PREPARED,
        **ASKED,
        "recommend": 1,
        **SUMMARY,
    }


def test_our_own_controls_and_engines_leave_it_alone(edited: Editor) -> None:
    edited.append("scripts/sftstudy/tasks/ifeval/score.py", CODE)
    edited.append("scripts/sftstudy/lm_eval_controls/vllm.py", CODE)
    assert plan(edited.checkout, *STUDY).rules == {"score_control": 3, "recommend": 1, **SUMMARY}
    edited.append("scripts/sftstudy/prediction/hf.py", CODE)
    assert "predict_lm_eval" not in plan(edited.checkout, *STUDY).rules


def test_the_code_that_asks_asks_again(edited: Editor) -> None:
    edited.append("scripts/sftstudy/lm_eval_controls/evaluate.py", CODE)
    assert plan(edited.checkout, *STUDY).rules == {**ASKED, "recommend": 1, **SUMMARY}


def test_an_edited_task_file_or_module_of_it_asks_again(edited: Editor) -> None:
    asks = {**PREPARED, **ASKED, "recommend": 1, **SUMMARY}
    edited.replace("lm_tasks/choices_utils.py", "Passage:", "Text:")
    assert plan(edited.checkout, *STUDY).rules == asks
    edited.restore()
    edited.replace("lm_tasks/choices_defaults.yaml", "multiple_choice", "multiple_choice # so")
    assert plan(edited.checkout, *STUDY).rules == asks


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("lm_tasks/choices.yaml", "gsm9k", "has no task 'gsm9k'. Did you mean"),
        ("lm_tasks/choices.yaml", "mmlu", "'mmlu' is a group of lm-eval, no task"),
        ("metric: acc,", "metric: accuracy,", "has no metric 'accuracy'; it has acc, acc_norm"),
    ],
)
def test_what_lm_eval_does_not_have_is_an_error_before_any_job(
    edited: Editor, old: str, new: str, said: str
) -> None:
    edited.replace(MINI, old, new)
    done = snakemake(edited.checkout, "--dry-run", *STUDY, check=False)
    assert done.returncode and said in done.stdout + done.stderr
    assert f"{MINI}, line" in done.stdout + done.stderr


def test_its_gate_decides(finished: Path) -> None:
    """For real: documents whose right answers are the base's, so that training can only lose."""
    results = finished / "results/mini"
    said = read_jsonl(results / "predictions/smoke/base/choices.jsonl")
    file = finished / "lm_tasks/raw/main/test.jsonl"
    rows = read_jsonl(file)
    for row, line in zip(rows, said, strict=False):
        row["gold"] = row["choices"].index(line["text"])
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    snakemake(finished, *STUDY)
    metrics = {v: read_json(results / f"metrics/smoke/{v}/choices.json") for v in VARIANTS}
    values = {v: document["metrics"]["acc"]["value"] for v, document in metrics.items()}
    assert values["base"] == 1 and min(values.values()) < 1
    [passing] = read_json(results / "recommendations/smoke.json")["configurations"]
    lowest = min(values.values())
    editor = Editor(finished)
    editor.replace(MINI, GATE, GATE.replace("0.001", f"{lowest}"))
    planned = plan(finished, *STUDY).rules
    assert planned == {"recommend": 1, "plan": 1, **SUMMARY}
    snakemake(finished, *STUDY)
    document = read_json(results / "recommendations/smoke.json")
    [failing] = document["configurations"]
    assert (passing["status"], failing["status"]) == ("feasible", "infeasible")
    of = {gate["task"]: gate for gate in failing["gates"] if gate["control"] == "choices"}
    assert {task: gate["value"] for task, gate in of.items()} == {
        task: values[f"{task}/lr0.001"] for task in ("banking77", "pubmedqa")
    }
    effects = {e["trained_on"]: e for e in document["side_effects"] if e["evalset"] == "choices"}
    assert effects["banking77"]["value"] == pytest.approx(values["banking77/lr0.001"] - 1)
    page = (results / "report/index.html").read_text(encoding="utf-8")
    assert "choices" in page
    assert plan(finished, *STUDY).rules == {}
