"""The child process of ``sandbox.py``: runs hostile SQL with nothing to gain and little to break.

One JSON request per line on stdin, one JSON reply per line on stdout. Standard library only, and
started as a file with ``python -I``.

What holds a query back:
- an authorizer that allows SELECT, reading columns, recursion and functions, except loading code;
  so no write, no ATTACH, no PRAGMA, no transaction;
- databases opened read-only and immutable; RLIMIT_FSIZE 0, so that no file can grow at all;
- a progress handler that interrupts after the allowed CPU time, and RLIMIT_CPU, which ends the
  process where a single step takes too long (CPU time, so that a busy machine changes no score);
- SQLite's own limits for lengths, depths and memory, RLIMIT_AS for the whole process.
"""

import json
import math
import resource
import signal
import sqlite3
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

MEMORY_BYTES = 1 << 30
SQLITE_HEAP_BYTES = 256 << 20
MOST_ROWS = 500_000
PROGRESS_STEPS = 1_000  # virtual machine steps between two looks at the clock
STEP_SECONDS = 1  # for what the progress handler cannot interrupt
MOST_SCHEMAS = 8  # in-memory databases kept open

_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 1 << 20,  # of a string, a blob or a row
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 200,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 50,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 200,  # matching time grows with it exponentially
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
}
_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE}
_FORBIDDEN_FUNCTIONS = {"load_extension", "writefile", "readfile", "edit", "fts3_tokenizer"}


class Refused(Exception):
    """A query that is not allowed to finish; the text says why."""


def authorize(action: int, first: str | None, second: str | None, *_: object) -> int:
    """Allow reading only. Arguments as SQLite's ``sqlite3_set_authorizer`` gives them."""
    if action in _ALLOWED:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() not in _FORBIDDEN_FUNCTIONS:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def harden(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Put the limits and the authorizer on a connection."""
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA hard_heap_limit = {SQLITE_HEAP_BYTES}")
    for limit, value in _LIMITS.items():
        connection.setlimit(limit, value)
    connection.set_authorizer(authorize)
    return connection


def connect(request: dict, memory: dict[str, sqlite3.Connection]) -> sqlite3.Connection:
    """Return the request's database: a file, or an empty one with a schema (kept in `memory`)."""
    if "database" in request:
        uri = Path(request["database"]).as_uri() + "?mode=ro&immutable=1"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None)
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return harden(connection)
    schema = request["schema"]
    if schema not in memory:
        if len(memory) >= MOST_SCHEMAS:
            memory.pop(next(iter(memory))).close()
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.executescript(schema)
        memory[schema] = harden(connection)
    return memory[schema]


def fetch(connection: sqlite3.Connection, sql: str, seconds: float) -> tuple[int, list[tuple]]:
    """Return the number of columns and the rows of a query; `seconds` of CPU time are allowed.

    Raises `Refused` for what is no query and for too many rows, `sqlite3.Error` and
    `sqlite3.Warning` (several statements) for what SQLite refuses or interrupts.
    """
    if sql.lstrip().lower().startswith("explain"):
        raise Refused("not a query")
    deadline = time.process_time() + seconds
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(deadline) + STEP_SECONDS, most))
    connection.set_progress_handler(lambda: time.process_time() > deadline, PROGRESS_STEPS)
    cursor = connection.execute(sql)
    try:
        if cursor.description is None:
            raise Refused("not a query")
        rows = cursor.fetchmany(MOST_ROWS + 1)
        if len(rows) > MOST_ROWS:
            raise Refused(f"more than {MOST_ROWS} rows")
        return len(cursor.description), rows
    finally:
        cursor.close()


def comparable(row: tuple) -> tuple:
    """Return a row whose floats have 10 significant digits: sums depend on the order of rows."""
    return tuple(float(f"{cell:.10g}") if isinstance(cell, float) else cell for cell in row)


def equal(results: list[tuple[int, list[tuple]]], ordered: bool) -> bool:
    """Return whether two results have as many columns and the same rows, in order if `ordered`."""
    (width, rows), (other_width, other_rows) = results
    if width != other_width or len(rows) != len(other_rows):
        return False
    if ordered:
        return all(comparable(a) == comparable(b) for a, b in zip(rows, other_rows, strict=True))
    return Counter(map(comparable, rows)) == Counter(map(comparable, other_rows))


def permitted(rows: list[tuple], places: list[tuple], offset: int) -> bool:
    """Return whether rows may be a result, as far as its ORDER BY says.

    `places` are all rows that may stand in the result, each with its place as last column: rows
    of one place may stand in any order, and any of them may be what a LIMIT or OFFSET leaves out.
    `offset` rows are skipped.
    """
    alike: dict[int, Counter[tuple]] = defaultdict(Counter)
    for *row, place in places:
        alike[place][comparable(tuple(row))] += 1
    begin = -offset
    for _, group in sorted(alike.items()):
        end = begin + group.total()
        if not Counter(map(comparable, rows[max(begin, 0) : max(end, 0)])) <= group:
            return False
        begin = end
    return len(rows) <= max(begin, 0)


def permits(
    connection: sqlite3.Connection, request: dict, results: list[tuple[int, list[tuple]]]
) -> bool:
    """Return whether the first query's ORDER BY permits the second's rows, ties considered."""
    (width, rows), (other_width, other_rows) = results
    if "ranked" not in request or width != other_width or len(rows) != len(other_rows):
        return False
    try:
        _, places = fetch(connection, request["ranked"], request["seconds"])
    except (sqlite3.Error, Refused, MemoryError):
        return False
    # Where the first result is not permitted itself, ranking has changed it: then it alone counts.
    return all(permitted(one, places, request["offset"]) for one in (rows, other_rows))


def answer(request: dict, memory: dict[str, sqlite3.Connection]) -> dict:
    """Return the error of each query (None where it ran), and whether two have the same rows.

    They have if the first query's order, where it has one, permits the rows of the second.
    """
    try:
        connection = connect(request, memory)
    except (sqlite3.Error, MemoryError) as error:
        return {"database_error": str(error)}
    errors: list[str | None] = []
    results = []
    try:
        for sql in request["queries"]:
            try:
                results.append(fetch(connection, sql, request["seconds"]))
                errors.append(None)
            except (sqlite3.Error, sqlite3.Warning, Refused, MemoryError, ValueError) as error:
                # ValueError: a NUL character or a lone surrogate in the text.
                errors.append(f"{type(error).__name__}: {error}"[:200])
        same = len(results) == 2 and (
            equal(results, request["ordered"]) or permits(connection, request, results)
        )
    finally:
        if "database" in request:
            connection.close()
    return {"errors": errors, "same": same}


def main() -> None:
    """Serve requests until stdin closes."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a forbidden write is an error, not our end
    memory: dict[str, sqlite3.Connection] = {}
    for line in sys.stdin.buffer:
        reply = json.dumps(answer(json.loads(line), memory)) + "\n"
        sys.stdout.buffer.write(reply.encode())
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
