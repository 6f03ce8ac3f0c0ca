"""The card: duplicates against brute force, leakage on real data, and the program."""

import json
import random
from itertools import combinations
from pathlib import Path

import pytest

from made_documents import lengths
from programs import call
from sftstudy.data import card, duplicates
from sftstudy.data.splits import split
from sftstudy.documents.duplicates import read_duplicates
from sftstudy.files.hashing import sha256_file
from sftstudy.files.writing import write_json, write_jsonl
from sftstudy.tasks.registry import data_module


def make_row(name: str, text: str, group: str = "", label: str = "") -> dict:
    reference = {"label": label} if label else {}
    prompt = [{"role": "user", "content": f"Classify the message. Message: {text} Answer:"}]
    return {"id": name, "group": group or name, "prompt": prompt, "reference": reference}


def counts(report: dict) -> tuple[int, int, int]:
    return report["exact"]["rows"], report["near"]["rows"], report["groups"]["groups"]


WORDS = [f"word{n}" for n in range(12)]
SENTENCE = " ".join(WORDS)


def test_normalised_words() -> None:
    # Full-width letters, a ligature, sharp s, punctuation and white space.
    assert duplicates.normalise("\uff28\uff25llo,\n \ufb01ne  STRASSE-stra\u00dfe!") == (
        ["hello", "fine", "strasse", "strasse"]
    )


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["a b x c", "a b y z c"], ["x", "y z"]),
        (["a b", "a b"], ["", ""]),
        (["a", "a b a"], ["", "b a"]),  # a word is never both beginning and end
        (["x", "y"], ["x", "y"]),
        ([], []),
    ],
)
def test_common_beginning_and_end_are_stripped(texts: list[str], expected: list[str]) -> None:
    stripped = duplicates.strip_common([text.split() for text in texts])
    assert [" ".join(words) for words in stripped] == expected


def test_exact_and_near_duplicates_across_splits() -> None:
    train = [
        make_row("t0", SENTENCE),
        make_row("t1", "something else entirely is asked here by nobody at all"),
        make_row("t2", "a twin inside of one split"),
        make_row("t3", "a twin inside of one split"),
    ]
    test = [
        make_row("e0", SENTENCE.upper() + "!"),  # equal after normalisation
        make_row("e1", SENTENCE + " thirteen"),  # 10 of 11 3-grams
        make_row("e2", " ".join([*WORDS[:6], "other", *WORDS[7:]])),  # 7 of 13
    ]
    report = card.leakage({"train": train, "test": test})["train-test"]
    assert report["exact"] == {"rows": 1, "examples": [["t0", "e0"]]}
    assert report["near"]["examples"] == [["t0", "e1"]]
    assert report["groups"]["groups"] == 0


def test_every_row_with_a_duplicate_is_listed_and_no_pair_is_cut() -> None:
    train = [make_row(f"t{n}", SENTENCE) for n in range(3)] + [make_row("t9", "quite another")]
    near = " thirteen"
    splits = {
        "train": train,
        "val": [make_row("v1", SENTENCE + near), make_row("v0", SENTENCE)],
        "test": [*(make_row(f"e{n:02}", SENTENCE) for n in range(40, 0, -1)),
                 make_row("f0", SENTENCE + near), make_row("g0", "nothing of the kind at all")],
    }  # fmt: skip
    found = duplicates.duplicated(splits)
    assert list(found) == ["train-val", "train-test", "val-test"]
    assert found["train-val"] == {"exact": ["v0"], "near": ["v1"]}
    everything = [f"e{n:02}" for n in range(1, 41)]
    assert found["train-test"] == {"exact": everything, "near": ["f0"]}
    # To the two rows of val each is exact once and near once.
    assert found["val-test"] == {"exact": [*everything, "f0"], "near": [*everything, "f0"]}
    counted = card.leakage(splits)
    for pair, listed in found.items():
        for kind in ("exact", "near"):
            assert counted[pair][kind]["rows"] == len(listed[kind])


def test_rows_of_one_group_are_compared_by_what_differs_in_it() -> None:
    document = " ".join(f"fact{n}" for n in range(200))
    train = [make_row("t0", f"{document} what was the revenue of the first year", "d")]
    test = [
        make_row("e0", f"{document} how many people worked there in spring", "d"),
        make_row("e1", f"{document} what was the revenue of the first year please", "d"),
    ]
    report = card.leakage({"train": train, "test": test})["train-test"]
    assert report["groups"] == {"groups": 1, "rows": 2, "examples": ["d"]}
    assert report["near"]["examples"] == [["t0", "e1"]]


def grams(words: list[str]) -> set[tuple[str, ...]]:
    """The 3-grams of the definition; texts shorter than three words are filled up."""
    return {tuple([*words, "", ""][n : n + 3]) for n in range(max(1, len(words) - 2))}


def test_join_finds_exactly_what_comparing_all_pairs_finds() -> None:
    draw = random.Random(3)
    texts = []
    for _ in range(250):
        words = draw.choices("abcdefgh", k=draw.randint(1, 40))
        texts.append(words)
        edited = list(words)
        edited[draw.randrange(len(edited))] = draw.choice("abcdefgh")
        texts.append(edited + draw.choices("xyz", k=draw.randint(0, 1)))
    splits = ["train" if draw.random() < 0.5 else "test" for _ in texts]
    groups = [str(n) for n in range(len(texts))]
    rows = duplicates.Rows(groups, groups, splits, texts)
    across = [(a, b) for a, b in combinations(range(len(texts)), 2) if splits[a] != splits[b]]
    exact = {(a, b) for a, b in across if texts[a] == texts[b]}
    sets = [grams(words) for words in texts]
    shares = {(a, b): len(sets[a] & sets[b]) / len(sets[a] | sets[b]) for a, b in across}
    near = {pair for pair, share in shares.items() if share >= 0.8} - exact
    assert len(near) > 20
    assert duplicates.exact_pairs(rows) == exact
    assert duplicates.near_pairs(rows) == near


def test_real_banking77_has_known_duplicates(shared_data: Path) -> None:
    published = data_module("banking77").read(shared_data / "banking77")
    report = card.leakage(split(published, "stratified", 154, "published", 1, "banking77"))
    exact, near, groups = counts(report["train-test"])
    assert exact + counts(report["val-test"])[0] == 25
    assert near > 20
    assert groups == 0


def test_tail_splits_databases_and_grouped_does_not(shared_data: Path) -> None:
    published = data_module("nl2sql").read(shared_data / "nl2sql")
    for strategy, shared in (("tail", True), ("grouped", False)):
        report = card.leakage(split(published, strategy, 50, 100, 1, "nl2sql"))
        assert any(part["groups"]["groups"] for part in report.values()) == shared


def test_program_writes_the_card(capsys, monkeypatch, tmp_path: Path) -> None:
    data, raw = tmp_path / "data", tmp_path / "raw"
    source = {"kind": "path", "id": "mirror", "revision": None, "files": {}}
    write_json(raw / "SOURCE.json", source)
    write_jsonl(data / "train.jsonl", [make_row(f"t{n}", f"text {n}", label="yes") for n in "12"])
    write_jsonl(data / "val.jsonl", [make_row("v1", "another", label="no")])
    write_json(data / "lengths" / "tiny.json", lengths())
    arguments = ["--task", "pubmedqa", "--data", data, "--raw", raw]
    arguments += ["--lengths", data / "lengths" / "tiny.json", "--output", data / "card.json"]
    status, output = call(capsys, monkeypatch, "card.py", *arguments)
    assert status == 0, output
    card = json.loads((data / "card.json").read_text())
    assert card["source"] == source
    assert card["lengths"] == {"tiny": lengths()}
    assert card["splits"]["train"] == {
        "rows": 2,
        "groups": 2,
        "sha256": sha256_file(data / "train.jsonl"),
        "labels": {"yes": 2},
    }
    assert list(card["leakage"]) == ["train-val"]
    before = (data / "card.json").read_bytes()
    call(capsys, monkeypatch, "card.py", *arguments)
    assert (data / "card.json").read_bytes() == before


def test_program_writes_the_duplicates(capsys, monkeypatch, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "train.jsonl", [make_row("t1", SENTENCE), make_row("t2", "another one")])
    write_jsonl(tmp_path / "test.jsonl", [make_row("e1", SENTENCE), make_row("e2", "quite new")])
    output = tmp_path / "duplicates.json"
    arguments = ["--task", "pubmedqa", "--data", tmp_path, "--output", output]
    status, text = call(capsys, monkeypatch, "duplicates.py", *arguments)
    assert status == 0, text
    assert read_duplicates(output) == {
        "schema": 1,
        "task": "pubmedqa",
        "pairs": {"train-test": {"exact": ["e1"], "near": []}},
    }
