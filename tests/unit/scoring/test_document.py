"""The scoring engine: complete or an error, and every number with its n and interval."""

from pathlib import Path

import pytest

from sftstudy.errors import StudyError
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
    # Wilson 95% for 2 of 4 (Brown, Cai and DasGupta 2001): 0.150 to 0.850
    assert accuracy["low"] == pytest.approx(0.150, abs=5e-4)
    assert accuracy["high"] == pytest.approx(0.850, abs=5e-4)
    assert document["versions"] == {}
    assert document["metrics"]["think_rate"]["value"] == 0.25
    assert document["metrics"]["cut_rate"]["value"] == 0.25
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
