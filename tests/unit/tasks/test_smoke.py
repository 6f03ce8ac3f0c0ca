"""The smoke sources: deterministic, in the publishers' formats, apart from the student's corpus."""

import json
import random
from pathlib import Path

import pytest

from sftstudy.errors import StudyError
from sftstudy.tasks import corpus
from sftstudy.tasks.ifeval import smoke as ifeval
from sftstudy.tasks.registry import CONTROLS, TASKS, data_module, score_module, smoke_module
from sftstudy.tasks.simple_safety_tests import smoke as simple_safety_tests

ONE_SPLIT = ("pubmedqa", "nl2sql")


def written(folder: Path, task: str, seed: int = 1, train: int = 60, test: int = 40) -> Path:
    smoke_module(task).write(folder, seed, train, test)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("task", TASKS + CONTROLS)
def test_the_seed_decides_every_byte(task: str, tmp_path: Path) -> None:
    first = contents(written(tmp_path / "first", task))
    assert contents(written(tmp_path / "again", task)) == first
    assert contents(written(tmp_path / "other", task, seed=2)) != first


@pytest.mark.parametrize("task", TASKS + CONTROLS)
def test_the_task_reads_the_source_with_the_counts_asked_for(task: str, tmp_path: Path) -> None:
    splits = data_module(task).read(written(tmp_path, task))
    counts = {split: len(rows) for split, rows in splits.items()}
    if task in CONTROLS:
        assert counts == {"test": 40}
    elif task in ONE_SPLIT:
        assert counts == {"train": 100}
    else:
        assert counts == {"train": 60, "test": 40}


@pytest.mark.parametrize("task", TASKS + CONTROLS)
def test_no_prompt_occurs_twice(task: str, tmp_path: Path) -> None:
    rows = [
        row for part in data_module(task).read(written(tmp_path, task)).values() for row in part
    ]
    prompts = [row["prompt"][0]["content"] for row in rows]
    assert len(set(prompts)) == len(prompts)


@pytest.mark.parametrize("task", TASKS)
def test_the_target_scores_one_on_the_primary_metric(task: str, tmp_path: Path) -> None:
    score = score_module(task)
    rows = [
        row for part in data_module(task).read(written(tmp_path, task)).values() for row in part
    ]
    outcome = score.metrics([])[score.PRIMARY].outcome
    for row in rows:
        found = score.outcomes(row, row["completion"][0]["content"])[outcome]
        assert found in (True, 1.0), row


def test_documents_have_several_questions(tmp_path: Path) -> None:
    rows = data_module("tatqa").read(written(tmp_path, "tatqa"))["train"]
    groups = [row["group"] for row in rows]
    assert {groups.count(group) for group in groups} == {4}
    assert {row["reference"]["answer_type"] for row in rows} == {"span", "multi-span"}


def test_the_publishers_tail_holds_one_class(tmp_path: Path) -> None:
    rows = data_module("banking77").read(written(tmp_path, "banking77", train=80))["train"]
    assert len({row["reference"]["label"] for row in rows}) == 8
    assert len({row["reference"]["label"] for row in rows[-10:]}) == 1


def test_too_many_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="simple_safety_tests: asked for 51 distinct rows"):
        written(tmp_path, "simple_safety_tests", test=51)
    assert not any(tmp_path.iterdir())


def test_the_student_never_sees_a_control_prompt_of_the_source(tmp_path: Path) -> None:
    seen = {prompt for prompt, _ in corpus.conversations(seed=1, count=4000)}
    for control, count in (("ifeval", 150), ("simple_safety_tests", 50)):
        rows = data_module(control).read(written(tmp_path / control, control, test=count))["test"]
        assert not seen & {row["prompt"][0]["content"] for row in rows}


def test_the_student_never_sees_a_task_prompt(tmp_path: Path) -> None:
    seen = {prompt for prompt, _ in corpus.conversations(seed=1, count=4000)}
    for task in TASKS:
        rows = data_module(task).read(written(tmp_path / task, task))["train"]
        assert not seen & {row["prompt"][0]["content"] for row in rows}


def test_taught_replies_follow_their_instruction_and_others_do_not(tmp_path: Path) -> None:
    """Every taught format is a real one, and a reply that lost it fails."""
    score = score_module("ifeval")
    rng = random.Random(1)
    for make in ifeval.TAUGHT:
        instruction = make(rng, "rivers")
        row = {
            "id": "1",
            "prompt": [{"role": "user", "content": instruction.text}],
            "reference": {
                "key": 1,
                "instruction_id_list": [instruction.type],
                "kwargs": [instruction.kwargs],
            },
        }
        outcome = score.metrics([])[score.PRIMARY].outcome
        assert score.outcomes(row, instruction.reply)[outcome], instruction
        assert not score.outcomes(row, "A note.")[outcome], instruction


def test_refusals_are_safe_and_help_is_not(tmp_path: Path) -> None:
    score = score_module("simple_safety_tests")
    rows = data_module("simple_safety_tests").read(written(tmp_path, "simple_safety_tests"))["test"]
    outcome = score.metrics([])[score.PRIMARY].outcome
    for row in rows:
        assert score.outcomes(row, simple_safety_tests.REFUSAL)[outcome]
        assert not score.outcomes(row, simple_safety_tests.HELP)[outcome]
    assert len(simple_safety_tests.AREAS) == len({row["reference"]["harm_area"] for row in rows})


def test_the_corpus_is_deterministic() -> None:
    first = corpus.conversations(seed=3, count=50)
    assert json.dumps(corpus.conversations(seed=3, count=50)) == json.dumps(first)
    assert corpus.conversations(seed=4, count=50) != first
