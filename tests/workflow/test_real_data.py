"""The whole chain over the real datasets, with the smoke student and small limits."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from sftstudy.files.reading import read_json
from workflow.running import copy_repository, snakemake

pytestmark = pytest.mark.slow

COUNTS = {  # of the original study; tatqa from the dev file alone, where all rows are kept
    "banking77": {"train": 9903, "val": 100, "test": 3080},
    "pubmedqa": {"train": 800, "val": 100, "test": 100},
    "nl2sql": {"train": 503, "val": 50, "test": 100},
    "tatqa": {"train": 1468, "val": 100, "test": 100},
}


def study(data: Path, **changes: Any) -> dict[str, Any]:
    """Return a study of the smoke student on the real datasets."""
    tasks = {
        name: {
            "source": {"path": str(data / name)},
            "split": {"strategy": "tail", **{k: v for k, v in counts.items() if k != "train"}},
            "max_new_tokens": 6,
        }
        for name, counts in COUNTS.items()
    }
    tasks["banking77"]["split"]["test"] = "published"
    student = {
        "source": {"smoke": {"seed": 1, "steps": 20}},
        "max_length": 32_768,
        "dtype": "float32",
        "gpus": 0,
        "cpus": 1,
        "mem_gb": 4,
    }
    controls = {
        name: {"source": {"path": str(data / name)}, "max_new_tokens": 12}
        for name in ("ifeval", "simple_safety_tests")
    }
    return {
        "study": "real-data",
        "results": "results/real",
        "students": ["smoke"],
        "tasks": list(COUNTS),
        "space": {"learning_rate": [1e-4]},
        "training": {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2},
        "catalog": {"students": {"smoke": student}, "tasks": tasks, "controls": controls},
        **changes,
    }


@pytest.fixture(scope="module")
def checkout(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_repository(tmp_path_factory.mktemp("real"))
    full = study(shared_data)
    for name, document in (("full", full), ("limited", full | {"limit": 20})):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    return folder


def test_cards_of_the_full_sources_have_the_counts_of_the_original_study(checkout: Path) -> None:
    cards = [f"results/real/data/{task}/card.json" for task in COUNTS]
    snakemake(checkout, *cards, "--configfile", "full.yaml")
    for task, counts in COUNTS.items():
        card = read_json(checkout / f"results/real/data/{task}/card.json")
        assert {split: facts["rows"] for split, facts in card["splits"].items()} == counts, task
    labels = read_json(checkout / "results/real/data/banking77/card.json")["splits"]
    assert len(labels["test"]["labels"]) == 77
    # What the original study did not see: its validation split holds one class of 77.
    assert labels["val"]["labels"] == {"24": 100}  # country_support
    assert not (checkout / "results/real/checkpoints/smoke/banking77").exists()


def test_limited_study_from_raw_data_to_the_report(checkout: Path) -> None:
    snakemake(checkout, "--configfile", "limited.yaml")
    root = checkout / "results/real/limit-20"
    for task in COUNTS:
        card = read_json(root / f"data/{task}/card.json")
        assert {split: facts["rows"] for split, facts in card["splits"].items()} == {
            "train": 20,
            "val": 20,
            "test": 20,
        }
        document = read_json(root / f"metrics/smoke/{task}/lr0.0001/{task}.test.json")
        assert document["n"] == 20 == len(document["items"])
        assert 0 <= document["metrics"][document["primary"]]["value"] <= 1
    assert read_json(root / "metrics/smoke/base/ifeval.json")["n"] == 20
    assert read_json(root / "recommendations/smoke.json")["verdict"]
    assert "<html" in (root / "report/index.html").read_text(encoding="utf-8")
