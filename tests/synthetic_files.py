"""What the files of a synthetic study hold: rows, replies, cards, metrics."""

import itertools
import math
from typing import Any

from made_documents import duplicates, lengths, source
from sftstudy.statistics.distributions import binomial_limits

PRIMARY = {
    "banking77": "accuracy",
    "pubmedqa": "accuracy",
    "tatqa": "em",
    "nl2sql": "ast_match",
    "ifeval": "prompt_strict",
    "simple_safety_tests": "safe_rate",
}
# Each one hides, breaks or floods a page that shows it as anything but text.
ATTACKS = (
    '<script>window.attacked = "script"</script>',
    '<img src=x onerror="window.attacked=1"><svg onload="window.attacked=1">',
    "</script><script>window.attacked = 1</script><!--",
    '"><iframe src="https://example.invalid/"></iframe>',
    "{{ 7 * 7 }} ${7*7} {% raw %}",
    "right to left: \u202egnp.exe\u202c \u2067isolated\u2069 end",
    "controls: \x00\x01\x07\x1b[31mred\x1b[0m\x7f\x85 bell",
    "zero\u200bwidth\ufeff and tag \U000e0041\U000e0042 characters",
    "Z" + "\u0336\u0321\u0334\u0322" * 200 + " combining marks",
    "long " + "x" * 1_000_000,
    "javascript:alert(1) [link](javascript:alert(1))",
)


def make_row(study: Any, name: str, split: str, index: int) -> dict[str, Any]:
    shared = f"You are given one example of {name}. Follow the rules and answer it.\n" * 6
    question = f"Question {index} of the {split} split of {name}: what is wanted here?"
    if study.attacks and index < len(ATTACKS):
        question += " " + ATTACKS[index]
    row = {"id": f"{name}-{split}-{index}", "group": f"{name}-{split}-{index // 3}"}
    row["prompt"] = [{"role": "user", "content": f"{shared}{question}\nAnswer:"}]
    row["completion"] = []
    if name in study.tasks:
        row["completion"] = [{"role": "assistant", "content": _right_answer(name, index)}]
    row["reference"] = {"label": str(index % 7)}
    return row


def _right_answer(name: str, index: int) -> str:
    answers = {
        "banking77": str(index % 77),
        "pubmedqa": ("yes", "no", "maybe")[index % 3],
        "tatqa": rf"\boxed{{{index * 3} million}}",
        "nl2sql": f"```sql\nSELECT name FROM singer WHERE age > {index}\n```",
    }
    return answers.get(name, f"A helpful reply to request {index}, in two sentences. It complies.")


def make_reply(study: Any, name: str, index: int, right: bool, invalid: bool) -> str:
    if study.attacks and index < len(ATTACKS):
        return ATTACKS[index]
    if right:
        return _right_answer(name, index)
    if invalid:
        return "I think that it depends on the context, and several answers are possible."
    return _right_answer(name, index + 1)


def make_duplicates(study: Any, name: str, rows: dict[str, list[dict]]) -> dict[str, Any]:
    """Duplicates: of the first task every fifth test row is in train too, the first exactly."""
    pairs: dict[str, Any] = {
        f"{a}-{b}": {"exact": [], "near": []} for a, b in itertools.combinations(rows, 2)
    }
    if name == study.tasks[0]:
        first, *others = [row["id"] for row in rows["test"][::5]]
        pairs["train-test"] = {"exact": [first], "near": sorted(others)}
    return duplicates(task=name, pairs=pairs)


def make_card(study: Any, name: str, rows: dict[str, list[dict]]) -> dict[str, Any]:
    """A card in the shape that ``card.py`` writes."""
    splits = {
        split: {
            "rows": len(part),
            "groups": len({row["group"] for row in part}),
            "sha256": "ef" * 32,
            "labels": {str(label): len(part) // 7 for label in range(7)},
        }
        for split, part in rows.items()
    }
    shared = {
        pair: {
            "exact": {"rows": len(found["exact"]), "examples": []},
            "near": {"rows": len(found["near"]), "examples": [], "jaccard_at_least": 0.8},
            "groups": {"groups": 0, "rows": 0, "examples": []},
        }
        for pair, found in make_duplicates(study, name, rows)["pairs"].items()
    }
    spread = {"min": 40, "p50": 96, "p90": 180, "p99": 310, "max": 402, "mean": 99.5, "total": 9950}
    part = {"rows": study.rows, "prompt": spread, "conversation": spread}
    length = lengths(task=name, splits=dict.fromkeys(rows, part))
    return {
        "schema": 1,
        "task": name,
        "task_version": 1,
        "source": source(name),
        "splits": splits,
        "leakage": shared,
        "lengths": dict.fromkeys(study.students, length),
    }


def make_item(row: dict, right: bool, prediction: str | None) -> dict[str, Any]:
    identity = {"id": row["id"], "group": row["group"]}
    return identity | {"correct": right, "prediction": prediction, "think": False}


def make_metrics(student: str, variant: str, evalset: str, items: list[dict]) -> dict[str, Any]:
    name, _, split = evalset.partition(".")
    n = len(items)
    value = sum(item["correct"] for item in items) / n
    error = math.sqrt(value * (1 - value) / n)
    low, high = binomial_limits(value, n, 0.95)
    metric = {"value": value, "n": n, "se": error, "low": low, "high": high}
    metric |= {"interval": "clopper-pearson"}
    metric |= {"description": f"Share of right replies to {name}.", "outcome": "correct"}
    # A scorer of safety that is unsure of half of what it fails.
    unsure = (n - round(value * n)) // 2 if name == "simple_safety_tests" else None
    metric |= {"better": "higher", "counts": None, "unsure": unsure}
    other = dict(metric, value=max(0.0, value - 0.05), description="The original study's rule.")
    return {
        "schema": 1,
        "student": student,
        "variant": variant,
        "evalset": evalset,
        "task": name,
        "split": split or "test",
        "task_version": 1,
        "primary": PRIMARY[name],
        "n": n,
        "groups": len({item["group"] for item in items}),
        "metrics": {PRIMARY[name]: metric, f"legacy_{PRIMARY[name]}": other},
        "items": items,
        "prompt_sha256": "cd" * 32,
        "data_sha256": "ef" * 32,
        "predictions_sha256": "01" * 32,
        "code_sha256": "23" * 32,
    }
