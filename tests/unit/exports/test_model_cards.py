"""Model cards: the card of a training, with what was measured added."""

from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from made_documents import measured, metrics, provenance, source
from sftstudy.errors import StudyError
from sftstudy.exports.model_cards import write
from sftstudy.files.reading import read_json
from sftstudy.files.writing import write_json
from sftstudy.training.checkpoint import finish

SOURCES = {"tatqa": {"hub": "next-tat/TAT-QA"}, "ifeval": {"smoke": {"seed": 1}}}
VARIANTS = {"base": ["tatqa.val", "ifeval"], "tatqa/lr0.1": ["tatqa.val", "ifeval"]}
FACTS: dict[str, Any] = provenance(
    {"optim": "sgd"},
    base=source(id="google/gemma-3-4b-it"),
    processes=2,
    device="NVIDIA H100",
    train_seconds=1800.0,
)
RECIPE = FACTS.pop("recipe") | {"student": "gemma", "task": "tatqa", "trial": "lr0.1"}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    checkpoint = tmp_path / "checkpoints" / "tatqa" / "lr0.1"
    checkpoint.mkdir(parents=True)
    finish(checkpoint, RECIPE, FACTS)
    for variant, value in (("base", 0.25), ("tatqa/lr0.1", 0.75)):
        measure(tmp_path, variant, "tatqa.val", value)
        measure(tmp_path, variant, "ifeval", None)
    return tmp_path


def measure(folder: Path, variant: str, evalset: str, value: float | None) -> None:
    low, high = (None, None) if value is None else (value - 0.1, value + 0.1)
    task, _, split = evalset.partition(".")
    identity = {"student": "gemma", "variant": variant, "evalset": evalset, "task": task}
    items = [{"id": name, "group": name, "correct": None} for name in "abcd"]
    document = metrics("em", measured(value, low=low, high=high), items, **identity)
    document["split"] = split or "test"
    write_json(folder / "metrics" / variant / f"{evalset}.json", document)


def test_card_has_evaluation_recipe_and_provenance(results: Path) -> None:
    write(results / "cards", VARIANTS, SOURCES, results / "metrics", results / "checkpoints")
    (file,) = (results / "cards").rglob("*.md")
    assert file == results / "cards" / "tatqa" / "lr0.1.md"
    card = ModelCard.load(file)
    assert card.data.base_model == "google/gemma-3-4b-it"
    assert card.data.datasets == ["next-tat/TAT-QA"]
    (result,) = card.data.eval_results
    assert (result.dataset_type, result.dataset_split) == ("next-tat/TAT-QA", "val")
    assert (result.metric_type, result.metric_value) == ("em", 0.75)
    assert "| tatqa.val | em | 0.250 | 0.750 | 0.650 to 0.850 | 4 |" in card.text
    assert "| ifeval | em | - | - | - | 4 |" in card.text
    assert "Greedy decoding. *val* chose" in card.text
    assert "| optim | sgd |" in card.text
    assert "| device | 2 x NVIDIA H100 |" in card.text
    assert "| training time | 0.5 hours |" in card.text


def test_card_says_which_replies_are_drawn(results: Path) -> None:
    for variant in VARIANTS:
        file = results / "metrics" / variant / "ifeval.json"
        drawn = {"samples": 8, "temperature": 0.7, "top_p": 0.9}
        write_json(file, read_json(file) | {"decoding": drawn})
    write(results / "cards", VARIANTS, SOURCES, results / "metrics", results / "checkpoints")
    card = ModelCard.load(results / "cards" / "tatqa" / "lr0.1.md")
    told = "ifeval: 8 replies a prompt, sampled at temperature 0.7 from the top 0.9."
    assert f"Greedy decoding, but for these: {told} *val* chose" in card.text


def test_card_says_that_the_base_was_dequantised(results: Path) -> None:
    base = source(kind="gguf", id="gemma.Q4_1.gguf", dequantised=["Q4_1"])
    finish(results / "checkpoints" / "tatqa" / "lr0.1", RECIPE, FACTS | {"base": base})
    write(results / "cards", VARIANTS, SOURCES, results / "metrics", results / "checkpoints")
    card = ModelCard.load(results / "cards" / "tatqa" / "lr0.1.md")
    assert card.data.base_model is None
    assert "fine-tuning of gemma.Q4_1.gguf on" in card.text
    assert "(dequantised) from the Q4_1 of gemma.Q4_1.gguf" in card.text


def test_missing_metrics_are_named(results: Path) -> None:
    (results / "metrics" / "tatqa" / "lr0.1" / "ifeval.json").unlink()
    with pytest.raises(StudyError, match=r"lr0\.1/ifeval\.json: no such file"):
        write(results / "cards", VARIANTS, SOURCES, results / "metrics", results / "checkpoints")
