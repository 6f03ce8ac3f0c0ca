"""What SQLite knows of a schema: affinity and collation of columns, plans of queries.

SQLite itself is asked, on an empty database in memory.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

BINARY = "BINARY"
_MOST_STEPS = 1_000_000  # of SQLite's machine; a CREATE TABLE or a plan needs some hundreds


@dataclass(frozen=True)
class Column:
    """A column of a table or query; what is not known for certain is None.

    Attributes:
        name: In lower case; None where a query does not name it.
        affinity: TEXT, INTEGER, REAL, NUMERIC, BLOB.
        collation: In upper case.
        mixed: Whether it is a compound's whose sides differ in affinity or collation. A plan with
            an index on the fly then converts such values, another plan does not.
    """

    name: str | None
    affinity: str | None
    collation: str | None
    mixed: bool = False


@lru_cache(maxsize=256)
def tables(schema: str) -> dict[str, tuple[Column, ...]]:
    """Return the tables that CREATE TABLE statements make, by name in lower case.

    A statement that SQLite refuses adds none.
    """
    database = _database(schema)
    names = database.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite^_%' "
        "ESCAPE '^'"
    ).fetchall()
    return {name.lower(): _columns(database, name) for (name,) in names}


def plan(sql: str, schema: str) -> list[tuple[int, str]] | None:
    """Return how SQLite goes about a query: (depth, step) of each step, in order.

    None for what SQLite refuses. The query is not run.
    """
    depths = {0: -1}
    steps = []
    try:
        for step, parent, _, detail in _database(schema).execute(f"EXPLAIN QUERY PLAN {sql}"):
            depths[step] = depths[parent] + 1
            steps.append((depths[step], detail))
    except (sqlite3.Error, sqlite3.Warning):
        return None
    return steps


@lru_cache(maxsize=64)
def _database(schema: str) -> sqlite3.Connection:
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.set_progress_handler(lambda: True, _MOST_STEPS)
    for statement in _statements(schema):
        try:
            database.execute(statement)
        except (sqlite3.Error, sqlite3.Warning):
            continue
    return database


def affinity(declared: str) -> str:
    """Return the affinity of a declared type (https://www.sqlite.org/datatype3.html, 3.1)."""
    declared = declared.upper()
    for parts, name in (
        (("INT",), "INTEGER"),
        (("CHAR", "CLOB", "TEXT"), "TEXT"),
        (("BLOB",), "BLOB"),
        (("REAL", "FLOA", "DOUB"), "REAL"),
    ):
        if any(part in declared for part in parts):
            return name
    return "NUMERIC" if declared else "BLOB"


def _statements(schema: str) -> Iterator[str]:
    statement = ""
    for piece in schema.split(";"):
        statement += piece + ";"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _columns(database: sqlite3.Connection, table: str) -> tuple[Column, ...]:
    quoted = '"' + table.replace('"', '""') + '"'
    rows = database.execute(f"PRAGMA table_xinfo({quoted})").fetchall()
    return tuple(
        Column(name.lower(), affinity(declared), _collation(database, quoted, name))
        for _, name, declared, _, _, _, hidden in rows
        if hidden != 1  # of a virtual table
    )


def _collation(database: sqlite3.Connection, table: str, column: str) -> str | None:
    """Return a column's collation; SQLite tells that of an index only, which takes the column's."""
    quoted = '"' + column.replace('"', '""') + '"'
    try:
        database.execute(f'CREATE INDEX "sqlprobe" ON {table} ({quoted})')
    except sqlite3.Error:
        return None
    row = database.execute("SELECT coll FROM pragma_index_xinfo('sqlprobe')").fetchone()
    database.execute('DROP INDEX "sqlprobe"')
    return row[0].upper()
