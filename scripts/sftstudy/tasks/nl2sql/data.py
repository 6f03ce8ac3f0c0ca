"""nl2sql: a question about a database, answered by one SQLite query.

Source: rows in the format of NovaSky-AI/SkyRL-SQL-653-data, one split. Of a row's messages the
user's is kept as it is (schema, then question). The system turn is dropped: it asks for the
source's own format of reply, and a student sees one user turn in every task of the study. The
instruction and the schema come first, so that the prompts of one database share a prefix.
"""

import re
from pathlib import Path
from typing import Any

from sftstudy.errors import StudyError
from sftstudy.files.reading import read_json, read_jsonl
from sftstudy.tasks import rawfiles

VERSION = 1

FILES = ("train.parquet", "train.jsonl", "train.json")  # the first that is there

Row = dict[str, Any]

INSTRUCTION = "Write one SQLite query that answers the question about the database described below."

ANSWER_FORMAT = """\
Use only tables and columns of this schema. Reply with the query alone, in one fenced block:
```sql
<query>
```"""

_CREATE_TABLE = re.compile(r"\bCREATE\s+TABLE\b", re.IGNORECASE)
# What may hide a parenthesis (comments, strings, quoted names), or a parenthesis itself.
_LEXEME = re.compile(
    r"""--[^\n]* | /\*.*?\*/ | '(?:[^']|'')*' | "(?:[^"]|"")*" | `[^`]*` | [();]""",
    re.VERBOSE | re.DOTALL,
)


def read(raw: Path) -> dict[str, list[Row]]:
    """Return ``{"train": rows}`` in published order, from Parquet, JSON lines or a JSON list.

    Raises `StudyError` for a missing file and for a row without user message, schema, query or
    database.
    """
    for name in FILES:
        path = raw / name
        if path.is_file():
            records = _records(path)
            if not records:
                raise StudyError(f"{path}: holds no row")
            return {"train": [_row(record, path, index) for index, record in enumerate(records)]}
    raise StudyError(
        f"{raw}: found none of {', '.join(FILES)}; expected rows in the format of "
        "NovaSky-AI/SkyRL-SQL-653-data: fetch the source again or correct its path"
    )


def create_statements(text: str) -> list[str]:
    """Return the complete ``CREATE TABLE`` statements of a text, in order, without semicolon.

    A statement ends with the parenthesis that closes its column list; parentheses in comments,
    strings and quoted names do not count. An unclosed statement is left out.
    """
    statements = []
    position = 0
    while start := _CREATE_TABLE.search(text, position):
        end = _closing_parenthesis(text, start.end())
        if end is not None:
            statements.append(text[start.start() : end])
        position = end or start.end()
    return statements


def _closing_parenthesis(text: str, position: int) -> int | None:
    """Return the offset behind the parenthesis that closes the first one after `position`."""
    depth = 0
    for lexeme in _LEXEME.finditer(text, position):
        if lexeme.group() == "(":
            depth += 1
        elif lexeme.group() == ")":
            depth -= 1
            if depth <= 0:
                return lexeme.end() if depth == 0 else None
        elif lexeme.group() == ";" and depth == 0:
            return None
    return None


def _records(path: Path) -> list[Any]:
    if path.suffix == ".jsonl":
        return read_jsonl(path)
    if path.suffix == ".json":
        records = read_json(path)
        if not isinstance(records, list):
            raise StudyError(f"{path}: expected a list of rows, found {type(records).__name__}")
        return records
    return [record for _, record in rawfiles.read_parquet(path)]


def _row(record: Any, path: Path, index: int) -> Row:
    where = f"{path}, row {index + 1}"
    if not isinstance(record, dict):
        raise StudyError(f"{where}: expected an object, found {type(record).__name__}")
    message = _user_message(record, where)
    # The hub's re-formatted copy of the source calls the field reward_spec.
    reward = record.get("reward_model") or record.get("reward_spec")
    sql = _text(_member(reward, "ground_truth"), "reward_model.ground_truth (the query)", where)
    # Likewise db_id stands at the top level or in extra_info.
    db_id = record.get("db_id") or _member(record.get("extra_info"), "db_id")
    schema = create_statements(message)
    if not schema:
        raise StudyError(
            f"{where}: the user message holds no complete CREATE TABLE statement; the schema is "
            f"needed to check queries. It begins: {message[:80]!r}"
        )
    return {
        "id": f"train-{index}",
        "group": _text(db_id, "db_id (top level or in extra_info)", where),
        "prompt": [
            {"role": "user", "content": f"{INSTRUCTION}\n\n{message}\n\n{ANSWER_FORMAT}"},
        ],
        "completion": [{"role": "assistant", "content": f"```sql\n{sql}\n```"}],
        "reference": {"sql": sql, "schema": ";\n\n".join(schema) + ";", "db_id": db_id},
    }


def _user_message(record: dict[str, Any], where: str) -> str:
    messages = record.get("prompt")
    if not isinstance(messages, list) or not all(isinstance(turn, dict) for turn in messages):
        raise StudyError(f"{where}: expected 'prompt' to be a list of messages")
    users = [turn.get("content") for turn in messages if turn.get("role") == "user"]
    if len(users) != 1:
        raise StudyError(f"{where}: expected one user message in 'prompt', found {len(users)}")
    return _text(users[0], "the user message", where)


def _member(mapping: Any, key: str) -> Any:
    return mapping.get(key) if isinstance(mapping, dict) else None


def _text(value: Any, what: str, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise StudyError(f"{where}: {what} is {value!r}, expected a text")
    return value.strip()
