"""nl2sql: what SQLite knows of a schema, and what it compares alike."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import parse_one

from sftstudy.tasks.nl2sql.schema import Column, affinity, plan, tables
from sftstudy.tasks.nl2sql.values import compared

SCHEMA = """CREATE TABLE "Odd; name" ("a b" INTEGER PRIMARY KEY, c VARCHAR(3) COLLATE nocase, d);

CREATE TABLE broken (;

CREATE TABLE t (x REAL, y STRING);"""


def test_columns():
    assert tables(SCHEMA) == {
        "odd; name": (
            Column("a b", "INTEGER", "BINARY"),
            Column("c", "TEXT", "NOCASE"),
            Column("d", "BLOB", "BINARY"),
        ),
        "t": (Column("x", "REAL", "BINARY"), Column("y", "NUMERIC", "BINARY")),
    }


# https://www.sqlite.org/datatype3.html, 3.1.1: the table of examples.
EXAMPLES = {
    "INTEGER": ["INT", "INTEGER", "TINYINT", "UNSIGNED BIG INT", "INT8", "FLOATING POINT"],
    "TEXT": ["CHARACTER(20)", "VARYING CHARACTER(255)", "NATIVE CHARACTER(70)", "TEXT", "CLOB"],
    "BLOB": ["BLOB", ""],
    "REAL": ["REAL", "DOUBLE", "DOUBLE PRECISION", "FLOAT"],
    "NUMERIC": ["NUMERIC", "DECIMAL(10,5)", "BOOLEAN", "DATE", "DATETIME", "STRING"],
}


@pytest.mark.parametrize(
    ("declared", "name"), [(d, name) for name, types in EXAMPLES.items() for d in types]
)
def test_affinities(declared, name):
    assert affinity(declared.lower()) == name


def test_plans():
    assert plan("SELECT x FROM t AS s0", SCHEMA) == [(0, "SCAN s0")]
    assert plan("SELECT nope FROM t", SCHEMA) is None
    assert plan('SELECT x FROM t WHERE x IN (SELECT d FROM "Odd; name")', SCHEMA) == [
        (0, "SCAN t"),
        (0, "LIST SUBQUERY 1"),
        (1, "SCAN Odd; name"),
    ]


SPELLINGS = ("{0}", "{0}.0", "{0}.50", "{0}.5", "{0}e0", "0{0}", "{0}00.0", "{0}e2", "{0}e-2")
NUMBERS = st.sampled_from(["0", "1", "2", "20", "9007199254740993", "99999999999999999999"])


@given(st.lists(st.tuples(NUMBERS, st.sampled_from(SPELLINGS), st.booleans()), min_size=4))
def test_constants_of_one_text_compare_alike(drawn):
    """Against every value that SQLite can make of them, in a column of every affinity."""
    constants = [spelling.format(number) for number, spelling, _ in drawn]
    constants = [f"'{c}'" if drawn[i][2] else c for i, c in enumerate(constants)]
    connection = sqlite3.connect(":memory:")
    for name in ("INTEGER", "REAL", "NUMERIC", "TEXT", "BLOB"):
        connection.execute(f"CREATE TABLE {name.lower()} (v {name})")
        results: dict[str | None, list[tuple]] = {}
        for constant in constants:
            connection.execute(f"INSERT INTO {name.lower()} VALUES ({constant})")
        for constant in constants:
            compare = f"v = {constant}, v < {constant}, v IN ({constant}, NULL), {constant} > v"
            rows = connection.execute(f"SELECT {compare} FROM {name.lower()}").fetchall()
            text = compared(parse_one(constant, read="sqlite"), name)
            assert results.setdefault(text, rows) == rows, (name, constants)
    connection.close()


@pytest.mark.parametrize(
    ("constant", "other", "text"),
    [
        ("20.0", "REAL", "20"),
        ("2e1", "BLOB", "20"),
        ("'20.0'", "INTEGER", "20"),
        ("20", "TEXT", "'20'"),
        ("-007", "TEXT", "'-7'"),
        ("20.0", "TEXT", "20.0"),
        ("'20.0'", "TEXT", "'20.0'"),
        ("'20'", "BLOB", "'20'"),
        ("' 20'", "REAL", "' 20'"),
        ("2.50", "REAL", "2.5"),
        ("20.0", None, "20.0"),
        ("NULL", "REAL", "NULL"),
        ("9007199254740993.0", "REAL", "9007199254740993.0"),
        ("v", "REAL", None),
    ],
)
def test_texts_of_constants(constant, other, text):
    assert compared(parse_one(constant, read="sqlite"), other) == text
