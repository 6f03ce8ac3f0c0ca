"""docs/adding_a_task.md, done to the letter in a copy of the repository."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from repository import ROOT
from sftstudy.files.reading import read_json, read_jsonl
from sftstudy.files.writing import write_jsonl
from workflow.running import Editor, copy_repository, plan

FOLDER = "scripts/sftstudy/tasks/sentiment"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy with the page's files, its line in the registry, and a source."""
    checkout = copy_repository(tmp_path_factory.mktemp("new_task"))
    page = (ROOT / "docs/adding_a_task.md").read_text(encoding="utf-8")
    data, score = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    [study] = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    reviews = [f'{n},"It was, well, number {n}.",{"np"[n % 2]}' for n in range(80)]
    files = {
        f"{FOLDER}/__init__.py": "",
        f"{FOLDER}/data.py": data,
        f"{FOLDER}/score.py": score,
        "config/reviews.yaml": study,
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


def run(checkout: Path, *arguments: str) -> None:
    """Run a program of the copy, whose registry knows the task."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workflow_plans_the_task(checkout: Path) -> None:
    rules = plan(checkout, "--configfile", "config/reviews.yaml", profile="local").rules
    assert (rules["prepare"], rules["train"], rules["score"]) == (1, 2, 3 * 2)


def test_its_rows_are_made_and_its_replies_scored(checkout: Path) -> None:
    splits = ["--strategy=stratified", "--val=20", "--test=20"]
    run(
        *(checkout, "scripts/prepare.py", "--task", "sentiment", "--raw", "data/reviews"),
        *(*splits, "--output-dir", "out"),
    )
    rows = read_jsonl(checkout / "out/val.jsonl")
    assert [row["reference"]["label"] for row in rows].count("positive") == 10
    assert rows[0]["prompt"][0]["content"].endswith("\n\nAnswer:")
    replies = [
        {"id": row["id"], "text": row["reference"]["label"], "finish_reason": "stop"}
        for row in rows
    ]
    replies[0]["text"], replies[1]["text"] = "hard to say", "Positive or negative."
    write_jsonl(checkout / "out/replies.jsonl", replies)
    run(
        *(checkout, "scripts/score.py", "--task", "sentiment", "--split", "val"),
        *("--predictions", "out/replies.jsonl", "--data", "out/val.jsonl"),
        *("--student", "s", "--variant", "base", "--output", "out/metrics.json"),
    )
    document = read_json(checkout / "out/metrics.json")
    assert document["primary"] == "accuracy"
    assert document["metrics"]["accuracy"]["value"] == 18 / 20
    assert document["metrics"]["invalid_rate"]["value"] == 2 / 20
    assert document["metrics"]["macro_f1"]["value"] > 0.9
