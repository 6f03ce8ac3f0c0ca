"""The scoring engine: complete or an error, and every number with its n and interval."""

from pathlib import Path

import pytest

from programs import run
from sftstudy.documents.replies import DROPPED
from sftstudy.errors import StudyError
from sftstudy.files.reading import read_jsonl
from sftstudy.files.writing import write_jsonl
from sftstudy.scoring.document import metrics_document


def row(number: int, label: str) -> dict:
    return {
        "id": f"r{number}",
        "group": f"r{number}",
        "prompt": [{"role": "user", "content": f"question {number}"}],
        "completion": [{"role": "assistant", "content": label}],
        "reference": {"label": label},
    }


def reply(number: int, text: str, reason: str = "stop") -> dict:
    return {
        "id": f"r{number}",
        "text": text,
        "finish_reason": reason,
        "prompt_tokens": 3,
        "completion_tokens": 1,
    }


LABELS = ["yes", "no", "maybe", "yes"]


def score(folder: Path, replies: list[dict], rows: list[dict] | None = None) -> dict:
    rows = [row(i, label) for i, label in enumerate(LABELS)] if rows is None else rows
    write_jsonl(folder / "data.jsonl", rows)
    write_jsonl(folder / "predictions.jsonl", replies)
    return metrics_document(
        "pubmedqa", "val", "s", "base", folder / "predictions.jsonl", folder / "data.jsonl"
    )


def test_document(tmp_path: Path) -> None:
    replies = [reply(0, "yes"), reply(1, "yes"), reply(2, "<think>no</think>maybe", "length")]
    document = score(tmp_path, [*replies, reply(3, "yes, no")])
    assert (document["evalset"], document["primary"], document["n"]) == (
        "pubmedqa.val",
        "accuracy",
        4,
    )
    accuracy = document["metrics"]["accuracy"]
    assert accuracy["value"] == 0.5 and accuracy["n"] == 4
    # Exact 95% for 2 of 4: 1 - (1-p)^4 - 4p(1-p)^3 = 0.025 at p = 0.0676
    assert accuracy["low"] == pytest.approx(0.0676, abs=5e-5)
    assert accuracy["high"] == pytest.approx(0.9324, abs=5e-5)
    assert document["versions"] == {}
    assert document["metrics"]["think_rate"]["value"] == 0.25
    assert document["metrics"]["cut_rate"]["value"] == 0.25
    assert document["metrics"]["repeated_rate"]["value"] == 0.5  # "yes", to two prompts
    assert [item["id"] for item in document["items"]] == ["r0", "r1", "r2", "r3"]
    for name, metric in document["metrics"].items():
        assert {"value", "n", "se", "low", "high", "interval"} <= set(metric), name


def test_order_of_predictions_does_not_matter(tmp_path: Path) -> None:
    replies = [reply(i, text) for i, text in enumerate(["yes", "no", "no", "maybe"])]
    straight = score(tmp_path, replies)
    shuffled = score(tmp_path, replies[::-1])
    assert straight["items"] == shuffled["items"]
    assert straight["metrics"] == shuffled["metrics"]


@pytest.mark.parametrize(
    ("replies", "words"),
    [
        ([reply(0, "yes")], ["'r1'", "has no prediction", "3 of 4"]),
        ([reply(i, "yes") for i in range(5)], ["'r4'", "does not occur"]),
        ([reply(0, "yes"), reply(0, "no")], ["line 2", "second time"]),
        ([{"id": "r0", "text": "yes"}], ["line 1", "finish_reason"]),
    ],
)
def test_incomplete_predictions_are_an_error(
    tmp_path: Path, replies: list[dict], words: list[str]
) -> None:
    with pytest.raises(StudyError) as caught:
        score(tmp_path, replies)
    for word in ["predictions.jsonl", *words]:
        assert word in str(caught.value)


def test_an_empty_evaluation_has_no_metrics(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"data\.jsonl: holds no rows"):
        score(tmp_path, [], rows=[])


def test_dropped_rows_are_counted_and_not_scored(tmp_path: Path) -> None:
    texts = ["yes", "yes", "maybe", "yes"]
    replies = [reply(i, text) for i, text in enumerate(texts)]
    everything = score(tmp_path, replies)
    assert (everything["n"], everything["dropped"]) == (4, 0)
    replies[1] = reply(1, "", DROPPED)
    document = score(tmp_path, replies)
    assert (document["n"], document["groups"], document["dropped"]) == (3, 3, 1)
    accuracy = document["metrics"]["accuracy"]
    assert (accuracy["value"], accuracy["n"]) == (1.0, 3)
    assert [item["id"] for item in document["items"]] == ["r0", "r2", "r3"]
    with pytest.raises(StudyError, match="'r1' has no prediction"):
        score(tmp_path, [replies[0], *replies[2:]])
    with pytest.raises(StudyError, match=r"predictions\.jsonl: all 4 rows were dropped"):
        score(tmp_path, [reply(i, "", DROPPED) for i in range(4)])


def test_nobody_is_asked_about_dropped_replies_of_a_control(tmp_path: Path) -> None:
    rows = [row(i, "") | {"completion": [], "reference": {"harm": "x"}} for i in range(2)]
    replies = [reply(0, "No."), reply(1, "", DROPPED)]
    write_jsonl(tmp_path / "data.jsonl", rows)
    write_jsonl(tmp_path / "predictions.jsonl", replies)
    output = tmp_path / "questions.jsonl"
    status, text = run(
        *("ask_judge.py", "--control", "simple_safety_tests", "--data", tmp_path / "data.jsonl"),
        *("--predictions", tmp_path / "predictions.jsonl", "--output", output),
    )
    assert status == 0, text
    assert [question["id"] for question in read_jsonl(output)] == ["r0"]
