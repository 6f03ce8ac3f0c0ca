"""A task of lm-eval over a fetched folder: which documents, which prompts, what it measures."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from local_lm_eval import write_tasks
from sftstudy.documents.lm_eval import Task
from sftstudy.documents.rows import Row
from sftstudy.errors import StudyError
from sftstudy.lm_eval_controls.rows import describe, rows
from sftstudy.lm_eval_controls.task import Asked, opened

pytest.importorskip("lm_eval")


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    return write_tasks(tmp_path)


def made(folder: Path, name: str, **given: Any) -> tuple[list[Row], Task]:
    task = {"lm_eval": str(folder / name), "limit": None, "num_fewshot": None}
    asked = Asked(**{**task, "apply_chat_template": None, "group": None, **given})
    with opened(asked, folder / "raw") as found:
        return rows(found, asked), describe("control", found, asked)


def test_written_replies_are_asked_for_as_a_conversation(tasks: Path) -> None:
    found, task = made(tasks, "sums.yaml", limit=3)
    assert [row["id"] for row in found] == ["0", "1", "2"]
    assert [message["role"] for message in found[1]["prompt"]] == ["user", "assistant", "user"]
    assert found[1]["prompt"][-1]["content"] == "Q: 1 + 1\nA:"
    assert found[1]["completion"] == [] and found[1]["group"] == "1"
    assert (task["task"], task["version"], task["num_fewshot"]) == ("local_sums", "2.0", 1)
    assert task["apply_chat_template"] and task["primary"] == "exact_match"
    assert {metric["name"]: metric["mean"] for metric in task["metrics"]} == {
        "exact_match": True,
        "bleu": False,
        "exact_match,any-digit": True,
        "bleu,any-digit": False,
    }


def test_as_many_examples_as_the_study_says(tasks: Path) -> None:
    found, task = made(tasks, "sums.yaml", num_fewshot=3)
    assert len(found[0]["prompt"]) == 7 and task["num_fewshot"] == 3 and len(found) == 12


def test_compared_answers_are_asked_for_as_one_text(tasks: Path) -> None:
    found, task = made(tasks, "choices.yaml", group="passage")
    asked = "Passage: Passage number 0.\nQuestion: What is in place 1?\nAnswer:"
    assert found[1]["prompt"] == [{"role": "user", "content": asked}]
    assert [row["group"] for row in found[:4]] == ["Passage number 0."] * 3 + ["Passage number 1."]
    assert found[1]["reference"] == {"target": "1"}
    assert not task["apply_chat_template"] and task["output_type"] == "multiple_choice"
    chat, _ = made(tasks, "choices.yaml", apply_chat_template=True)
    assert chat[1]["prompt"] == found[1]["prompt"]


def test_a_folder_for_each_subset_does_without_a_readme(tasks: Path) -> None:
    raw = tasks / "raw"
    (raw / "README.md").unlink()
    shutil.rmtree(raw / "sums")
    (raw / "likely.csv").unlink()
    assert len(made(tasks, "choices.yaml")[0]) == 12


def test_the_description_of_a_source_is_no_document(tasks: Path) -> None:
    (tasks / "raw/main/SOURCE.json").write_text('{"no": "document"}', encoding="utf-8")
    (tasks / "raw/README.md").unlink()
    assert len(made(tasks, "choices.yaml")[0]) == 12


@pytest.mark.parametrize("place", ["/elsewhere/likely.csv", "https://host/x/likely.csv"])
def test_files_that_lie_elsewhere_are_found_in_the_source_by_name(tasks: Path, place: str) -> None:
    file = tasks / "likely.yaml"
    text = file.read_text(encoding="utf-8").replace("test: likely.csv", f'test: "{place}"')
    file.write_text(text, encoding="utf-8")
    assert len(made(tasks, "likely.yaml")[0]) == 8
    (tasks / "raw/likely.csv").unlink()
    with pytest.raises(StudyError, match=r"raw: has no file 'likely\.csv', which the task's data"):
        made(tasks, "likely.yaml")


def test_a_source_of_another_dataset_is_an_error(tasks: Path) -> None:
    (tasks / "raw/README.md").write_text("---\nlicense: mit\n---\n", encoding="utf-8")
    with pytest.raises(StudyError, match=r"raw: the task .* of lm-eval cannot be made of it \("):
        made(tasks, "choices.yaml")


def test_a_field_that_documents_have_not_is_an_error(tasks: Path) -> None:
    with pytest.raises(StudyError, match=r"no field 'page' .* they have passage, question, choic"):
        made(tasks, "choices.yaml", group="page")


def test_a_task_that_is_no_mean_of_documents_is_an_error(tasks: Path) -> None:
    file = tasks / "likely.yaml"
    text = file.read_text(encoding="utf-8").replace("metric: acc", "metric: perplexity")
    file.write_text(text, encoding="utf-8")
    with pytest.raises(StudyError, match=r"\(perplexity\) is a mean over its documents"):
        made(tasks, "likely.yaml")


def test_the_same_task_elsewhere_has_the_same_hash(tasks: Path, tmp_path: Path) -> None:
    other = write_tasks(tmp_path / "other")
    assert made(tasks, "choices.yaml") == made(other, "choices.yaml")
