"""Final metrics with and without `group_batches: document`, on the finished smoke study.

    make demo && python benchmarks/bench_group_batches.py

Drawing batches by document changes which rows meet in a step, and so the weights. Both are trained
with the study's gentle recipe for several seeds and scored on the test split.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
STUDY = ROOT / "results" / "smoke"
TASKS = ("nl2sql", "tatqa")  # the tasks whose rows share documents
SEEDS = (42, 43, 44)
MODES = ("off", "document")


def program(name: str, **options: Any) -> None:
    """Run a program of the workflow; its output is shown only if it fails."""
    arguments = [f"--{key.replace('_', '-')}={value}" for key, value in options.items()]
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / name, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


def measure(task: str, seed: int, mode: str, folder: Path) -> dict[str, Any]:
    """Train, predict and score once; return the primary metric with its interval."""
    data = STUDY / "data" / task
    recipe = yaml.safe_load(sorted((STUDY / "recipes/smoke" / task).iterdir())[0].read_text())
    recipe["training"] |= {"seed": seed, "group_batches": mode}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    program(
        "train.py",
        recipe=folder / "recipe.yaml",
        train=data / "train.jsonl",
        lengths=data / "lengths" / "smoke.json",
        base=STUDY / "checkpoints/smoke/base",
        scratch=folder / "scratch",
        output=folder / "checkpoint",
    )
    program(
        "predict.py",
        checkpoint=folder / "checkpoint",
        data=data / "test.jsonl",
        max_new_tokens=40,
        generation=json.dumps(recipe["model"]),
        output=folder / "predictions" / "test.jsonl",
    )
    program(
        "score.py",
        predictions=folder / "predictions" / "test.jsonl",
        data=data / "test.jsonl",
        student="smoke",
        variant=f"{task}/{mode}-{seed}",
        task=task,
        split="test",
        output=folder / "metrics.json",
    )
    document = json.loads((folder / "metrics.json").read_text())
    return document["metrics"][document["primary"]]


def main() -> None:
    if not (STUDY / "report" / "index.html").is_file():
        sys.exit("run `make demo` first: the finished smoke study is what this starts from")
    print("| task | seed | batches at random | batches by document |\n| --- | --- | --- | --- |")
    for task in TASKS:
        for seed in SEEDS:
            columns = []
            for mode in MODES:
                with tempfile.TemporaryDirectory() as folder:
                    found = measure(task, seed, mode, Path(folder))
                columns.append(
                    f"{found['value']:.2f} ({found['low']:.2f} to {found['high']:.2f}), "
                    f"n = {found['n']}"
                )
            print(f"| {task} | {seed} | {' | '.join(columns)} |", flush=True)


if __name__ == "__main__":
    main()
