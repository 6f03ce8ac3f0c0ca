"""banking77: which of 77 intents a customer's message to a bank has (Casanueva et al., 2020).

Sources: the hub's ``legacy-datasets/banking77`` (parquet) or the publisher's ``train.csv`` and
``test.csv``. Both give the same ids: the hub numbers the intents by name without regard to case.
"""

import json
from pathlib import Path
from typing import Any

from sftstudy.errors import StudyError
from sftstudy.files.reading import read_text
from sftstudy.tasks import rawfiles

VERSION = 1

_LAYOUTS = {
    split: (f"data/{split}-*.parquet", f"{split}.csv", f"banking_data/{split}.csv")
    for split in ("train", "test")
}
_INSTRUCTION = "You are an intent classifier for the messages that customers write to their bank."
_RULES = """\
Rules:
- Choose the one intent that fits the message best.
- Reply with exactly one id from the list.
- Write digits only, nothing else."""

Row = dict[str, Any]


def read(raw: Path) -> dict[str, list[Row]]:
    """Return the published splits, train and test, in published order.

    The intents are those of the source (the hub's class names, else the names in train), however
    many there are.
    """
    files = {split: rawfiles.first_match(raw, patterns) for split, patterns in _LAYOUTS.items()}
    by_suffix = {path.suffix for paths in files.values() for path in paths}
    if len(by_suffix) > 1:
        raise StudyError(f"{raw}: train and test have different layouts; keep one of the two")
    load = _load_parquet if by_suffix == {".parquet"} else _load_csv
    intents, records = load(files)
    return {
        split: [_row(f"{split}-{n}", intents, *pair) for n, pair in enumerate(pairs)]
        for split, pairs in records.items()
    }


def prompt_text(intents: list[str], query: str) -> str:
    """Return the whole user turn; only the query, at its end, differs between rows."""
    listing = "\n".join(f"{number}: {name}" for number, name in enumerate(intents))
    return (
        f"{_INSTRUCTION}\n\nIntents (id: name):\n{listing}\n\n{_RULES}\n\n"
        f"<query>\n{query}\n</query>"
    )


def _row(name: str, intents: list[str], query: str, label: int) -> Row:
    return {
        "id": name,
        "group": name,
        "prompt": [{"role": "user", "content": prompt_text(intents, query)}],
        "completion": [{"role": "assistant", "content": str(label)}],
        "reference": {"label": str(label), "intent": intents[label], "intents": len(intents)},
    }


def _load_csv(files: dict[str, list[Path]]) -> tuple[list[str], dict[str, list[tuple[str, int]]]]:
    texts: dict[str, list[tuple[str, str, str]]] = {}
    for split, (path,) in files.items():
        _require_last_line_end(path)
        texts[split] = [
            (
                where,
                rawfiles.require_text(where, record, "text"),
                rawfiles.require_text(where, record, "category"),
            )
            for where, record in rawfiles.read_csv(path, ("text", "category"))
        ]
    intents = sorted({intent for _, _, intent in texts["train"]}, key=str.lower)
    ids = {intent: number for number, intent in enumerate(intents)}
    records: dict[str, list[tuple[str, int]]] = {}
    for split, rows in texts.items():
        records[split] = []
        for where, text, intent in rows:
            if intent not in ids:
                raise StudyError(
                    f"{where}: unknown intent {intent!r}; "
                    f"expected one of the {len(ids)} intents of {files['train'][0]}"
                )
            records[split].append((text, ids[intent]))
    return intents, records


def _require_last_line_end(path: Path) -> None:
    # A label cut in half would pass for a new intent; the published files end with a line end.
    text = read_text(path)
    if text and not text.endswith("\n"):
        raise StudyError(
            f"{path}, line {text.count(chr(10)) + 1}: the last line has no line end; "
            "the file is cut off: fetch it again (or end the line, if it is whole)"
        )


def _load_parquet(
    files: dict[str, list[Path]],
) -> tuple[list[str], dict[str, list[tuple[str, int]]]]:
    intents = _class_names(files["train"][0])
    records: dict[str, list[tuple[str, int]]] = {}
    for split, paths in files.items():
        records[split] = []
        for path in paths:
            for where, record in rawfiles.read_parquet(path, ("text", "label")):
                label = record["label"]
                if not isinstance(label, int) or not 0 <= label < len(intents):
                    raise StudyError(
                        f"{where}: unknown label {label!r}; expected 0 to {len(intents) - 1}"
                    )
                records[split].append((rawfiles.require_text(where, record, "text"), label))
    return intents, records


def _class_names(path: Path) -> list[str]:
    """Return the intents' names from the metadata that the datasets library writes."""
    metadata = rawfiles.open_parquet(path).schema_arrow.metadata or {}
    try:
        names = json.loads(metadata[b"huggingface"])["info"]["features"]["label"]["names"]
    except (KeyError, TypeError, json.JSONDecodeError):
        raise StudyError(
            f"{path}: the names of the intents are not in the file's metadata "
            "(key 'huggingface', features.label.names); use the hub's own parquet files or the "
            "publisher's CSV files"
        ) from None
    return [str(name) for name in names]
