"""IFEval: prompts whose instructions a program can check (Zhou et al., 2023).

Sources: the hub's ``google/IFEval`` or the publisher's ``input_data.jsonl``; same rows.
"""

from pathlib import Path
from typing import Any

from sftstudy.errors import StudyError
from sftstudy.files.reading import read_jsonl
from sftstudy.tasks import rawfiles

VERSION = 1

_LAYOUTS = ("ifeval_input_data.jsonl", "input_data.jsonl", "data/input_data.jsonl")

Row = dict[str, Any]


def read(raw: Path) -> dict[str, list[Row]]:
    """Return the prompts as published, as the one split ``test``."""
    (path,) = rawfiles.first_match(raw, _LAYOUTS)
    rows = [
        _row(f"{path}, row {number}", record)
        for number, record in enumerate(read_jsonl(path), start=1)
    ]
    rawfiles.require_unique_ids(path, rows)
    return {"test": rows}


def _row(where: str, record: dict[str, Any]) -> Row:
    key, prompt = record.get("key"), record.get("prompt")
    if not isinstance(key, int):
        raise StudyError(f"{where}: 'key' is {key!r}, expected a number")
    if not isinstance(prompt, str) or not prompt.strip():
        raise StudyError(f"{where}: 'prompt' is {prompt!r}, expected text")
    instructions, arguments = record.get("instruction_id_list"), record.get("kwargs")
    if not isinstance(instructions, list) or not instructions:
        raise StudyError(
            f"{where}: 'instruction_id_list' is {instructions!r}, expected at least one instruction"
        )
    if not isinstance(arguments, list) or len(arguments) != len(instructions):
        raise StudyError(
            f"{where}: 'kwargs' must hold one object for each of the {len(instructions)} "
            f"instructions, found {arguments!r}"
        )
    return {
        "id": str(key),
        "group": str(key),
        "prompt": [{"role": "user", "content": prompt}],
        "completion": [],
        "reference": {
            "key": key,
            "instruction_id_list": instructions,
            # Some copies of the source spell out every argument of every instruction as null.
            "kwargs": [
                {name: value for name, value in (given or {}).items() if value is not None}
                for given in arguments
            ],
        },
    }
