"""Write the key reference of config/README.md anew from config/schema.yaml."""

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from sftstudy.files.writing import write_text  # noqa: E402
from sftstudy.study.schema import option_schemas, schema  # noqa: E402  (the path first)
from sftstudy.tasks.registry import CONTROLS, TASKS  # noqa: E402

README = ROOT / "config" / "README.md"
BEGIN = "<!-- reference: written by `make config-docs` from schema.yaml; do not edit by hand -->"
END = "<!-- end of reference -->"
SECTIONS = {
    "The study": None,
    "A student, under `catalog.students.{name}`": "student",
    "A task, under `catalog.tasks.{name}`": "task",
    "A control, under `catalog.controls.{name}`": "control",
    "A control from lm-eval, there as well": "lm_eval_control",
    "A source": "source",
    "A gate, under `gates.{control}`": "gate",
    "Training values, under `training`": "training",
}
REGISTERED = {"task": TASKS, "control": CONTROLS}


def reference() -> str:
    """Return the reference: one table per part of the schema, one row per key.

    What one task alone may have follows what every task has.
    """
    parts = []
    for title, name in SECTIONS.items():
        node = schema() if name is None else schema()["$defs"][name]
        parts.append(_table(title, node))
        for task in REGISTERED.get(name, ()):
            if own := option_schemas(task):
                title = f"Also, under `catalog.{name}s.{task}`"
                parts.append(_table(title, {"properties": own}))
    return "\n\n".join(parts)


def _table(title: str, node: dict[str, Any]) -> str:
    rows = "\n".join(_rows(node, prefix=""))
    return f"### {title}\n\n| key | allowed | default | meaning |\n|---|---|---|---|\n{rows}"


def updated(text: str) -> str:
    """Return the README's text with the reference between its markers replaced."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{reference()}\n\n{END}{tail}"


def _rows(node: dict[str, Any], prefix: str) -> list[str]:
    rows = []
    for key, child in _properties(node).items():
        default = (
            f"`{json.dumps(child['default'])}`" if "default" in child else _required(node, key)
        )
        meaning = child.get("description", "").replace("|", "\\|")
        rows.append(f"| `{prefix}{key}` | {_allowed(child)} | {default} | {meaning} |")
        keys_are_names = isinstance(child.get("additionalProperties"), dict)
        if "object" in child.get("type", "") and "$ref" not in child and not keys_are_names:
            rows += _rows(child, f"{prefix}{key}.")
    return rows


def _properties(node: dict[str, Any]) -> dict[str, Any]:
    if "oneOf" in node and "properties" not in node:
        return {
            key: child for option in node["oneOf"] for key, child in option["properties"].items()
        }
    return node.get("properties", {})


def _required(node: dict[str, Any], key: str) -> str:
    return "required" if key in node.get("required", []) else ""


def _allowed(child: dict[str, Any]) -> str:
    if "$ref" in child:
        name = child["$ref"].rsplit("/", 1)[1]
        spaces = dict.fromkeys(("space", "lora_space"), "lists of values by field")
        return ({"overrides": "fields of `training`"} | spaces).get(name, f"see {name}")
    if "enum" in child:
        return ", ".join(f"`{value}`" for value in child["enum"])
    if "oneOf" in child:
        return " or ".join(
            f"`{o['const']}`" if "const" in o else _allowed(o) for o in child["oneOf"]
        )
    kinds = child.get("type", "")
    text = " or ".join(kinds) if isinstance(kinds, list) else kinds
    bounds = {"minimum": "at least", "exclusiveMinimum": "above", "exclusiveMaximum": "below"}
    limits = [f"{words} {child[key]}" for key, words in bounds.items() if key in child]
    limits += [f"at most {child['maximum']}"] if "maximum" in child else []
    return ", ".join([text, *limits])


if __name__ == "__main__":
    write_text(README, updated(README.read_text(encoding="utf-8")))
