"""What the study's own files hold, checked when they are read back: people edit files.

A shape is a type or several; a dictionary of what an object holds at least (a key that ends in
``?`` may be absent, the key ``*`` stands for all values); a list with the shape of its entries.
"""

from pathlib import Path
from typing import Any

from sftstudy.errors import StudyError
from sftstudy.files.reading import Document, place, read_json, read_jsonl

Shape = Any
NONE = type(None)
NUMBER = (int, float)
MAYBE = (int, float, NONE)
TEXT_OR_NONE = (str, NONE)

MESSAGES = [{"role": str, "content": str}]
PROMPT = {"id": str, "prompt": MESSAGES}
SCORED = PROMPT | {"group": str, "reference": dict}  # what scoring needs of a row
ROW = SCORED | {"completion": MESSAGES}
REPLY = {
    "id": str,
    "text": str,
    "finish_reason": str,
    "prompt_tokens?": int,
    "completion_tokens?": int,
}
METRICS = {
    "task?": str,
    "primary": str,
    "metrics": {
        "*": {
            **{"value": MAYBE, "n": int, "se": MAYBE, "low": MAYBE, "high": MAYBE},
            **{"interval": TEXT_OR_NONE, "outcome": TEXT_OR_NONE},
            **{"better": str, "counts": TEXT_OR_NONE},
        }
    },
    "items": [{"id": str, "group": str}],
}


PROVENANCE = {
    "recipe": {
        "training": {"*": (str, int, float, bool, list, dict, NONE), "seed?": int},
    },
    "packages?": {"*": str},
    "device?": str,
    "gpu_seconds?": NUMBER,
    "train_flops?": MAYBE,
    "tokens?": MAYBE,
    "steps?": MAYBE,
    "log_history?": [{"step?": MAYBE, "epoch?": MAYBE, "loss?": MAYBE, "learning_rate?": MAYBE}],
}
SOURCE = {
    "kind": str,
    "id?": TEXT_OR_NONE,
    "revision?": TEXT_OR_NONE,
    "files?": {"*": {"sha256": str}},
}


def read_lines(path: Path, shape: Shape) -> list[Document]:
    """Return the objects of a JSONL file; a `StudyError` names line and key of what is amiss."""
    rows = read_jsonl(path)
    for row in rows:
        require(row, shape, place(row))
    return rows


def read_metrics(path: Path) -> dict[str, Any]:
    """Return a metrics file; a `StudyError` names the key of what is amiss."""
    document: dict[str, Any] = read_json(path)
    require(document, METRICS, str(path))
    primary = document["primary"]
    if primary not in document["metrics"]:
        raise _wrong(f"{path}: primary", repr(primary), "a name under metrics")
    if document["metrics"][primary]["n"] and not document["items"]:
        raise _wrong(f"{path}: items", "none", f"those that {primary} was measured on")
    for name, metric in document["metrics"].items():
        key = metric["outcome"]
        for item in document["items"] if key else ():
            if not isinstance(item.get(key), bool | int | float | None):
                place = f"{path}: item {item['id']!r}: {key}, the outcome of {name}"
                raise _wrong(place, _shown(item[key]), "a number or null")
    return document


def read_provenance(path: Path) -> dict[str, Any]:
    """Return the provenance of a trained checkpoint; errors as of `read_metrics`."""
    document: dict[str, Any] = read_json(path)
    require(document, PROVENANCE, str(path))
    for name, value in document["recipe"]["training"].items():
        if name in _NUMBERS:
            require(value, NUMBER, f"{path}: recipe: training: {name}")
    return document


def read_source(path: Path) -> dict[str, Any]:
    """Return where a snapshot came from; errors as of `read_metrics`."""
    document: dict[str, Any] = read_json(path)
    require(document, SOURCE, str(path))
    return document


# Hyperparameters that are computed with, not only shown.
_NUMBERS = ("num_train_epochs", "learning_rate")


def require(document: Any, shape: Shape, where: str) -> None:
    """Raise `StudyError`, saying where, unless a document has a shape."""
    if isinstance(shape, dict):
        _require_object(document, shape, where)
    elif isinstance(shape, list):
        if not isinstance(document, list):
            raise _wrong(where, _shown(document), "a list")
        for number, entry in enumerate(document):
            require(entry, shape[0], f"{where}, entry {number}")
    else:
        types = shape if isinstance(shape, tuple) else (shape,)
        truth = isinstance(document, bool) and bool not in types  # to Python a kind of int
        if truth or not isinstance(document, types):
            raise _wrong(where, _shown(document), " or ".join(_NAMES[t] for t in types))


def _require_object(document: Any, shape: dict[str, Shape], where: str) -> None:
    if not isinstance(document, dict):
        raise _wrong(where, _shown(document), "an object")
    for name, inner in shape.items():
        if name == "*":
            for key, value in document.items():
                require(value, inner, f"{where}: {key}")
            continue
        key = name.removesuffix("?")
        if key in document:
            require(document[key], inner, f"{where}: {key}")
        elif key == name:
            raise StudyError(
                f"{where}: the key {key!r} is missing; the file was edited or damaged: delete it "
                "and make it again"
            )


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _wrong(where: str, found: str, expected: str) -> StudyError:
    return StudyError(
        f"{where}: found {found}, expected {expected}; the file was edited or damaged: delete it "
        "and make it again"
    )


_NAMES = {
    **{str: "text", int: "a whole number", float: "a number", bool: "true or false"},
    **{dict: "an object", list: "a list", NONE: "null"},
}
