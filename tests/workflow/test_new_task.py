"""docs/adding_a_task.md, done to the letter in a copy of the repository."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from repository import ROOT
from sftstudy.files.reading import read_json, read_jsonl
from sftstudy.files.writing import write_jsonl
from workflow.running import Editor, copy_repository, plan, snakemake

pytestmark = pytest.mark.slow

FOLDER = "scripts/sftstudy/tasks/sentiment"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with the page's files, its line in the registry, a source, and the option's file."""
    checkout = copy_repository(tmp_path_factory.mktemp("new_task"))
    page = (ROOT / "docs/adding_a_task.md").read_text(encoding="utf-8")
    data, score, options = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    [study] = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    reviews = [f'{n},"It was, well, number {n}.",{"np"[n % 2]}' for n in range(80)]
    files = {
        f"{FOLDER}/__init__.py": "",
        f"{FOLDER}/data.py": data,
        f"{FOLDER}/score.py": score,
        f"{FOLDER}/options.py": options,
        "config/reviews.yaml": study,
        "data/synonyms.json": '{"great": "positive"}',
        "data/reviews/reviews.csv": "\n".join(["id,text,label", *reviews, ""])
        .replace(",n\n", ",negative\n")
        .replace(",p\n", ",positive\n"),
    }
    for name, text in files.items():
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text(text, encoding="utf-8")
    Editor(checkout).replace(
        "scripts/sftstudy/tasks/registry.py", '"nl2sql")', '"nl2sql", "sentiment")'
    )
    return checkout


def run(checkout: Path, *arguments: str, succeeds: bool = True) -> str:
    """Run a program of the copy, whose registry knows the task; return what it prints."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True)
    assert (done.returncode == 0) == succeeds, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def splits(checkout: Path) -> Path:
    """The rows of the task's splits, made by its ``data.py``."""
    run(
        *(checkout, "scripts/prepare.py", "--task", "sentiment", "--raw", "data/reviews"),
        *("--strategy=stratified", "--val=20", "--test=20", "--output-dir", "out/sentiment"),
    )
    return checkout / "out/sentiment"


def test_the_workflow_plans_the_task(checkout: Path) -> None:
    rules = plan(checkout, "--configfile", "config/reviews.yaml", profile="local").rules
    assert (rules["prepare"], rules["train"], rules["score"]) == (1, 2, 3 * 2)


def test_its_rows_are_made_and_its_replies_scored(checkout: Path, splits: Path) -> None:
    rows = read_jsonl(splits / "val.jsonl")
    assert [row["reference"]["label"] for row in rows].count("positive") == 10
    assert rows[0]["prompt"][0]["content"].endswith("\n\nAnswer:")
    replies = [
        {"id": row["id"], "text": row["reference"]["label"], "finish_reason": "stop"}
        for row in rows
    ]
    replies[0]["text"], replies[1]["text"] = "hard to say", "Positive or negative."
    document = scored(checkout, replies)
    assert document["primary"] == "accuracy"
    assert document["metrics"]["accuracy"]["value"] == 18 / 20
    assert document["metrics"]["invalid_rate"]["value"] == 2 / 20
    assert document["metrics"]["invalid_rate"]["counts"] == "unread"
    assert document["metrics"]["macro_f1"]["value"] > 0.9


def scored(checkout: Path, replies: list[dict[str, Any]], *arguments: str) -> dict[str, Any]:
    """Return the metrics file of replies to the val split."""
    write_jsonl(checkout / "out/replies.jsonl", replies)
    run(
        *(checkout, "scripts/score.py", "--task", "sentiment", "--split", "val"),
        *("--predictions", "out/replies.jsonl", "--data", "out/sentiment/val.jsonl"),
        *("--student", "s", "--variant", "base", "--output", "out/metrics.json", *arguments),
    )
    return read_json(checkout / "out/metrics.json")


def test_its_option_reaches_the_scorer_and_the_record(checkout: Path, splits: Path) -> None:
    done = snakemake(
        *(checkout, "--dry-run", "--printshellcmds", "--configfile", "config/reviews.yaml"),
        profile="local",
    )
    options = '{"synonyms": "data/synonyms.json"}'
    assert f"--task sentiment --split val --options '{options}'" in done.stdout
    replies = [
        {"id": row["id"], "text": "Great.", "finish_reason": "stop"}
        for row in read_jsonl(splits / "val.jsonl")
    ]
    assert scored(checkout, replies)["metrics"]["accuracy"]["value"] == 0
    record = ("--record", "out/records/metrics.json")
    document = scored(checkout, replies, "--options", options, *record)
    assert document["metrics"]["accuracy"]["value"] == 1 / 2
    assert "data/synonyms.json" in read_json(checkout / record[1])["inputs"]
    text = run(
        *(checkout, "scripts/score.py", "--task", "sentiment", "--options", '{"words": "x"}'),
        *("--predictions", "out/replies.jsonl", "--data", "out/sentiment/val.jsonl"),
        *("--student", "s", "--variant", "base", "--output", "out/none.json"),
        succeeds=False,
    )
    assert "sentiment has no option 'words'; it has synonyms" in text


def test_its_option_is_checked_in_study_files(checkout: Path) -> None:
    editor = Editor(checkout)
    editor.replace("config/reviews.yaml", "synonyms: data", "synonym: data")
    study = ("--dry-run", "--configfile", "config/reviews.yaml")
    done = snakemake(checkout, *study, profile="local", check=False)
    editor.restore()
    assert "unknown key 'synonym' in catalog.tasks.sentiment" in done.stdout + done.stderr
    assert "Did you mean 'synonyms'?" in done.stdout + done.stderr


def test_its_option_stands_in_the_reference(checkout: Path) -> None:
    run(checkout, "tools/document_config.py")
    text = (checkout / "config/README.md").read_text(encoding="utf-8")
    [part] = re.findall(r"under `catalog\.tasks\.sentiment`\n(.*?)\n###", text, flags=re.DOTALL)
    assert "| `synonyms` | string or null | `null` | JSON file of words" in part


def test_its_option_and_its_metrics_reach_the_files_for_lm_eval(
    checkout: Path, splits: Path
) -> None:
    run(
        *(checkout, "scripts/lm_eval_tasks.py", "--data", "out", "--output-dir", "out/lm_eval"),
        *("--max-new-tokens", '{"sentiment": 8}'),
        *("--options", '{"sentiment": {"synonyms": "data/synonyms.json"}}'),
    )
    file = str((checkout / "data/synonyms.json").resolve())
    code = (checkout / "out/lm_eval/utils.py").read_text(encoding="utf-8")
    assert f"OPTIONS = {{'sentiment': {{'synonyms': {file!r}}}}}" in code
    text = (checkout / "out/lm_eval/sentiment_sft.yaml").read_text(encoding="utf-8")
    lower = "- metric: invalid_rate\n  aggregation: mean\n  higher_is_better: false\n"
    assert lower in text and "metric: accuracy" in text
