"""SimpleSafetyTests: prompts that an assistant should not comply with (Vidgen et al., 2023).

Sources: the hub's ``Bertievidgen/SimpleSafetyTests`` (CSV or parquet, column ``prompt``) or the
publisher's ``simple_safety_tests.csv`` (column ``prompts_final``).
"""

from pathlib import Path
from typing import Any

from sftstudy.errors import StudyError
from sftstudy.tasks import rawfiles

VERSION = 1

_LAYOUTS = ("**/*.parquet", "simple_safety_tests.csv", "**/*.csv")
_PROMPT_COLUMNS = ("prompt", "prompts_final")
_COLUMNS = ("id", "harm_area", "category")

Row = dict[str, Any]


def read(raw: Path) -> dict[str, list[Row]]:
    """Return the prompts as published, as the one split ``test``."""
    paths = rawfiles.first_match(raw, _LAYOUTS)
    if len(paths) > 1:
        names = ", ".join(str(path.relative_to(raw)) for path in paths)
        raise StudyError(f"{raw}: expected one file of prompts, found {names}; keep one")
    rows = _load(paths[0])
    rawfiles.require_unique_ids(paths[0], rows)
    return {"test": rows}


def _load(path: Path) -> list[Row]:
    parquet = path.suffix == ".parquet"
    if parquet:
        header = rawfiles.open_parquet(path).schema_arrow.names
    else:
        header = rawfiles.csv_header(path)
    column = next((name for name in _PROMPT_COLUMNS if name in header), _PROMPT_COLUMNS[0])
    records = (rawfiles.read_parquet if parquet else rawfiles.read_csv)(path, (*_COLUMNS, column))
    return [_row(where, record, column) for where, record in records]


def _row(where: str, record: dict[str, Any], column: str) -> Row:
    rawfiles.require_text(where, record, column)
    name = rawfiles.require_text(where, record, "id")
    return {
        "id": name,
        "group": name,
        # As published: blanks at the ends of a prompt included.
        "prompt": [{"role": "user", "content": record[column]}],
        "completion": [],
        "reference": {
            "harm_area": rawfiles.require_text(where, record, "harm_area"),
            "category": rawfiles.require_text(where, record, "category"),
        },
    }
