"""nl2sql: rows that tie in a reference's ORDER BY may change places."""

import sqlite3

import pytest

from sftstudy.tasks.nl2sql import sandbox, score, ties
from sftstudy.tasks.nl2sql.sandbox_worker import permitted

SCHEMA = "CREATE TABLE singer (id INTEGER, name TEXT, age REAL, city TEXT COLLATE NOCASE);"
ROWS = [
    (1, "Ann", 20, "Rome"),
    (2, "Bob", 20, "rome"),
    (3, "Cleo", 30, "Oslo"),
    (4, "Dan", None, "Bern"),
    (5, "Eve", 30, "OSLO"),
]


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("databases")
    (folder / "music").mkdir()
    connection = sqlite3.connect(folder / "music" / "music.sqlite")
    connection.executescript(SCHEMA)
    connection.executemany("INSERT INTO singer VALUES (?, ?, ?, ?)", ROWS)
    connection.commit()
    connection.close()
    return folder


def listed(*names):
    """Return a query that returns these names in this order."""
    return " UNION ALL ".join(f"SELECT '{name}'" for name in names)


NAMES = "SELECT name FROM singer"


@pytest.mark.parametrize(
    ("reference", "reply", "right"),
    [
        (f"{NAMES} ORDER BY age", listed("Dan", "Bob", "Ann", "Eve", "Cleo"), True),
        (f"{NAMES} ORDER BY age", listed("Dan", "Bob", "Cleo", "Ann", "Eve"), False),
        (f"{NAMES} ORDER BY age", listed("Dan", "Ann", "Ann", "Eve", "Cleo"), False),
        (f"{NAMES} ORDER BY age", listed("Dan", "Bob", "Ann", "Eve"), False),
        # At the cut any of those that tie may be the one.
        (f"{NAMES} ORDER BY age DESC LIMIT 1", listed("Cleo"), True),
        (f"{NAMES} ORDER BY age DESC LIMIT 1", listed("Eve"), True),
        (f"{NAMES} ORDER BY age DESC LIMIT 1", listed("Ann"), False),
        (f"{NAMES} ORDER BY age DESC LIMIT 3", listed("Eve", "Cleo", "Bob"), True),
        (f"{NAMES} ORDER BY age DESC LIMIT 3", listed("Eve", "Ann", "Cleo"), False),
        (f"{NAMES} ORDER BY age LIMIT 2 OFFSET 2", listed("Ann", "Cleo"), True),
        (f"{NAMES} ORDER BY age LIMIT 2 OFFSET 2", listed("Cleo", "Bob"), False),
        (f"{NAMES} ORDER BY age LIMIT 2 OFFSET 1", listed("Bob", "Bob"), False),
        (f"{NAMES} ORDER BY age NULLS LAST LIMIT 1", listed("Bob"), True),
        (f"{NAMES} ORDER BY age NULLS LAST LIMIT 1", listed("Dan"), False),
        (f"{NAMES} ORDER BY age, name", listed("Dan", "Bob", "Ann", "Cleo", "Eve"), False),
        # As the column's collation says.
        (f"{NAMES} ORDER BY city LIMIT 3", listed("Dan", "Eve", "Cleo"), True),
        (f"{NAMES} ORDER BY city COLLATE BINARY LIMIT 2", listed("Dan", "Cleo"), False),
        # Names and numbers of output columns, groups, compounds, WITH.
        (
            "SELECT name, age AS a FROM singer WHERE age > 20 ORDER BY 2",
            "SELECT name, age FROM singer WHERE age > 20 ORDER BY id DESC",
            True,
        ),
        (
            "SELECT age FROM singer GROUP BY age ORDER BY count(*) DESC LIMIT 1",
            "SELECT 30",
            True,
        ),
        ("SELECT age FROM singer GROUP BY age ORDER BY count(*) LIMIT 1", "SELECT 30", False),
        (
            f"{NAMES} WHERE id < 3 UNION {NAMES} WHERE id = 3 ORDER BY length(name)",
            listed("Cleo", "Ann", "Bob"),
            None,
        ),
        (
            "SELECT name, age FROM singer UNION ALL SELECT name, age FROM singer ORDER BY age DESC "
            "LIMIT 2",
            "SELECT 'Eve', 30 UNION ALL SELECT 'Cleo', 30",
            True,
        ),
        (
            f"WITH old AS ({NAMES} WHERE age = 30) SELECT name FROM old ORDER BY 1 = 1",
            listed("Eve", "Cleo"),
            True,
        ),
        # DISTINCT by something else: which age is Ann's? Only SQLite's own order is taken.
        ("SELECT DISTINCT name FROM singer ORDER BY age", listed("Dan", "Ann", "Bob"), False),
        (
            "SELECT DISTINCT age FROM singer ORDER BY age LIMIT 2",
            "SELECT NULL UNION SELECT 20",
            True,
        ),
        # No order, no place: with LIMIT alone the rows that SQLite gives.
        (f"{NAMES} LIMIT 1", listed("Eve"), False),
    ],
)
def test_what_an_order_permits(databases, reference, reply, right):
    row = {"reference": {"sql": reference, "schema": SCHEMA, "db_id": "music"}}
    if right is None:  # SQLite refuses the reference: no term of its ORDER BY is a column
        assert ties.ranked(reference, SCHEMA) is None
        return
    outcome = score.outcomes(row, f"```sql\n{reply}\n```", databases)
    assert outcome["runs"] and outcome["execution_match"] is right
    itself = score.outcomes(row, f"```sql\n{reference}\n```", databases)
    assert itself["execution_match"] and itself["ast_match"]


def test_the_places_of_rows():
    made = ties.ranked("SELECT s.name FROM singer s ORDER BY s.age DESC LIMIT 5 OFFSET 2", SCHEMA)
    assert made is not None and made.offset == 2 and "LIMIT" not in made.sql
    with sqlite3.connect(":memory:") as connection:
        connection.executescript(SCHEMA)
        connection.executemany("INSERT INTO singer VALUES (?, ?, ?, ?)", ROWS)
        rows = connection.execute(made.sql).fetchall()
    assert dict(rows) == {"Cleo": 1, "Eve": 1, "Ann": 2, "Bob": 2, "Dan": 3}
    assert ties.ranked("SELECT name FROM singer", SCHEMA) is None
    assert ties.ranked("SELECT name FROM singer ORDER BY nope", SCHEMA) is None
    assert ties.ranked("SELECT name FROM singer ORDER BY age LIMIT 1 OFFSET 1 + 1", SCHEMA) is None


def test_where_ranking_changes_the_rows_they_alone_count(databases):
    """A ranked query that does not return the reference's rows decides nothing."""
    box = sandbox.Sandbox()
    file = databases / "music" / "music.sqlite"
    other = ties.Ranked("SELECT name, 1 FROM singer WHERE age = 30", 0)
    reference = f"{NAMES} WHERE age = 20 ORDER BY age"
    try:
        assert not box.same_result(
            listed("Cleo", "Eve"), reference, file, ordered=True, ranked=other
        )
        broken = ties.Ranked("SELECT nope", 0)
        assert box.same_result(listed("Ann", "Bob"), reference, file, True, broken)
        assert not box.same_result(listed("Bob", "Ann"), reference, file, True, broken)
    finally:
        box.close()


@pytest.mark.parametrize(
    ("rows", "offset", "right"),
    [
        ("ab", 0, True),
        ("ba", 0, True),
        ("abc", 0, True),
        ("cab", 0, False),
        ("bc", 1, True),
        ("ac", 1, True),
        ("cc", 1, False),
        ("c", 2, True),
        ("a", 2, False),
        ("", 0, True),
        ("", 9, True),
        ("abcc", 0, False),
        ("c", 3, False),
    ],
)
def test_rows_within_their_places(rows, offset, right):
    places = [("c", 2), ("a", 1), ("b", 1)]
    assert permitted([(letter,) for letter in rows], places, offset) is right
