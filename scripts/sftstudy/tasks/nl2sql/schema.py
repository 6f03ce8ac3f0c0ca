"""What SQLite knows of a schema's columns: affinity, collation, and which have an index.

SQLite itself is asked, on an empty database in memory.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache

BINARY = "BINARY"
_MOST_STEPS = 1_000_000  # of SQLite's machine; a CREATE TABLE needs some hundreds


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


@dataclass(frozen=True)
class Table:
    """A table: its columns in order, and the names of those that an index holds."""

    columns: tuple[Column, ...]
    indexed: frozenset[str]


@lru_cache(maxsize=256)
def tables(schema: str) -> dict[str, Table]:
    """Return the tables that CREATE TABLE statements make, by name in lower case.

    A statement that SQLite refuses adds none.
    """
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        database.set_progress_handler(lambda: True, _MOST_STEPS)
        for statement in _statements(schema):
            try:
                database.execute(statement)
            except (sqlite3.Error, sqlite3.Warning):
                continue
        names = database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite^_%' "
            "ESCAPE '^'"
        ).fetchall()
        return {name.lower(): _table(database, name) for (name,) in names}


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


def _table(database: sqlite3.Connection, name: str) -> Table:
    quoted = '"' + name.replace('"', '""') + '"'
    indexed = set()
    for _, index, *_ in database.execute(f"PRAGMA index_list({quoted})").fetchall():
        held = database.execute("SELECT name FROM pragma_index_info(?)", (index,))
        indexed |= {column.lower() for (column,) in held if column}
    columns = []
    for row in database.execute(f"PRAGMA table_xinfo({quoted})").fetchall():
        _, column, declared, _, _, key, hidden = row
        if hidden == 1:  # of a virtual table
            continue
        if key:  # an INTEGER PRIMARY KEY orders the table itself
            indexed.add(column.lower())
        collation = _collation(database, quoted, column)
        columns.append(Column(column.lower(), affinity(declared), collation))
    return Table(tuple(columns), frozenset(indexed))


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
