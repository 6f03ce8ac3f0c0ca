"""banking77: reading both layouts, the prompt, the strict parser, the metrics."""

import csv
import json
import random
import time

import numpy as np
import pytest

from sftstudy.errors import StudyError
from sftstudy.tasks import labels
from sftstudy.tasks.banking77 import data, score

INTENTS = ["card_arrival", "Refund_not_showing_up", "request_refund"]
PROMPT = """\
You are an intent classifier for the messages that customers write to their bank.

Intents (id: name):
0: card_arrival
1: Refund_not_showing_up
2: request_refund

Rules:
- Choose the one intent that fits the message best.
- Reply with exactly one id from the list.
- Write digits only, nothing else.

<query>
Where is my card?
</query>"""


def write_csv(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([("text", "category"), *rows])


def write_source(raw, train=None, test=None):
    write_csv(raw / "train.csv", train or [(f"About {name}", name) for name in INTENTS])
    write_csv(raw / "test.csv", test or [("Where is my card?", "card_arrival")])
    return raw


def write_hub_source(raw, label=0, metadata=True):
    import pyarrow
    import pyarrow.parquet

    feature = {"names": INTENTS, "_type": "ClassLabel"}
    info = {"info": {"features": {"label": feature}}}
    parts = {
        "train": ([f"About {name}" for name in INTENTS], [0, 1, 2]),
        "test": (["Where is my card?"], [label]),
    }
    (raw / "data").mkdir(parents=True)
    for split, (texts, numbers) in parts.items():
        table = pyarrow.table({"text": texts, "label": pyarrow.array(numbers, pyarrow.int64())})
        if metadata:
            table = table.replace_schema_metadata({"huggingface": json.dumps(info)})
        pyarrow.parquet.write_table(table, raw / "data" / f"{split}-00000-of-00001.parquet")
    return raw


def test_prompt_is_golden(tmp_path):
    row = data.read(write_source(tmp_path))["test"][0]
    assert row == {
        "id": "test-0",
        "group": "test-0",
        "prompt": [{"role": "user", "content": PROMPT}],
        "completion": [{"role": "assistant", "content": "0"}],
        "reference": {"label": "0", "intent": "card_arrival", "intents": 3},
    }


def test_prompts_differ_only_at_their_end(tmp_path):
    prompts = [row["prompt"][0]["content"] for row in data.read(write_source(tmp_path))["train"]]
    shared = PROMPT.index("Where is")
    assert {prompt[:shared] for prompt in prompts} == {PROMPT[:shared]}


def test_both_layouts_give_the_same_rows(tmp_path):
    publisher = data.read(write_source(tmp_path / "publisher"))
    assert data.read(write_hub_source(tmp_path / "hub")) == publisher
    assert [row["reference"]["label"] for row in publisher["train"]] == ["0", "1", "2"]


def test_real_source(shared_data):
    splits = data.read(shared_data / "banking77")
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 10_003, "test": 3_080}
    names = {int(r["reference"]["label"]): r["reference"]["intent"] for r in splits["train"]}
    assert sorted(names) == list(range(77))
    # The hub's numbers of some intents; the capital letter takes its place among small ones.
    expected = {0: "activate_my_card", 11: "card_arrival", 51: "Refund_not_showing_up"}
    assert {number: names[number] for number in expected} == expected
    assert names[76] == "wrong_exchange_rate_for_cash_withdrawal"
    assert len({row["id"] for rows in splits.values() for row in rows}) == 13_083


@pytest.mark.parametrize(
    ("reply", "parsed"),
    [
        ("11", "11"),
        (" 11\n", "11"),
        ("0", "0"),
        ("76", "76"),
        ("<think>It is 3.</think>\n\n11", "11"),
        ("3</think>11", "11"),
        ("<think>11", None),
        ("<think>11</think>", None),
        ("", None),
        (" \n", None),
        ("77", None),
        ("-1", None),
        ("+1", None),
        ("01", None),
        ("1.0", None),
        ("11.", None),
        ("1e1", None),
        ("1_1", None),
        ("11 12", None),
        ("11, 12", None),
        ("11\n11", None),
        ("id 11", None),
        ("11: card_arrival", None),
        ("card_arrival", None),
        ("eleven", None),
        ("{11", None),
        ("```\n11", None),
        ("\u0661\u0661", None),  # Arabic-Indic digits
        ("\uff11\uff11", None),  # full-width digits
        ("\u00b9\u00b9", None),  # superscripts
        ("\u5341\u4e00", None),  # Chinese numerals
        ("\n".join(str(number) for number in range(77)), None),
    ],
)
def test_parse(reply, parsed):
    assert score.parse(reply, 77) == parsed


@pytest.mark.parametrize("unit", ["1", "11 ", "a", " ", "\n", "<think>", "</think>", "\u0661"])
def test_a_megabyte_is_parsed_quickly(unit):
    start = time.process_time()
    assert score.parse(unit * (1_000_000 // len(unit)), 77) is None
    assert time.process_time() - start < 0.5


def reference(label, intents=77):
    return {"reference": {"label": str(label), "intent": f"i{label}", "intents": intents}}


# (gold, reply, the original study's verdict, ours)
@pytest.mark.parametrize(
    ("gold", "reply", "legacy", "ours"),
    [
        (1, "11", True, False),
        (1, "1", True, True),
        (11, "1", False, False),
        (5, "I think it is 5", True, False),
        (5, "five", False, False),
        (5, " 5 ", True, True),
    ],
)
def test_beside_the_original_study(gold, reply, legacy, ours):
    outcome = score.outcomes(reference(gold), reply)
    assert (outcome["legacy_correct"], outcome["correct"]) == (legacy, ours)


def share(items, outcome):
    return sum(item[outcome] for item in items) / len(items)


def test_echoing_the_label_list_scores_nothing():
    listing = data.prompt_text([f"i{number}" for number in range(77)], "Where is my card?")
    items = [score.outcomes(reference(label), listing) for label in range(77)]
    assert share(items, "correct") == 0
    assert share(items, "invalid") == 1
    assert share(items, "legacy_correct") == 1
    assert labels.macro_f1(items, np.ones((1, 77)))[0] == 0


def test_uniform_guesser_scores_one_in_77():
    rng = random.Random(0)
    rows = 77 * 1_000
    items = [score.outcomes(reference(n % 77), str(rng.randrange(77))) for n in range(rows)]
    standard_error = (1 / 77 * 76 / 77 / rows) ** 0.5
    assert share(items, "correct") == pytest.approx(1 / 77, abs=4 * standard_error)
    assert labels.macro_f1(items, np.ones((1, rows)))[0] == pytest.approx(1 / 77, abs=0.002)


def items_of(pairs):
    return [{"label": gold, "prediction": prediction} for gold, prediction in pairs]


# Worked by hand: gold a a a b b c against a a b b None b.
# a: TP 2, FP 0, FN 1 -> 4/5; b: TP 1, FP 2, FN 1 -> 2/5; c: TP 0 -> 0. Mean 0.4.
PAIRS = [("a", "a"), ("a", "a"), ("a", "b"), ("b", "b"), ("b", None), ("c", "b")]


def test_macro_f1_by_hand():
    assert labels.macro_f1(items_of(PAIRS), np.ones((1, 6))) == pytest.approx([0.4])


def test_macro_f1_with_weights_is_that_of_the_repeated_sample():
    weights = np.random.default_rng(0).multinomial(6, [1 / 6] * 6, size=50)
    repeated = [
        labels.macro_f1(
            items_of([pair for pair, count in zip(PAIRS, row, strict=True) for _ in range(count)]),
            np.ones((1, 6)),
        )[0]
        for row in weights
    ]
    assert labels.macro_f1(items_of(PAIRS), weights) == pytest.approx(repeated)


def test_macro_f1_counts_a_class_that_is_only_predicted():
    # a: TP 1, FN 1 -> 2/3; z: never gold -> 0.
    pairs = [("a", "a"), ("a", "z")]
    assert labels.macro_f1(items_of(pairs), np.ones((1, 2))) == pytest.approx([1 / 3])


def test_macro_f1_is_fast_enough_for_the_bootstrap():
    rng = random.Random(0)
    items = items_of([(str(n % 77), str(rng.randrange(77))) for n in range(3_080)])
    weights = np.random.default_rng(0).poisson(1, size=(1_000, 3_080)).astype(np.float32)
    start = time.process_time()
    assert labels.macro_f1(items, weights).shape == (1_000,)
    assert time.process_time() - start < 1


def test_metrics_have_every_class_in_order():
    items = [score.outcomes(reference(label), str(label)) for label in (10, 2, 0)]
    metrics = score.metrics(items)
    assert [name for name in metrics if name.startswith("recall")] == [
        "recall[label=i0]",
        "recall[label=i2]",
        "recall[label=i10]",
    ]
    assert metrics["recall[label=i2]"].where == {"label": "2"}
    assert metrics["precision[label=i2]"].where == {"prediction": "2"}
    assert {score.PRIMARY, "macro_f1", "invalid_rate", "legacy_accuracy"} <= set(metrics)


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (None, [("Hello", "small_talk")], r"test\.csv, line 2: unknown intent 'small_talk'"),
        (None, [("Hello", "")], r"test\.csv, line 2: 'category' is ''"),
        ([(" ", "card_arrival")], None, r"train\.csv, line 2: 'text' is ' '"),
        ([("Hello",)], None, r"train\.csv, line 2: found 1 fields, expected 2"),
        ([("a", "b", "c")], None, r"train\.csv, line 2: found 3 fields, expected 2"),
    ],
)
def test_bad_rows(tmp_path, train, test, message):
    with pytest.raises(StudyError, match=message):
        data.read(write_source(tmp_path, train, test))


@pytest.mark.parametrize("keep", [-1, -3, -12, -20])
def test_a_cut_csv_file_is_an_error(tmp_path, keep):
    raw = write_source(tmp_path)
    text = (raw / "train.csv").read_text(encoding="utf-8")
    (raw / "train.csv").write_text(text.rstrip("\n")[:keep], encoding="utf-8")
    with pytest.raises(StudyError, match=r"train\.csv, line \d+: .*cut off"):
        data.read(raw)


def test_a_half_of_a_real_file_is_an_error(shared_data, tmp_path):
    for name in ("train.csv", "test.csv"):
        whole = (shared_data / "banking77" / name).read_bytes()
        (tmp_path / name).write_bytes(whole if name == "test.csv" else whole[: len(whole) // 2])
    with pytest.raises(StudyError, match=r"train\.csv, line \d+: .*cut off"):
        data.read(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": 3}, r"test-.*parquet, row 1: unknown label 3; expected 0 to 2"),
        ({"label": -1}, r"test-.*parquet, row 1: unknown label -1"),
        ({"label": None}, r"test-.*parquet, row 1: unknown label None"),
        ({"metadata": False}, r"train-.*parquet: the names of the intents are not in"),
    ],
)
def test_bad_hub_files(tmp_path, options, message):
    with pytest.raises(StudyError, match=message):
        data.read(write_hub_source(tmp_path, **options))


def test_a_cut_parquet_file_is_an_error(tmp_path):
    path = write_hub_source(tmp_path) / "data" / "test-00000-of-00001.parquet"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(StudyError, match=r"test-.*parquet: not a readable parquet file"):
        data.read(tmp_path)


def test_no_known_layout(tmp_path):
    with pytest.raises(StudyError, match=r"looked for data/train-\*\.parquet, train\.csv"):
        data.read(tmp_path)


@pytest.mark.parametrize(
    ("reply", "label"),
    [
        ("11", "11"),
        ("The answer is: **11**.", "11"),
        ("11: card_arrival", "11"),
        (r"\boxed{11}", "11"),
        ("`11` because 11 fits", "11"),
        ("11 or 12", None),
        ("77", None),
        ("1.5", None),
        ("-3", None),
        ("card_arrival", None),
        ("<think>3</think>11", "11"),
        ("\n".join(map(str, range(77))), None),
    ],
)
def test_named_id(reply, label):
    assert score.named(reply, 77) == label
