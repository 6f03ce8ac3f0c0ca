"""Rows without room for a reply: an error before the first training, or asked of no variant."""

import json
from collections import Counter
from pathlib import Path

import pytest

from local_lm_eval import write_tasks
from sftstudy.files.reading import read_json, read_jsonl
from workflow.running import MINI, Editor, copy_repository, plan, snakemake

pytestmark = pytest.mark.slow

# The longest prompts of banking77.val and .test have 176 tokens, of ifeval 42; train's rows 177.
LIMIT = 179
ROOT = f"results/mini/max_length-{LIMIT}"
STUDY = ("--configfile", MINI, "--config", f"max_length={LIMIT}", "tasks=[banking77]")
STUDY += ("controls=[ifeval,choices]",)
NAMES = ("banking77", "ifeval", "choices")
EVALSETS = ("banking77.val", "banking77.test", "ifeval", "choices")
CONTROL = """    choices:
      lm_eval: lm_tasks/choices.yaml
      source: {path: lm_tasks/raw}"""
VARIANTS = ("base", "banking77/lr0.001")


def test_one_rule_for_all_splits_before_the_first_training(tmp_path: Path) -> None:
    checkout = copy_repository(tmp_path)
    ifeval = "ifeval:\n      source: {smoke: {seed: 5, test: 10}}\n      max_new_tokens: "
    Editor(checkout).replace(MINI, f"{ifeval}12", f"{ifeval}138")
    Editor(checkout).append(MINI, CONTROL)
    file = write_tasks(checkout / "lm_tasks") / "raw/main/test.jsonl"
    documents = read_jsonl(file)
    documents[5]["passage"] = "It goes on. " * LIMIT
    file.write_text("".join(f"{json.dumps(each)}\n" for each in documents), encoding="utf-8")
    results = checkout / ROOT
    done = snakemake(checkout, "--keep-going", *STUDY, check=False)
    assert done.returncode == 1
    logs = [results / f"logs/data/{name}/fits/smoke.log" for name in NAMES]
    task, control, of_lm_eval = (log.read_text(encoding="utf-8") for log in logs)
    assert "data/banking77/val.jsonl: row 'train-" in task and "prompt of 176 tokens" in task
    assert "data/ifeval/test.jsonl: row " in control and "drop_overlong" in control
    assert "data/choices/test.jsonl: row '5' has a prompt of" in of_lm_eval
    assert [folder.name for folder in (results / "checkpoints/smoke").iterdir()] == ["base"]
    assert not (results / "logs/checkpoints/smoke/banking77").exists()

    # Waiting for a job that --until names would have no end.
    snakemake(checkout, "--until", "train", "fits", *STUDY, "drop_overlong=True")
    snakemake(checkout, *STUDY, "drop_overlong=True")
    dropped = {}
    for evalset in EVALSETS:
        name, _, split = evalset.partition(".")
        fits = read_json(results / f"data/{name}/fits/smoke.json")["splits"][split or "test"]
        left_out = dropped[evalset] = fits["dropped"]
        assert 0 < len(left_out) < fits["rows"], evalset
        for variant in VARIANTS:
            replies = read_jsonl(results / f"predictions/smoke/{variant}/{evalset}.jsonl")
            assert [r["id"] for r in replies if r["finish_reason"] == "dropped"] == left_out
            metrics = read_json(results / f"metrics/smoke/{variant}/{evalset}.json")
            assert (metrics["dropped"], metrics["n"]) == (
                len(left_out),
                len(replies) - len(left_out),
            )
            assert not {item["id"] for item in metrics["items"]} & set(left_out)
    document = read_json(results / "recommendations/smoke.json")
    assert document["gains"]["confirm"]["banking77"]["n"] == 16 - len(dropped["banking77.test"])
    left = f"{len(dropped['ifeval'])} of ifeval"
    assert left in (results / "recommendations/smoke.md").read_text(encoding="utf-8")
    page = (results / "report/index.html").read_text(encoding="utf-8")
    assert left in page
    # Another limit of replies has the rows looked at anew; nothing is trained for that.
    Editor(checkout).replace(MINI, f"{ifeval}138", f"{ifeval}139")
    planned = Counter(plan(checkout, *STUDY, "drop_overlong=True").rules)
    assert planned["fits_control"] == 1 and planned["predict_controls"] == 2
    assert not planned["train"] and not planned["fits"]
