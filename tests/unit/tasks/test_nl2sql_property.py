"""nl2sql: no database tells queries of one canonical form apart."""

import random
import sqlite3
from contextlib import ExitStack, closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftstudy.tasks.nl2sql.canonical import canonical
from sftstudy.tasks.nl2sql.parsing import is_ordered
from sql_mutations import SCHEMAS, Queries, database, mutated, told_apart

QUERIES, REWRITINGS, DATABASES = 4, 5, 6


# A seed and not a query is drawn: shrinking a seed leads nowhere, so a failure says the pair.
@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
def test_the_same_form_returns_the_same_rows(seed):
    rng = random.Random(seed)
    schema = rng.choice(SCHEMAS)
    with ExitStack() as stack:
        databases = [stack.enter_context(closing(database(rng, schema))) for _ in range(DATABASES)]
        for _ in range(QUERIES):
            sql = Queries(rng).one()
            form = canonical(sql, schema)
            others = {mutated(rng, sql) for _ in range(REWRITINGS)} - {sql}
            for other in sorted(others) if form else ():
                # One that SQLite refuses is no match by another rule: `score._ast_match`.
                if form == canonical(other, schema) and _compiles(databases[0], other):
                    assert not told_apart(sql, other, databases, is_ordered(sql)), (sql, other)


def _compiles(connection, sql):
    try:
        connection.execute(f"EXPLAIN {sql}").fetchall()
    except sqlite3.Error:
        return False
    return True


def test_the_databases_tell_queries_apart():
    rng = random.Random(1)
    with ExitStack() as stack:
        databases = [
            stack.enter_context(closing(database(rng, SCHEMAS[0]))) for _ in range(3 * DATABASES)
        ]
        for one, other in {
            "SELECT name FROM t ORDER BY a": "SELECT name FROM t ORDER BY a NULLS LAST",
            "SELECT t.a FROM t, u WHERE city = d": "SELECT t.a FROM t, u WHERE d = city",
            "SELECT name FROM t WHERE city = 20.0": "SELECT name FROM t WHERE city = 20",
            "SELECT name FROM t LIMIT 2": "SELECT name FROM t ORDER BY b LIMIT 2",
        }.items():
            assert told_apart(one, other, databases, is_ordered(one)), one
            assert not told_apart(one, one, databases, is_ordered(one))
