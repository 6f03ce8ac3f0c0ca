"""Splits: the original study's counts, proportions, whole groups, determinism, and errors."""

import random
from collections import Counter
from pathlib import Path

import pytest

from programs import call
from sftstudy.data.splits import apportion, limit_rows, nearest_groups, ranked, split
from sftstudy.errors import StudyError
from sftstudy.files.reading import read_jsonl
from sftstudy.tasks.registry import data_module

PUBLISHED = "published"


def make_rows(count: int, labels: int = 0, group_size: int = 0, prefix: str = "r") -> list[dict]:
    """Rows with a label (uneven shares) or groups, as a source publishes them."""
    draw = random.Random(7)
    rows = []
    for number in range(count):
        name = f"{prefix}{number}"
        row = {"id": name, "group": name, "prompt": [{"role": "user", "content": name}]}
        row |= {"completion": [{"role": "assistant", "content": "x"}], "reference": {"gold": "x"}}
        if labels:
            row["reference"]["label"] = min(int(draw.expovariate(1.0) * labels / 3), labels - 1)
        if group_size:
            row["group"] = f"g{number // group_size}"
        rows.append(row)
    return rows


def ids(rows: list[dict]) -> list[str]:
    return [row["id"] for row in rows]


@pytest.mark.parametrize(
    ("task", "val", "test", "counts"),
    [
        ("banking77", 100, PUBLISHED, (9903, 100, 3080)),
        ("pubmedqa", 100, 100, (800, 100, 100)),
        ("nl2sql", 50, 100, (503, 50, 100)),
    ],
)
def test_tail_gives_the_counts_of_the_original_study(
    shared_data: Path, task: str, val: int, test: int | str, counts: tuple[int, int, int]
) -> None:
    published = data_module(task).read(shared_data / task)
    result = split(published, "tail", val, test, 0, task)
    assert tuple(len(result[name]) for name in ("train", "val", "test")) == counts


def test_tail_of_banking77_is_one_class_and_stratified_has_all(shared_data: Path) -> None:
    published = data_module("banking77").read(shared_data / "banking77")
    for strategy, classes in (("tail", 1), ("stratified", 77)):
        val = split(published, strategy, 100, PUBLISHED, 0, "banking77")["val"]
        assert len(val) == 100
        assert len({row["reference"]["label"] for row in val}) == classes


def test_tail_takes_the_last_rows() -> None:
    result = split({"train": make_rows(10)}, "tail", 2, 3, 0, "x")
    assert ids(result["train"]) == ["r0", "r1", "r2", "r3", "r4"]
    assert ids(result["val"]) == ["r5", "r6"]
    assert ids(result["test"]) == ["r7", "r8", "r9"]


def test_published_test_is_kept_as_it_is_or_pooled() -> None:
    published = {"train": make_rows(8), "test": make_rows(4, prefix="t")}
    assert split(published, "tail", 2, PUBLISHED, 0, "x")["test"] == published["test"]
    pooled = split(published, "tail", 2, 5, 0, "x")
    assert ids(pooled["test"]) == ["r7", "t0", "t1", "t2", "t3"]


def test_apportion_by_hand() -> None:
    # Quotas 5.52, 3.38, 1.10: the remaining seat goes to the remainder .52.
    assert apportion({"yes": 552, "no": 338, "maybe": 110}, 10) == {"yes": 6, "no": 3, "maybe": 1}
    # A quota of .1 is raised to one; the other two share nine: 4.95 and 4.05.
    assert apportion({"a": 55, "b": 45, "c": 1}, 10) == {"a": 5, "b": 4, "c": 1}
    assert apportion({"a": 1, "b": 1, "c": 1}, 4) == {"a": 2, "b": 1, "c": 1}


@pytest.mark.parametrize("size", [12, 30, 77, 150])
def test_apportion_is_within_one_of_proportional(size: int) -> None:
    counts = Counter(f"{row['reference']['label']:02}" for row in make_rows(600, labels=12))
    seats = apportion(dict(counts), size)
    assert sum(seats.values()) == size
    assert min(seats.values()) >= 1
    if min(counts.values()) * size / 600 >= 1:
        assert all(abs(seats[k] - size * n / 600) < 1 for k, n in counts.items())


def test_stratified_keeps_shares_of_labels() -> None:
    result = split({"train": make_rows(1000, labels=5)}, "stratified", 100, 200, 3, "x")
    shares = Counter(row["reference"]["label"] for row in make_rows(1000, labels=5))
    for name, size in (("val", 100), ("test", 200)):
        found = Counter(row["reference"]["label"] for row in result[name])
        assert all(abs(found[label] - n * size / 1000) < 2 for label, n in shares.items())


def test_order_of_rows_is_the_same_on_every_machine_and_in_every_version() -> None:
    """Another order would be another split, and train every study again. Each purpose has its own:
    the rows of test must not be those that a limit or val would take first."""
    golden = {"val": "bcdaef", "test": "bdeafc", "limit val": "edacfb"}
    assert {purpose: "".join(ranked("abcdef", 42, purpose)) for purpose in golden} == golden
    assert "".join(ranked("abcdef", 43, "val")) != golden["val"]


def test_of_two_sums_equally_near_the_smaller_is_taken() -> None:
    assert nearest_groups({"large": 4, "small": 2}, ["large", "small"], 3) == ["small"]


def test_nearest_groups_against_all_subsets() -> None:
    draw = random.Random(5)
    for _ in range(200):
        sizes = {f"g{n}": draw.randint(1, 30) for n in range(draw.randint(2, 8))}
        size = draw.randint(1, sum(sizes.values()))
        order = draw.sample(sorted(sizes), len(sizes))
        chosen = nearest_groups(sizes, order, size)
        values = list(sizes.values())
        subsets = {0}
        for value in values:
            subsets |= {total + value for total in subsets}
        subsets -= {0, sum(values)}
        assert len(set(chosen)) == len(chosen)
        found = sum(sizes[group] for group in chosen)
        assert found in subsets
        assert abs(found - size) == min(abs(total - size) for total in subsets)


def test_grouped_keeps_groups_whole() -> None:
    rows = make_rows(100, group_size=6)
    result = split({"train": rows}, "grouped", 18, 25, 1, "x")
    groups = {name: {row["group"] for row in part} for name, part in result.items()}
    assert not groups["train"] & groups["val"]
    assert not groups["train"] & groups["test"]
    assert not groups["val"] & groups["test"]
    assert (len(result["val"]), len(result["test"])) == (18, 24)


@pytest.mark.parametrize("strategy", ["stratified", "grouped"])
def test_choice_depends_on_seed_and_not_on_row_order(strategy: str) -> None:
    rows = make_rows(300, labels=4, group_size=5)
    shuffled = random.Random(1).sample(rows, len(rows))
    first = split({"train": rows}, strategy, 30, 40, 11, "x")
    again = split({"train": shuffled}, strategy, 30, 40, 11, "x")
    other = split({"train": rows}, strategy, 30, 40, 12, "x")
    for name in ("train", "val", "test"):
        assert set(ids(first[name])) == set(ids(again[name]))
        assert ids(first[name]) == sorted(ids(first[name]), key=lambda name: int(name[1:]))
    assert ids(first["val"]) != ids(other["val"])
    everything = sorted(ids(first["train"]) + ids(first["val"]) + ids(first["test"]))
    assert everything == sorted(ids(rows))


def test_limit_is_a_seeded_sample_in_order_that_grows() -> None:
    rows = make_rows(100)
    small, large = (limit_rows(rows, n, 1, "train") for n in (10, 20))
    assert len(small) == 10
    assert set(ids(small)) < set(ids(large))
    assert ids(large) == [row["id"] for row in rows if row in large]
    assert limit_rows(rows, 1000, 1, "train") == rows
    assert ids(limit_rows(rows, 10, 2, "train")) != ids(small)


@pytest.mark.parametrize(
    ("published", "strategy", "val", "test", "message"),
    [
        ({"train": make_rows(10)}, "random", 1, 1, "unknown split strategy 'random'; allowed are"),
        ({"train": make_rows(10)}, "tail", 6, 4, "6 rows for val and 4 for test leave nothing"),
        ({"train": make_rows(10)}, "tail", 1, PUBLISHED, "publishes no test rows (found train 10"),
        ({"train": make_rows(9), "test": []}, "tail", 1, PUBLISHED, "publishes no test rows"),
        ({"train": []}, "tail", 1, 1, "leave nothing of the 0 rows"),
        ({"train": make_rows(10)}, "stratified", 2, 2, "row 'r0' has no label"),
        ({"train": make_rows(50, labels=5)}, "stratified", 3, 9, "val split of 3 rows cannot hold"),
        ({"train": make_rows(10, group_size=10)}, "grouped", 2, 2, "are of one group ('g0')"),
    ],
)
def test_errors_say_what_is_wrong(
    published: dict, strategy: str, val: int, test: int | str, message: str
) -> None:
    with pytest.raises(StudyError) as error:
        split(published, strategy, val, test, 0, "the source")
    assert str(error.value).startswith("the source: ")
    assert message in str(error.value)


def test_label_with_too_few_rows_is_named() -> None:
    rows = make_rows(20, labels=2)
    rows[0]["reference"]["label"] = "rare"
    with pytest.raises(StudyError, match="label 'rare' has 1 row"):
        split({"train": rows}, "stratified", 4, 4, 0, "x")


# -- the program, on raw files ---------------------------------------------------------------------


@pytest.fixture
def banking_raw(tmp_path: Path) -> Path:
    """A small banking77 source as its publisher writes it: two intents, 20 and 6 messages."""
    raw = tmp_path / "raw"
    raw.mkdir()
    for name, count in (("train", 20), ("test", 6)):
        lines = [
            f"message {n} about it,{'card_arrival' if n % 2 else 'age_limit'}" for n in range(count)
        ]
        (raw / f"{name}.csv").write_text("\n".join(["text,category", *lines]) + "\n")
    return raw


def prepare(capsys, monkeypatch, raw: Path, output: Path, *extra: object) -> tuple[int, str]:
    arguments = ["--task", "banking77", "--raw", raw, "--strategy", "stratified", "--val", 4]
    arguments += ["--test", "published", "--seed", 1, "--output-dir", output, *extra]
    return call(capsys, monkeypatch, "prepare.py", *arguments)


def test_prepare_writes_three_files(capsys, monkeypatch, banking_raw: Path, tmp_path: Path) -> None:
    status, output = prepare(capsys, monkeypatch, banking_raw, tmp_path / "data")
    assert status == 0, output
    counts = {path.name: len(read_jsonl(path)) for path in (tmp_path / "data").iterdir()}
    assert counts == {"train.jsonl": 16, "val.jsonl": 4, "test.jsonl": 6}


def test_prepare_limits_every_split(capsys, monkeypatch, banking_raw: Path, tmp_path: Path) -> None:
    status, output = prepare(capsys, monkeypatch, banking_raw, tmp_path / "data", "--limit", 3)
    assert status == 0, output
    assert {len(read_jsonl(path)) for path in (tmp_path / "data").iterdir()} == {3}


def cut_in_half(raw: Path) -> None:
    path = raw / "train.csv"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2 - 3])


def drop_answer(raw: Path) -> None:
    path = raw / "train.csv"
    path.write_text(path.read_text().replace("message 3 about it,card_arrival", "message 3 about"))


def unknown_label(raw: Path) -> None:
    path = raw / "test.csv"
    path.write_text(path.read_text().replace("2 about it,age_limit", "2 about it,no_such_intent"))


def empty_test(raw: Path) -> None:
    (raw / "test.csv").write_text("text,category\n")


def no_file(raw: Path) -> None:
    (raw / "train.csv").unlink()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (cut_in_half, ["train.csv, line ", "cut off"]),
        (drop_answer, ["train.csv, line 5", "category"]),
        (unknown_label, ["test.csv, line 4", "no_such_intent"]),
        (empty_test, ["test"]),
        (no_file, ["train.csv"]),
    ],
)
def test_bad_raw_files_end_in_a_clear_error_without_output(
    capsys, monkeypatch, banking_raw: Path, tmp_path: Path, damage, words: list[str]
) -> None:
    damage(banking_raw)
    status, output = prepare(capsys, monkeypatch, banking_raw, tmp_path / "data")
    assert status == 1
    assert output.startswith("error: ")
    assert all(word in output for word in words), output
    assert not (tmp_path / "data").exists()


def test_split_larger_than_source(capsys, monkeypatch, banking_raw: Path, tmp_path: Path) -> None:
    status, output = prepare(capsys, monkeypatch, banking_raw, tmp_path / "data", "--val", 20)
    assert status == 1
    assert "20 rows for val and 0 for test leave nothing of the 20 rows" in output
    assert str(banking_raw) in output
    assert not (tmp_path / "data").exists()


def test_control_has_test_rows_only(capsys, monkeypatch, tmp_path: Path) -> None:
    raw, data = tmp_path / "raw", tmp_path / "data"
    smoke = ["--task", "ifeval", "--seed", 1, "--train", 1, "--test", 9, "--output", raw]
    assert call(capsys, monkeypatch, "make_smoke_dataset.py", *smoke)[0] == 0
    arguments = ["--task", "ifeval", "--raw", raw, "--limit", 5, "--output-dir", data]
    status, output = call(capsys, monkeypatch, "prepare.py", *arguments)
    assert status == 0, output
    assert [path.name for path in data.iterdir()] == ["test.jsonl"]
    assert len(read_jsonl(data / "test.jsonl")) == 5
