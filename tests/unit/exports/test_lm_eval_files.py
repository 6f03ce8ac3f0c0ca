"""Task files for lm-eval: what they hold, and that their scores are the study's."""

from pathlib import Path

import pytest
import yaml

from programs import SCRIPTS
from sftstudy.errors import StudyError
from sftstudy.exports.lm_eval_files import whole_sample_metrics, write
from sftstudy.exports.lm_eval_hooks import documents, process_results
from sftstudy.files.reading import read_jsonl
from sftstudy.files.writing import write_jsonl
from sftstudy.tasks.registry import TASKS, data_module, score_module, smoke_module


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Splits of all tasks, from their smoke sources."""
    folder = tmp_path_factory.mktemp("data")
    for task in TASKS:
        smoke_module(task).write(folder / "raw" / task, seed=1, train=8, test=8)
        rows = data_module(task).read(folder / "raw" / task)
        write_jsonl(folder / task / "test.jsonl", rows["train"][:8])
    return folder


@pytest.mark.parametrize("task", TASKS)
def test_the_target_scores_one_and_another_reply_zero(data: Path, task: str) -> None:
    primary = score_module(task).PRIMARY
    for document in documents(task, data / task / "test.jsonl", {})["test"]:
        assert process_results(document, [document["target"]])[primary] == 1.0
        assert process_results(document, ["I do not know"])[primary] == 0.0


def test_files_of_all_tasks(data: Path, tmp_path: Path) -> None:
    write(tmp_path, data, SCRIPTS, dict.fromkeys(TASKS, 16), {})
    names = {f"{task}_sft.yaml" for task in TASKS}
    assert {file.name for file in tmp_path.iterdir()} == names | {"utils.py"}
    document = task_file(tmp_path / "banking77_sft.yaml")
    assert document["generation_kwargs"]["max_gen_toks"] == 16
    assert document["metric_list"] == [
        {"metric": "accuracy", "aggregation": "mean", "higher_is_better": True},
        {"metric": "invalid_rate", "aggregation": "mean", "higher_is_better": False},
        {"metric": "named_accuracy", "aggregation": "mean", "higher_is_better": True},
    ]


def test_replies_are_drawn_as_in_the_study(data: Path, tmp_path: Path) -> None:
    decodings = {"tatqa": {"samples": 8, "temperature": 0.7, "top_p": 0.9}}
    write(tmp_path, data, SCRIPTS, {"tatqa": 9, "pubmedqa": 9}, {}, decodings)
    drawn = task_file(tmp_path / "tatqa_sft.yaml")["generation_kwargs"]
    greedy = task_file(tmp_path / "pubmedqa_sft.yaml")["generation_kwargs"]
    assert drawn == {
        "until": [], "do_sample": True, "temperature": 0.7, "top_p": 0.9, "max_gen_toks": 9,
    }  # fmt: skip
    assert greedy == {"until": [], "do_sample": False, "max_gen_toks": 9}


def test_options_of_a_task_reach_its_metrics_and_its_rows(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = {"nl2sql": {"databases": "databases"}}
    write(tmp_path / "out", data, SCRIPTS, {"nl2sql": 16, "tatqa": 16}, options)
    metrics = task_file(tmp_path / "out/nl2sql_sft.yaml")["metric_list"]
    assert "execution_accuracy" in [entry["metric"] for entry in metrics]
    code = (tmp_path / "out/utils.py").read_text()
    folder = str(tmp_path / "databases")
    assert f"OPTIONS = {{'nl2sql': {{'databases': {folder!r}}}, 'tatqa': {{}}}}" in code
    found = documents("nl2sql", data / "nl2sql/test.jsonl", {"databases": folder})["test"][0]
    with pytest.raises(StudyError, match=r"\.sqlite: no such database"):
        process_results(found, [found["target"]])


def task_file(path: Path) -> dict:
    yaml.SafeLoader.add_constructor("!function", lambda _, node: node.value)
    return yaml.safe_load(path.read_text())


def test_metrics_over_a_part_of_the_replies_are_left_out(data: Path) -> None:
    row = read_jsonl(data / "tatqa" / "test.jsonl")[0]
    names = whole_sample_metrics("tatqa", score_module("tatqa").outcomes(row, ""))
    assert set(names) == {"em", "f1", "value_em", "scale_accuracy", "boxed_rate"}


def test_a_prompt_of_several_messages_is_refused(data: Path, tmp_path: Path) -> None:
    row = read_jsonl(data / "pubmedqa" / "test.jsonl")[0]
    row["prompt"].insert(0, {"role": "system", "content": "Be brief."})
    write_jsonl(tmp_path / "pubmedqa" / "test.jsonl", [row])
    with pytest.raises(StudyError, match=r"messages system, user; .* one user message"):
        write(tmp_path / "out", tmp_path, SCRIPTS, {"pubmedqa": 4}, {})
