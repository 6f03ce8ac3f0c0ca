"""PubMedQA: reading both layouts, the prompt, the strict parser, the metrics."""

import json
import time

import pytest

from sftstudy.errors import StudyError
from sftstudy.tasks.pubmedqa import data, score

PROMPT = """\
Decide what the study below says about the question. Use only the abstract and reply with one \
word: yes, no or maybe.

Abstract: Mice were fed. They grew.

Question: Do mice grow when fed?

Answer:"""
RECORD = {
    "QUESTION": "Do mice grow when fed?",
    "CONTEXTS": ["Mice were fed.", "They grew."],
    "final_decision": "yes",
}


def write_source(raw, records, truth=None):
    raw.mkdir(parents=True, exist_ok=True)
    (raw / "ori_pqal.json").write_text(json.dumps(records), encoding="utf-8")
    if truth is not None:
        (raw / "test_ground_truth.json").write_text(json.dumps(truth), encoding="utf-8")
    return raw


def test_prompt_is_golden(tmp_path):
    splits = data.read(write_source(tmp_path, {"17": RECORD}))
    assert splits == {
        "train": [
            {
                "id": "17",
                "group": "17",
                "prompt": [{"role": "user", "content": PROMPT}],
                "completion": [{"role": "assistant", "content": "yes"}],
                "reference": {"label": "yes"},
            }
        ]
    }


def test_hub_layout_gives_the_same_rows(tmp_path):
    import pyarrow
    import pyarrow.parquet

    publisher = write_source(tmp_path / "publisher", {"17": RECORD})
    path = tmp_path / "hub" / "pqa_labeled" / "train-00000-of-00001.parquet"
    path.parent.mkdir(parents=True)
    row = {
        "pubid": 17,
        "question": RECORD["QUESTION"],
        "context": {"contexts": RECORD["CONTEXTS"], "labels": ["A", "B"], "meshes": []},
        "long_answer": "Yes.",
        "final_decision": "yes",
    }
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row]), path)
    assert data.read(tmp_path / "hub") == data.read(publisher)


def test_published_test_ids_are_the_test_split(tmp_path):
    records = {str(n): RECORD for n in range(4)}
    splits = data.read(write_source(tmp_path, records, {"2": "yes", "0": "yes"}))
    ids = {split: [row["id"] for row in rows] for split, rows in splits.items()}
    assert ids == {"train": ["1", "3"], "test": ["0", "2"]}


def test_real_source(shared_data):
    splits = data.read(shared_data / "pubmedqa")
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 500, "test": 500}
    rows = [row for rows in splits.values() for row in rows]
    counts = {label: sum(r["reference"]["label"] == label for r in rows) for label in data.LABELS}
    assert counts == {"yes": 552, "no": 338, "maybe": 110}


@pytest.mark.parametrize(
    ("reply", "parsed"),
    [
        ("yes", "yes"),
        ("No", "no"),
        ("MAYBE", "maybe"),
        (" yes\n", "yes"),
        ("Yes.", "yes"),
        ("<think>no, or maybe</think>yes", "yes"),
        ("no</think> yes", "yes"),
        ("<think>yes", None),
        ("", None),
        (".", None),
        ("yes..", None),
        ("yes!", None),
        ("yes .", None),
        ("yes,", None),
        ("**yes**", None),
        ('"yes"', None),
        ("Answer: yes", None),
        ("yes because", None),
        ("yes and no", None),
        ("yes\nno", None),
        ("yes, no or maybe", None),
        ("maybe not", None),
        ("unknown", None),
        ("yesno", None),
        ("{yes", None),
        ("```\nyes", None),
        ("ja", None),
        ("\uff59\uff45\uff53", None),  # full-width letters
    ],
)
def test_parse(reply, parsed):
    assert score.parse(reply) == parsed


@pytest.mark.parametrize("unit", ["y", "yes ", ".", " ", "\n", "<think>", "</think>", "\u0130"])
def test_a_megabyte_is_parsed_quickly(unit):
    start = time.process_time()
    assert score.parse(unit * (1_000_000 // len(unit))) is None
    assert time.process_time() - start < 0.5


# (gold, reply, the original study's verdict, ours)
@pytest.mark.parametrize(
    ("gold", "reply", "legacy", "ours"),
    [
        ("no", "unknown", True, False),
        ("maybe", "maybe not", False, False),
        ("no", "maybe not", True, False),
        ("yes", "yes and no", True, False),
        ("no", "yes and no", False, False),
        ("yes", "Yes.", True, True),
        ("maybe", "maybe", True, True),
        ("yes", "", False, False),
        ("yes", "yes, no or maybe", True, False),
    ],
)
def test_beside_the_original_study(gold, reply, legacy, ours):
    outcome = score.outcomes({"reference": {"label": gold}}, reply)
    assert (outcome["legacy_correct"], outcome["correct"]) == (legacy, ours)


def test_metrics():
    items = [score.outcomes({"reference": {"label": "yes"}}, "yes")]
    assert list(score.metrics(items)) == [
        "accuracy",
        "macro_f1",
        "invalid_rate",
        "named_accuracy",
        "legacy_accuracy",
        *(f"recall[label={label}]" for label in score.LABELS),
        *(f"precision[label={label}]" for label in score.LABELS),
    ]


def test_parser_and_data_know_the_same_labels():
    assert score.LABELS == data.LABELS


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"final_decision": None}, "key '17': unknown answer None; expected one of yes, no, maybe"),
        ({"final_decision": "Yes"}, "key '17': unknown answer 'Yes'"),
        ({"final_decision": ["yes"]}, "key '17': unknown answer"),
        ({"QUESTION": ""}, "key '17': 'QUESTION' is ''"),
        ({"CONTEXTS": []}, "key '17': the abstract's sections are missing or empty"),
        ({"CONTEXTS": ["Mice.", ""]}, "key '17': the abstract's sections are missing or empty"),
        ({"CONTEXTS": None}, "key '17': the abstract's sections are missing or empty"),
    ],
)
def test_bad_rows(tmp_path, change, message):
    with pytest.raises(StudyError) as error:
        data.read(write_source(tmp_path, {"17": {**RECORD, **change}}))
    assert "ori_pqal.json" in str(error.value)
    assert message in str(error.value)


@pytest.mark.parametrize("truth", [{"99": "yes"}, {"17": "no"}])
def test_ground_truth_of_another_release(tmp_path, truth):
    with pytest.raises(StudyError, match=r"test_ground_truth\.json, key"):
        data.read(write_source(tmp_path, {"17": RECORD}, truth))


def test_a_cut_file_is_an_error(tmp_path):
    path = write_source(tmp_path, {"17": RECORD}) / "ori_pqal.json"
    path.write_text(path.read_text(encoding="utf-8")[:60], encoding="utf-8")
    with pytest.raises(StudyError, match=r"ori_pqal\.json, line 1.*cut off"):
        data.read(tmp_path)


def test_a_list_is_no_source(tmp_path):
    with pytest.raises(StudyError, match="expected an object of questions"):
        data.read(write_source(tmp_path, [RECORD]))


def test_no_known_layout(tmp_path):
    with pytest.raises(StudyError, match=r"looked for pqa_labeled.*ori_pqal\.json"):
        data.read(tmp_path)


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("yes", "yes"),
        ("**Yes**, because there was no difference.", "yes"),
        ("Answer: no", "no"),
        ("The final answer is: **maybe**.", "maybe"),
        ('"No"', "no"),
        ("<think>yes</think>no", "no"),
        ("yes and no", None),
        ("maybe not", None),
        ("No, yes", None),
        ("unknown", None),
        ("The study shows that yes", None),
        ("", None),
    ],
)
def test_named_label(reply, label):
    assert score.named(reply) == label
