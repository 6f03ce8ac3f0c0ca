"""What a reply to an nl2sql question is worth.

The primary metric is ``match``: with databases configured the reply's query must return the
reference's rows (execution accuracy), without it must have the reference's canonical form. Reading
of replies: ``reply.py``; canonical form: ``canonical.py``; execution: ``sandbox.py``, and what an
ORDER BY leaves open: ``ties.py``.
"""

import re
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sftstudy.statistics.metric import Metric
from sftstudy.tasks.nl2sql import canonical, parsing, sandbox, ties
from sftstudy.tasks.nl2sql.reply import extract_sql
from sftstudy.tasks.replies import strip_think
from sftstudy.tasks.task import Outcomes, Row

VERSION = 3
PRIMARY = "match"

_LEGACY_OPERATOR = re.compile(r" ?(<>|!=|>=|<=|=|>|<) ?")
_LEGACY_COMMA = re.compile(r" ?, ?")


def outcomes(row: Row, reply: str, databases: Path | None = None) -> Outcomes:
    """Return everything known about one reply.

    `databases` is a folder with ``{db_id}/{db_id}.sqlite`` for every database, or None. Raises
    `StudyError` if a database is missing or does not fit its reference query; nothing that the
    reply says can raise.
    """
    reference = row["reference"]
    text, _ = strip_think(reply)
    sql = extract_sql(text)
    if sql is not None and len(sql) > parsing.LONGEST:
        sql = sql[: parsing.LONGEST]  # broken either way, and not worth a megabyte per item
    runs = sql is not None and sandbox.shared().runs(sql, reference["schema"])
    result: Outcomes = {
        "prediction": sql,
        "parses": sql is not None and parsing.parse_query(sql) is not None,
        "runs": runs,
        "ast_match": sql is not None and _ast_match(sql, reference, runs),
        "execution_match": None,
    }
    if databases is not None:
        result["execution_match"] = sql is not None and sandbox.shared().same_result(
            sql,
            reference["sql"],
            _database_file(databases, row),
            ordered=parsing.is_ordered(reference["sql"]),
            ranked=ties.ranked(reference["sql"], reference["schema"]),
        )
    result["match"] = result["ast_match"] if databases is None else result["execution_match"]
    return result | _legacy_outcomes(reference["sql"], reply)


def _ast_match(sql: str, reference: Mapping[str, str], runs: bool) -> bool:
    """Return whether a query has the reference's form, and runs if that one does.

    The form does not see all that SQLite refuses, such as a function that it does not have.
    """
    if not canonical.same_query(sql, reference["sql"], reference["schema"]):
        return False
    return runs or not sandbox.shared().runs(reference["sql"], reference["schema"])


def versions() -> dict[str, str]:
    """Return the version of SQLite: which functions it has decides what runs and returns rows."""
    return {"sqlite": sqlite3.sqlite_version}


def inputs(rows: Iterable[Row], databases: Path | None = None) -> list[Path]:
    """Return the databases that replies to these rows are executed on."""
    if databases is None:
        return []
    return sorted({_database_file(databases, row) for row in rows})


def _database_file(databases: Path, row: Row) -> Path:
    db_id = row["reference"]["db_id"]
    return databases / db_id / f"{db_id}.sqlite"


def metrics(items: list[dict[str, Any]]) -> dict[str, Metric]:
    """Return the metrics over the outcomes of all rows."""
    executed = any(item["execution_match"] is not None for item in items)
    how = "same rows as the reference" if executed else "same canonical form as the reference"
    table = {
        "match": Metric("proportion", "match", description=how),
        "ast_match": Metric("proportion", "ast_match", description="same canonical form"),
        "parses": Metric(
            "proportion", "parses", description="replies with one readable query", counts="read"
        ),
        "runs": Metric("proportion", "runs", description="queries that run on the schema"),
        "legacy_exact_match": Metric(
            "proportion",
            "legacy_exact_match",
            description="the original study's exact match, case ignored",
            legacy=True,
        ),
        "legacy_edit_similarity": Metric(
            "mean",
            "legacy_edit_similarity",
            description="one minus the original study's edit distance",
            legacy=True,
        ),
        "legacy_edit_distance": Metric(
            "mean",
            "legacy_edit_distance",
            description="the original study's edit distance / longer length",
            better="lower",
            legacy=True,
        ),
    }
    if executed:
        table["execution_accuracy"] = Metric(
            "proportion", "execution_match", description="same rows as the reference"
        )
    return table


def _legacy_outcomes(sql: str, reply: str) -> dict[str, float | bool]:
    """Return the original study's scores: text against text, everything in lower case."""
    from rapidfuzz.distance import Levenshtein

    prediction, wanted = _legacy_normalise(_legacy_extract(reply)), _legacy_normalise(sql)
    distance = Levenshtein.normalized_distance(prediction, wanted)
    return {
        "legacy_exact_match": prediction == wanted,
        "legacy_edit_similarity": 1.0 - distance,
        "legacy_edit_distance": distance,
    }


def _legacy_extract(reply: str) -> str:
    """Return the first closed sql block, else the first closed block, else the reply."""
    for fence in ("```sql", "```"):
        _, _, behind = reply.partition(fence)
        content, closed, _ = behind.partition("```")
        if closed:
            return content
    return reply


def _legacy_normalise(sql: str) -> str:
    sql = " ".join(sql.lower().split()).rstrip("; ")
    return _LEGACY_COMMA.sub(", ", _LEGACY_OPERATOR.sub(r" \1 ", sql)).strip()
