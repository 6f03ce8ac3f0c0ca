"""A generated results tree of any size: what a study leaves behind, without running one.

Scores follow a simple law, so that tables and figures look like a study's: every task gains with
learning rate times epochs and then saturates, every control loses with it, and some students'
controls break; of several students the first keeps them. Training on banking77 harms tatqa, and the
test rows of the first task that are in train too are learned by heart. Everything is a function of
the seed.

From the command line, for looking at the report while working on it; with ``--report`` the page is
written too, and what that took is printed (5 students x 4 tasks x 12 trials and 200 rows: 12
CPU-seconds, 1.5 MB)::

    PYTHONPATH=scripts:tests python -m synthetic_study FOLDER --report
"""

import argparse
import itertools
import json
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from made_documents import provenance, source
from synthetic_files import (
    PRIMARY,
    make_card,
    make_duplicates,
    make_item,
    make_metrics,
    make_reply,
    make_row,
)

STUDENTS = (
    "Qwen3-4B-Instruct-2507",
    "Llama-3.1-8B-Instruct",
    "Llama-3.2-1B-Instruct",
    "gemma-3-4b-it",
    "SmolLM2-135M-Instruct",
)
TASKS = ("banking77", "pubmedqa", "tatqa", "nl2sql")
CONTROLS = ("ifeval", "simple_safety_tests")
SPACE = {
    "learning_rate": [1e-5, 2e-5, 5e-5],
    "num_train_epochs": [1, 3],
    "per_device_train_batch_size": [2, 4],
}


@dataclass(frozen=True)
class Study:
    """What to generate.

    Attributes:
        rows: Items of every eval set.
        missing: Trials without any results, as (student, task, trial).
        attacks: Whether replies, prompts and error messages carry attack strings.
    """

    root: Path
    students: tuple[str, ...] = STUDENTS
    tasks: tuple[str, ...] = TASKS
    controls: tuple[str, ...] = CONTROLS
    space: dict[str, list[float]] = field(default_factory=lambda: dict(SPACE))
    rows: int = 60
    seed: int = 7
    missing: tuple[tuple[str, str, str], ...] = ()
    attacks: bool = False

    @property
    def results(self) -> Path:
        return self.root / "results"

    @property
    def trials(self) -> dict[str, dict[str, Any]]:
        """Trial id to its hyperparameters."""
        named = {}
        for values in itertools.product(*self.space.values()):
            recipe = dict(zip(self.space, values, strict=True))
            named["lr{:g}_ep{:g}_bs{:g}".format(*values)] = recipe
        return named

    @property
    def plan(self) -> dict[str, Any]:
        trials = list(self.trials)
        return {
            "study": "synthetic",
            "results": str(self.results),
            "students": {name: {"source": {"hub": f"example/{name}"}} for name in self.students},
            "tasks": list(self.tasks),
            "controls": list(self.controls),
            "trials": {name: dict.fromkeys(self.tasks, trials) for name in self.students},
            "space": self.space,
            "primary": {name: PRIMARY[name] for name in (*self.tasks, *self.controls)},
            "gates": {
                "ifeval": {"metric": "prompt_strict", "min_ratio_to_baseline": 0.95},
                "simple_safety_tests": {"metric": "safe_rate", "above": 0.9},
            },
            "seed": 42,
            "limit": None,
        }


def write_study(study: Study) -> Path:
    """Write the whole tree below `study.root` and return the path of its plan."""
    plan = study.root / "plan.json"
    _write_json(plan, study.plan)
    rows = {name: _write_data(study, name) for name in (*study.tasks, *study.controls)}
    for student in study.students:
        _write_json(study.results / f"checkpoints/{student}/base/SOURCE.json", source(student))
        _write_variant(study, rows, student, "base")
        for task, trial in itertools.product(study.tasks, study.trials):
            if (student, task, trial) not in study.missing:
                _write_training(study, student, task, trial)
                _write_variant(study, rows, student, f"{task}/{trial}")
        write_recommendation(study, student)
    return plan


def write_recommendation(study: Study, student: str) -> None:
    """Write a student's recommendation, made of the files that are there."""
    from sftstudy.recommendation.markdown import to_markdown
    from synthetic_recommendation import recommendation

    folder = study.results / "recommendations"
    document = recommendation(study, student)
    _write_json(folder / f"{student}.json", document)
    (folder / f"{student}.md").write_text(to_markdown(document), encoding="utf-8")
    for suffix in ("trl.yaml", "oumi.yaml", "axolotl.yaml"):
        (folder / f"{student}.{suffix}").write_text(f"# {student}\n", encoding="utf-8")


def write_report(study: Study) -> Path:
    """Write tables, figures and the report of a study that `write_study` wrote; return the page."""
    from sftstudy.figures.draw import draw_all
    from sftstudy.report import page
    from sftstudy.tables.collect import collect
    from sftstudy.tables.results import load
    from sftstudy.tables.write import write

    results = load(study.root / "plan.json", study.results)
    tables, figures = study.results / "tables", study.results / "figures"
    rows = collect(results)
    write(rows, tables)
    draw_all(rows, list(study.students), list(study.tasks), figures)
    output = study.results / "report" / "index.html"
    page.write_report(results, tables, figures, output)
    return output


def evalsets(study: Study, variant: str) -> list[str]:
    """Names of the eval sets on which a variant is scored."""
    own = study.tasks if variant == "base" else (variant.split("/")[0],)
    return [
        *(f"{task}.val" for task in own),
        *(f"{task}.test" for task in study.tasks),
        *study.controls,
    ]


def is_robust(study: Study, student: str) -> bool:
    """Return whether training does no harm to a student's controls: the first of several."""
    return len(study.students) > 1 and student == study.students[0]


def true_score(study: Study, student: str, variant: str, name: str) -> float:
    """Return the probability with which a variant solves a random item of a task or control."""
    generator = np.random.default_rng([study.seed, *student.encode(), *name.encode()])
    base = generator.uniform(0.35, 0.6) if name in study.tasks else generator.uniform(0.68, 0.78)
    if name == "simple_safety_tests":
        base = 0.985
    if variant == "base":
        return base
    trained, trial = variant.split("/")
    recipe = study.trials[trial]
    dose = recipe["learning_rate"] * 1e5 * recipe["num_train_epochs"] ** 0.7
    dose /= recipe["per_device_train_batch_size"] ** 0.3
    learned = 1 - math.exp(-dose)
    if name == trained:
        return min(0.97, base + generator.uniform(0.18, 0.36) * learned)
    if (trained, name) == ("banking77", "tatqa"):
        return max(0.02, base - 0.2 * learned)
    if is_robust(study, student) and name in study.controls:
        # At 200 rows three prompts of 151 less: a gate that is proven, but only just.
        return base - (0.018 if (trained, name) == (study.tasks[0], "ifeval") else 0.0)
    fragility = 0.3 + 1.7 * study.students.index(student) / max(1, len(study.students) - 1)
    return max(0.02, base - 0.016 * fragility * dose)


def _write_data(study: Study, name: str) -> dict[str, list[dict]]:
    """Write the data files of a task or control; return its rows by split."""
    splits = ("train", "val", "test") if name in study.tasks else ("test",)
    rows: dict[str, list[dict]] = {}
    for split in splits:
        rows[split] = [make_row(study, name, split, index) for index in range(study.rows)]
        _write_jsonl(study.results / "data" / name / f"{split}.jsonl", rows[split])
    card = make_card(study, name, rows)
    _write_json(study.results / "data" / name / "card.json", card)
    if name in study.tasks:
        found = make_duplicates(study, name, rows)
        _write_json(study.results / "data" / name / "duplicates.json", found)
    _write_json(study.results / "raw" / name / "SOURCE.json", card["source"])
    return rows


def _write_training(study: Study, student: str, task: str, trial: str) -> None:
    recipe = dict(study.trials[trial], optim="adamw_torch_fused", warmup_ratio=0.03, seed=42)
    lines = "".join(f"{key}: {json.dumps(value)}\n" for key, value in recipe.items())
    path = study.results / "recipes" / student / task / f"{trial}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(lines, encoding="utf-8")
    dose = recipe["learning_rate"] * 1e5
    steps = int(80 * recipe["num_train_epochs"])
    noise = np.random.default_rng([study.seed, *trial.encode()]).normal(0, 0.03, steps)
    log = [
        {
            "step": step + 1,
            "epoch": (step + 1) / 80,
            "loss": round(0.3 + 2 * math.exp(-step * dose / 60) + float(noise[step]), 4),
            "learning_rate": recipe["learning_rate"] * (1 - step / steps),
        }
        for step in range(steps)
    ]
    hours = (1 + study.students.index(student)) * recipe["num_train_epochs"] * 0.2
    document = provenance(
        recipe,
        train_flops=1e18 * hours,
        tokens=1_200_000 * recipe["num_train_epochs"],
        steps=steps,
        train_seconds=3600 * hours,
        gpu_seconds=3600 * hours,
        log_history=log,
    )
    document["recipe"] |= {"student": student, "task": task, "trial": trial}
    path = study.results / f"checkpoints/{student}/{task}/{trial}/provenance.json"
    _write_json(path, document)


def _write_variant(study: Study, rows: dict, student: str, variant: str) -> None:
    for evalset in evalsets(study, variant):
        name, _, split = evalset.partition(".")
        part = rows[name][split or "test"]
        items, replies = [], []
        chance = true_score(study, student, variant, name)
        # One difficulty per item, shared by all variants: replies of two variants are paired.
        difficulty = np.random.default_rng([study.seed, *evalset.encode()]).uniform(size=len(part))
        noise = np.random.default_rng([study.seed, *f"{student}{variant}{evalset}".encode()])
        steady = is_robust(study, student) and name in study.controls
        luck = noise.normal(0, 0.0 if steady else 0.12, size=len(part))
        by_heart: set[str] = set()
        if variant.startswith(f"{name}/") and split == "test":
            pair = make_duplicates(study, name, rows[name])["pairs"]["train-test"]
            by_heart = {*pair["exact"], *pair["near"]}
        for index, row in enumerate(part):
            right = bool(np.clip(difficulty[index] + luck[index], 0, 1) < chance)
            right |= row["id"] in by_heart
            invalid = not right and name in study.tasks and index % 5 == 0
            reply = make_reply(study, name, index, right, invalid)
            items.append(make_item(row, right, None if invalid else reply[:50]))
            reason = "length" if len(reply) > 1000 else "stop"
            replies.append({"id": row["id"], "text": reply, "finish_reason": reason})
            replies[-1] |= {"prompt_tokens": 120, "completion_tokens": len(reply) // 4}
        where = f"{student}/{variant}/{evalset}"
        _write_jsonl(study.results / f"predictions/{where}.jsonl", replies)
        document = make_metrics(student, variant, evalset, items)
        _write_json(study.results / f"metrics/{where}.json", document)


def _write_json(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")


def _write_jsonl(path: Path, rows: Iterable[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--students", type=int, default=5)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--attacks", action="store_true", help="put attack strings into all texts")
    parser.add_argument("--report", action="store_true", help="write tables, figures and the page")
    arguments = parser.parse_args()
    gone = ((STUDENTS[0], "nl2sql", "lr5e-05_ep3_bs2"),)
    whole = Study(arguments.root, STUDENTS[: arguments.students], rows=arguments.rows,
                  missing=gone, attacks=arguments.attacks)  # fmt: skip
    print(write_study(whole))
    if arguments.report:
        began = time.process_time()
        written = write_report(whole)
        took = time.process_time() - began
        print(f"{written}: {written.stat().st_size:,} bytes, {took:.1f} CPU-seconds")
