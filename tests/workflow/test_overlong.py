"""Rows without room for a reply: an error before the first training, or left out of all variants."""

from collections import Counter
from pathlib import Path

import pytest

from sftstudy.files.reading import read_json, read_jsonl
from workflow.running import MINI, Editor, copy_repository, plan, snakemake

pytestmark = pytest.mark.slow

# The longest prompts of banking77.val and .test have 176 tokens, of ifeval 42; train's rows 177.
LIMIT = 179
ROOT = f"results/mini/max_length-{LIMIT}"
STUDY = ("--configfile", MINI, "--config", f"max_length={LIMIT}", "tasks=[banking77]")
STUDY += ("controls=[ifeval]",)
EVALSETS = ("banking77.val", "banking77.test", "ifeval")
VARIANTS = ("base", "banking77/lr0.001")


def test_one_rule_for_all_splits_before_the_first_training(tmp_path: Path) -> None:
    checkout = copy_repository(tmp_path)
    control = "ifeval:\n      source: {smoke: {seed: 5, test: 10}}\n      max_new_tokens: "
    Editor(checkout).replace(MINI, f"{control}12", f"{control}138")
    results = checkout / ROOT
    done = snakemake(checkout, "--keep-going", *STUDY, check=False)
    assert done.returncode == 1
    log = (results / "logs/fits/smoke.log").read_text(encoding="utf-8")
    assert "data/banking77/val.jsonl: row 'train-" in log and "prompt of 176 tokens" in log
    assert "drop_overlong" in log
    assert [folder.name for folder in (results / "checkpoints/smoke").iterdir()] == ["base"]
    assert not (results / "logs/checkpoints/smoke/banking77").exists()

    snakemake(checkout, *STUDY, "drop_overlong=true")
    fits = read_json(results / "fits/smoke.json")["evalsets"]
    for evalset in EVALSETS:
        dropped = fits[evalset]["dropped"]
        assert 0 < len(dropped) < fits[evalset]["rows"], evalset
        for variant in VARIANTS:
            replies = read_jsonl(results / f"predictions/smoke/{variant}/{evalset}.jsonl")
            assert [r["id"] for r in replies if r["finish_reason"] == "dropped"] == dropped
            metrics = read_json(results / f"metrics/smoke/{variant}/{evalset}.json")
            assert (metrics["dropped"], metrics["n"]) == (len(dropped), len(replies) - len(dropped))
            assert not {item["id"] for item in metrics["items"]} & set(dropped)
    document = read_json(results / "recommendations/smoke.json")
    assert document["gains"]["confirm"]["banking77"]["n"] == 16 - len(
        fits["banking77.test"]["dropped"]
    )
    page = (results / "report/index.html").read_text(encoding="utf-8")
    assert f"{len(fits['ifeval']['dropped'])} of ifeval" in page
    # Nothing trains again because another limit of replies has the rows looked at anew.
    Editor(checkout).replace(MINI, f"{control}138", f"{control}139")
    planned = Counter(plan(checkout, *STUDY, "drop_overlong=true").rules)
    assert planned["fits"] == 1 and planned["predict_controls"] == 2
    assert not planned["train"] and not planned["lengths"]
