"""The replies that the page carries: which, how many of each cell, and what counts as wrong."""

import base64
import dataclasses
import itertools
import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from sftstudy.pages.text import visible
from sftstudy.report import samples
from sftstudy.tables.collect import collect
from sftstudy.tables.results import load
from synthetic_study import Study, write_study

TASKS = ("banking77", "tatqa")
SPACE = {
    "learning_rate": [1e-5, 5e-5],
    "num_train_epochs": [1, 3],
    "per_device_train_batch_size": [4],
}
CONTROL = "simple_safety_tests"


@dataclasses.dataclass
class Encoded:
    """What `encoded` returns, and what it was made from."""

    study: Study
    document: dict[str, Any]
    sizes: samples.PerCell
    counts: samples.Counts
    length: int
    gates: list[dict[str, Any]]
    shown: dict[str, str]

    def cell(self, student: str, trained: str, trial: str, evalset: str) -> dict[str, Any] | None:
        key = {"student": student, "trained": trained, "trial": trial, "evalset": evalset}
        return next((c for c in self.document["cells"] if key.items() <= c.items()), None)

    def metrics(self, cell: dict[str, Any], base: bool = False) -> dict[str, Any]:
        variant = "base" if base else f"{cell['trained']}/{cell['trial']}"
        return json.loads(metrics_file(self.study, cell["student"], variant, cell["evalset"]))


def metrics_file(study: Study, student: str, variant: str, evalset: str) -> str:
    return (study.results / f"metrics/{student}/{variant}/{evalset}.json").read_text()


def encode(study: Study) -> Encoded:
    results = load(study.root / "plan.json", study.results)
    documents = {name: results.recommendation(name) for name in study.students}
    tables = collect(results)
    payload, sizes, counts = samples.encoded(results, documents, tables)
    document = json.loads(zlib.decompress(base64.b64decode(payload), -zlib.MAX_WBITS))
    shown = {}
    for name, recommendation in documents.items():
        assert recommendation
        least = recommendation["least_violating"]
        shown[name] = recommendation["chosen"] or (least["configuration"] if least else "")
    return Encoded(study, document, sizes, counts, len(payload), tables["gates"], shown)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    root = tmp_path_factory.mktemp("study")
    study = Study(root, ("tiny", "small"), TASKS, space=SPACE, rows=60, attacks=True)
    write_study(study)
    return study


@pytest.fixture(scope="module")
def page(study: Study) -> Encoded:
    return encode(study)


# -- which cells and replies ---------------------------------------------------------------------


def test_samples_show_what_changed_before_what_did_not(page: Encoded) -> None:
    for cell in page.document["cells"]:
        if cell["fails"]:
            continue
        outcomes = [sample[1] for sample in cell["samples"]]
        assert len(outcomes) == 60 == cell["counts"]["all"]
        changed = [position for position, outcome in enumerate(outcomes) if outcome in (0, 1)]
        total = sum(cell["counts"][name] for name in ("broken", "fixed"))
        assert len(changed) == total
        # Of four outcomes, each with invalid replies or without: in turn, none comes late.
        assert not changed or changed[-1] < 8 * total


def test_samples_agree_with_the_metrics_and_predictions(page: Encoded) -> None:
    cell = next(c for c in page.document["cells"] if c["evalset"] == "tatqa.val")
    right = {item["id"]: item["correct"] for item in page.metrics(cell)["items"]}
    where = f"{cell['student']}/{cell['trained']}/{cell['trial']}/{cell['evalset']}"
    lines = (page.study.results / f"predictions/{where}.jsonl").read_text().splitlines()
    replies = {row["id"]: row for row in map(json.loads, lines)}
    for identifier, outcome, _, finish, text in cell["samples"]:
        name = page.document["outcomes"][outcome]
        assert (name in ("fixed", "both right")) == right[identifier]
        assert finish == replies[identifier]["finish_reason"]
        if len(replies[identifier]["text"]) <= samples.REPLY:
            assert text == visible(replies[identifier]["text"])
        else:
            [text] = text  # in a list: the page knows that it was cut
            assert "characters cut" in text and len(text) < 1000


def test_test_replies_of_trials_not_chosen_stay_out_of_the_page(page: Encoded) -> None:
    evalsets = {c["evalset"] for c in page.document["cells"]}
    assert {"banking77.test", "tatqa.val", CONTROL} <= evalsets
    for cell in page.document["cells"]:
        if cell["evalset"].endswith(".test"):
            assert cell["trial"] == page.shown[cell["student"]]


def test_replies_behind_every_failed_gate_are_there_wrong_ones_first(page: Encoded) -> None:
    failed = [gate for gate in page.gates if gate["passes"] is False]
    others = [gate for gate in failed if gate["trial"] != page.shown[gate["student"]]]
    assert others, "the study has infeasible trials that are not shown"
    for gate in failed:
        cell = page.cell(gate["student"], gate["task"], gate["trial"], gate["control"])
        assert cell and cell["fails"] and cell["rule"] == gate["rule"]
        names = [page.document["outcomes"][sample[1]] for sample in cell["samples"]]
        wrong = [name in ("broken", "both wrong") for name in names]
        assert sum(wrong) == min(cell["counts"]["wrong"], len(wrong)) > 0
        assert wrong == sorted(wrong, reverse=True)
        if gate in others:
            assert len(cell["samples"]) == min(60, page.sizes.failing)
    for gate in page.gates:
        if gate["passes"] and gate["trial"] != page.shown[gate["student"]]:
            assert not page.cell(gate["student"], gate["task"], gate["trial"], gate["control"])


def test_what_was_trained_for_stands_first_and_the_choice_before_other_trials(
    page: Encoded,
) -> None:
    cells = page.document["cells"]
    assert list(dict.fromkeys(c["student"] for c in cells)) == list(page.study.students)
    for student, trained in itertools.product(page.study.students, TASKS):
        own = [c for c in cells if (c["student"], c["trained"]) == (student, trained)]
        assert own[0]["trial"] == page.shown[student]
        assert own[0]["evalset"] == f"{trained}.test"


def test_trials_are_told_by_the_hyperparameters_in_which_they_differ(page: Encoded) -> None:
    labels = page.document["trials"]["tiny"]
    shown = page.shown["tiny"]
    assert set(labels) == set(page.study.trials)
    for name, recipe in page.study.trials.items():
        expected = f"learning rate {recipe['learning_rate']:.0e}".replace("e-0", "e-")
        expected += f", epochs {recipe['num_train_epochs']}"
        assert labels[name].removesuffix(" (chosen)") == expected  # the batch size does not vary
    assert [name for name, label in labels.items() if label.endswith(")")] == [shown]


# -- how many, and by which metric ---------------------------------------------------------------


def test_counts_are_of_all_replies_whatever_the_page_holds(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "SIZES", (samples.PerCell(6, 6, 6),))
    page = encode(study)
    for cell in page.document["cells"]:
        key = (cell["student"], f"{cell['trained']}/{cell['trial']}", cell["evalset"])
        assert page.counts[key] == cell["counts"] and list(cell["counts"]) == list(samples.CHOICES)
        base = {item["id"]: item["correct"] for item in page.metrics(cell, base=True)["items"]}
        pairs = [(base[i["id"]], i["correct"]) for i in page.metrics(cell)["items"]]
        both = {name: pairs.count(pair) for name, pair in {
            "broken": (True, False), "fixed": (False, True),
            "both wrong": (False, False), "both right": (True, True),
        }.items()}  # fmt: skip
        assert both.items() <= cell["counts"].items()
        assert cell["counts"]["all"] == len(pairs) == 60
        assert cell["counts"]["wrong"] == both["broken"] + both["both wrong"]
        assert cell["counts"]["right"] == both["fixed"] + both["both right"]
        assert len(cell["samples"]) == 6
    assert len(page.counts) == len(page.document["cells"])


def test_invalid_replies_of_tasks_are_counted_and_seen(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "SIZES", (samples.PerCell(6, 6, 6),))
    page = encode(study)
    seen = 0
    for cell in page.document["cells"]:
        items = page.metrics(cell)["items"]
        invalid = sum(item["prediction"] is None for item in items)
        assert cell["counts"]["invalid"] == (0 if cell["evalset"] in study.controls else invalid)
        held = sum(sample[2] for sample in cell["samples"])
        assert bool(held) == bool(cell["counts"]["invalid"]), "an outcome of their own"
        seen += held
    assert seen


def rewritten(study: Study, root: Path, evalset: str, change: Any) -> Study:
    """Return a copy of the study whose metrics of `evalset` went through `change(document)`."""
    copied = dataclasses.replace(study, root=root)
    write_study(copied)
    for file in copied.results.glob(f"metrics/*/**/{evalset}.json"):
        document = json.loads(file.read_text())
        change(document)
        file.write_text(json.dumps(document))
    return copied


def test_on_a_control_the_metric_of_its_gate_says_what_is_wrong(
    study: Study, tmp_path: Path
) -> None:
    """A gate on another metric than the primary one: half of what is right there fails it."""

    def second_metric(document: dict[str, Any]) -> None:
        primary = document["metrics"]["prompt_strict"]
        document["metrics"]["strictest"] = primary | {"outcome": "strictest"}
        for index, item in enumerate(document["items"]):
            item["strictest"] = item["correct"] and index % 2 == 0

    copied = rewritten(study, tmp_path, "ifeval", second_metric)
    plan = json.loads((tmp_path / "plan.json").read_text())
    plan["gates"]["ifeval"]["metric"] = "strictest"
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    page = encode(copied)
    cells = [cell for cell in page.document["cells"] if cell["evalset"] == "ifeval"]
    assert cells
    for cell in cells:
        assert cell["metric"] == "strictest"
        items = page.metrics(cell)["items"]
        failing = sum(not item["strictest"] for item in items)
        assert cell["counts"]["wrong"] == failing > sum(not item["correct"] for item in items)


def test_a_control_without_gate_is_judged_by_its_primary_metric(
    study: Study, tmp_path: Path
) -> None:
    copied = dataclasses.replace(study, root=tmp_path)
    write_study(copied)
    plan = json.loads((tmp_path / "plan.json").read_text())
    del plan["gates"]["ifeval"]
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    cells = encode(copied).document["cells"]
    assert {c["metric"] for c in cells if c["evalset"] == "ifeval"} == {"prompt_strict"}
    assert {c["metric"] for c in cells if c["evalset"] == CONTROL} == {"safe_rate"}


def test_replies_of_which_the_metric_says_nothing_are_neither_right_nor_wrong(
    study: Study, tmp_path: Path
) -> None:
    def half_points(document: dict[str, Any]) -> None:
        document["items"][0]["correct"] = None
        document["items"][1]["correct"] = 0.5

    page = encode(rewritten(study, tmp_path, "banking77.val", half_points))
    for cell in page.document["cells"]:
        if cell["evalset"] == "banking77.val":
            assert cell["counts"]["all"] == 59
            names = {s[0]: page.document["outcomes"][s[1]] for s in cell["samples"]}
            assert "banking77-val-0" not in names
            assert names["banking77-val-1"] == "both wrong", "part of the points is not right"


# -- size ----------------------------------------------------------------------------------------


def test_samples_shrink_to_the_budget_the_shown_ones_last(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = (
        samples.PerCell(50, 40, 40),
        samples.PerCell(50, 20, 10),
        samples.PerCell(50, 10, 6),
        samples.PerCell(6, 6, 6),
    )
    monkeypatch.setattr(samples, "SIZES", sizes)
    full = encode(study)
    assert full.sizes == sizes[0]
    lengths = {}
    for size in sizes:
        monkeypatch.setattr(samples, "SIZES", (size,))
        lengths[size] = encode(study).length
    monkeypatch.setattr(samples, "SIZES", sizes)
    for size in sizes:
        monkeypatch.setattr(samples, "BUDGET", lengths[size])
        assert encode(study).sizes == size, "the largest that keeps the budget"
    monkeypatch.setattr(samples, "BUDGET", 10)
    assert encode(study).sizes == sizes[-1]


def test_sizes_fall_and_keep_the_order_of_what_matters() -> None:
    for larger, smaller in itertools.pairwise(samples.SIZES):
        assert all(a >= b for a, b in zip(larger, smaller, strict=True)) and larger != smaller
    assert all(size.shown == max(size) and min(size) >= 1 for size in samples.SIZES)
    assert min(size.shown for size in samples.SIZES) >= len(samples.OUTCOMES), "one of each"


# -- several replies to a prompt -----------------------------------------------------------------


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Encoded:
    """A study whose prompts of tatqa.val have two replies each, the second one right everywhere."""
    study = Study(tmp_path_factory.mktemp("several"), ("tiny",), TASKS, space=SPACE, rows=12)
    write_study(study)
    for file in study.results.glob("metrics/**/tatqa.val.json"):
        document = json.loads(file.read_text())
        items = document["items"]
        document["samples"] = [
            item | {"sample": k, "correct": bool(k or item["correct"])}
            for item in items
            for k in (0, 1)
        ]
        document["items"] = [item | {"correct": (item["correct"] + 1) / 2} for item in items]
        document["decoding"] = {"samples": 2, "temperature": 0.7, "top_p": 1.0}
        file.write_text(json.dumps(document))
        replies = study.results / "predictions" / file.relative_to(study.results / "metrics")
        replies = replies.with_suffix(".jsonl")
        lines = [json.loads(line) for line in replies.read_text().splitlines()]
        lines = [
            line | {"sample": k, "text": f"{line['text']} {k}"} for line in lines for k in (0, 1)
        ]
        replies.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return encode(study)


def test_each_of_several_replies_is_a_sample_beside_the_baselines_of_its_number(
    several: Encoded,
) -> None:
    cell = next(c for c in several.document["cells"] if c["evalset"] == "tatqa.val")
    assert cell["replies"] == 2 and cell["counts"]["all"] == 24
    single = {
        (reply["id"], reply["sample"]): (reply["correct"], other["correct"])
        for reply, other in zip(
            several.metrics(cell)["samples"],
            several.metrics(cell, base=True)["samples"],
            strict=True,
        )
    }
    base = several.document["base"][cell["student"]]["tatqa.val"]
    for name, outcome, _, _, text in cell["samples"]:
        row, number = samples.row_of(name, 2), int(name[-1])
        assert name == f"{row}#{number}" and text[-2:] == base[name][1][-2:] == f" {number}"
        assert row in several.document["prompts"]["tatqa.val"]["rows"]
        tuned, before = single[row, number]
        expected = {(1, 0): "fixed", (0, 1): "broken", (1, 1): "both right", (0, 0): "both wrong"}
        assert several.document["outcomes"][outcome] == expected[tuned, before]
    alike = [name for name, outcome, invalid, *_ in cell["samples"] if outcome == 3 and not invalid]
    numbers = [int(name[-1]) for name in alike]
    assert numbers == sorted(numbers), "first replies come first"


def test_one_reply_to_a_prompt_has_the_name_of_its_row(several: Encoded) -> None:
    cell = next(c for c in several.document["cells"] if c["evalset"] == "banking77.val")
    assert cell["replies"] == 1
    assert all(sample[0].startswith("banking77-val-") for sample in cell["samples"])
    assert samples.row_of("a#1", 1) == "a#1" and samples.row_of("a#1#0", 2) == "a#1"
