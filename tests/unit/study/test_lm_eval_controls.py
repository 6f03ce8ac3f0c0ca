"""Controls from lm-eval in a study file: what it may say, what jobs are told, what is refused."""

from pathlib import Path
from typing import Any

import pytest

from local_lm_eval import write_tasks
from repository import ROOT
from sftstudy.errors import StudyError
from sftstudy.files.strict_yaml import read_yaml
from sftstudy.status import jobs as status_jobs
from sftstudy.study import jobs
from sftstudy.study.grid import Study
from sftstudy.study.layers import read_layers
from sftstudy.study.layout import Layout
from sftstudy.study.lm_eval_controls import require
from sftstudy.tasks import lm_eval_yaml

pytest.importorskip("lm_eval")
GSM8K = {"lm_eval": "gsm8k", "source": {"hub": "openai/gsm8k"}}


def study(block: dict[str, Any] | None = None, name: str = "maths", **more: Any) -> Study:
    config = read_yaml(ROOT / "config/smoke.yaml")
    config["controls"] = ["simple_safety_tests", name]
    config["catalog"]["controls"][name] = block or GSM8K
    return Study(config | more, "study.yaml")


def test_an_installed_task_is_a_control_and_a_suite_of_its_own() -> None:
    found = study(GSM8K | {"limit": 200}, gates={"maths": gate("exact_match")})
    require(found)
    assert (found.lm_eval_controls, found.own_controls) == (["maths"], ["simple_safety_tests"])
    assert "maths" in found.evalsets("base")
    assert jobs.lm_eval_asked(found, "maths") == {
        "lm_eval": "gsm8k",
        "num_fewshot": None,
        "apply_chat_template": None,
        "group": None,
        "limit": 200,
    }
    student = found.students[0]
    kinds = [job.kind for job in status_jobs(found, student, "base", Layout(Path("r")))]
    assert "maths" in kinds and "controls" in kinds
    assert jobs.judgements(found, "maths") == []


def test_the_study_s_own_limit_holds_too() -> None:
    assert jobs.lm_eval_asked(study(limit=20), "maths")["limit"] == 20
    assert jobs.lm_eval_asked(study(GSM8K | {"limit": 5}, limit=20), "maths")["limit"] == 5


def test_a_later_layer_replaces_the_source(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    block = "{lm_eval: gsm8k, source: {hub: openai/gsm8k}}"
    file.write_text(f"catalog: {{controls: {{maths: {block}}}}}", encoding="utf-8")
    above = ["catalog={controls: {maths: {source: {path: here}}}}"]
    layers = read_layers([ROOT / "config/smoke.yaml", file], above)
    assert layers.config["catalog"]["controls"]["maths"]["source"] == {"path": "here"}


@pytest.mark.parametrize(
    ("engine", "module", "gpus"), [("hf", "hf", 1), ("vllm", "vllm", 2), ("openai", "hf", 1)]
)
def test_the_student_s_engine_computes(engine: str, module: str, gpus: int) -> None:
    found = study(engine=engine)
    student = found.students[0]
    found.student(student).update(gpus=4, predict_gpus=2)
    assert jobs.lm_eval_backend(found, student).endswith(f"lm_eval_controls/{module}.py")
    assert jobs.lm_eval_generation(found, student)["backend"] == module
    assert jobs.lm_eval_facts(found, student)["gpus"] == gpus


@pytest.mark.parametrize(
    ("name", "block", "said"),
    [
        ("ifeval", GSM8K, r"catalog\.controls\.ifeval: a control from lm-eval needs a name of its"),
        ("controls", GSM8K, "needs a name of its own"),
        ("a.val", GSM8K, "for example lm_eval_a_val"),
        ("maths", GSM8K | {"max_new_tokens": 8}, "unknown key 'max_new_tokens'"),
        ("maths", {"lm_eval": "gsm8k"}, "the key 'source' is missing"),
        ("maths", GSM8K | {"source": {"smoke": {}}}, "come from 'hub' or 'path'"),
        ("maths", GSM8K | {"limit": 0}, "found 0; expected at least 1"),
    ],
)
def test_what_a_block_may_not_say(name: str, block: dict[str, Any], said: str) -> None:
    with pytest.raises(StudyError, match=said):
        study(block, name)


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("gsm9k", r"catalog\.controls\.maths\.lm_eval: .* has no task 'gsm9k'\. Did you mean '"),
        ("mmlu", r"'mmlu' is a group of lm-eval, no task; .*mmlu_abstract_algebra.* and 49 more"),
        ("ai2_arc", r"is a group of lm-eval.*arc_challenge"),
        ("squadv2", r"'squadv2' is a class in Python"),
        ("humaneval", "runs code that the student writes"),
        ("missing/task.yaml", "no such task file"),
    ],
)
def test_what_lm_eval_has_not_is_named(task: str, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        require(study(GSM8K | {"lm_eval": task}))


def gate(metric: str) -> dict[str, Any]:
    return {"metric": metric, "min_ratio_to_baseline": 0.95}


@pytest.mark.parametrize(
    ("task", "metric", "said"),
    [
        ("gsm8k", "exact_matc", "has no metric 'exact_matc'; it has exact_match, exact_match,flex"),
        ("gsm8k", "acc", r"gates\.maths\.metric"),
        ("cola", "mcc", "'mcc' of the task 'cola' is no mean over its documents"),
        ("lambada_openai", "perplexity", "is no mean over its documents"),
    ],
)
def test_a_gate_names_a_metric_that_the_task_has(task: str, metric: str, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        require(study(GSM8K | {"lm_eval": task}, gates={"maths": gate(metric)}))


def test_metrics_of_further_filters_are_called_as_lm_eval_does() -> None:
    require(study(gates={"maths": gate("exact_match,flexible-extract")}))
    names = lm_eval_yaml.metric_names(lm_eval_yaml.read(lm_eval_yaml.find("gsm8k")))
    assert names == ["exact_match", "exact_match,flexible-extract"]


def test_a_task_file_is_read_with_what_it_includes(tmp_path: Path) -> None:
    folder = write_tasks(tmp_path)
    file = folder / "choices.yaml"
    said = lm_eval_yaml.read(file)
    assert (said["task"], said["output_type"]) == ("local_choices", "multiple_choice")
    assert [each.name for each in lm_eval_yaml.files(file)] == [
        "choices.yaml",
        "choices_utils.py",
        "choices_defaults.yaml",
    ]
    before = lm_eval_yaml.config_sha256(file)
    utils = folder / "choices_utils.py"
    utils.write_text(utils.read_text(encoding="utf-8") + "\n# more", encoding="utf-8")
    assert lm_eval_yaml.config_sha256(file) != before
    names = jobs.lm_eval_files(study(GSM8K | {"lm_eval": str(file)}), "maths")
    assert names == [str(each) for each in lm_eval_yaml.files(file)]
    assert jobs.lm_eval_files(study(), "maths") == []
