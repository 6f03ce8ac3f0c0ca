"""Running queries that nobody can vouch for, in a process that can be killed.

The child (``sandbox_worker.py``) lives long and serves many queries. It may read, and nothing
else; it stops a query that runs too long, returns too much or asks for too much memory. Should it
hang or die all the same, it is killed, and the next query gets a new one.
"""

import atexit
import functools
import json
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

from sftstudy.errors import StudyError
from sftstudy.tasks.nl2sql.ties import Ranked

_WORKER = Path(__file__).with_name("sandbox_worker.py")
QUERY_SECONDS = 2.0  # CPU time of one query; the child stops it, or is stopped by its CPU limit
_HANG_SECONDS = 60.0  # wall-clock time after which a child is killed that does neither


class Sandbox:
    """A child process for queries. Not safe for use by several threads at once."""

    def __init__(self, query_seconds: float = QUERY_SECONDS) -> None:
        self.query_seconds = query_seconds
        self._child: subprocess.Popen[bytes] | None = None

    def runs(self, sql: str, schema: str) -> bool:
        """Return whether a query runs on an empty database with this schema.

        Raises `StudyError` if the schema itself cannot be built.
        """
        reply = self._ask({"schema": schema, "queries": [sql]})
        if "database_error" in reply:
            raise StudyError(
                f"a schema of the data cannot be built in SQLite ({reply['database_error']}); "
                f"it begins: {schema[:80]!r}"
            )
        return reply.get("errors") == [None]

    def same_result(
        self,
        sql: str,
        reference: str,
        database: Path,
        ordered: bool,
        ranked: Ranked | None = None,
    ) -> bool:
        """Return whether both queries return the same rows from a database file.

        Rows count as often as they occur; their order counts if `ordered`. With `ranked`, the
        reference's, rows that tie in its ORDER BY may change places, and others of them may be
        within its LIMIT. Raises `StudyError` if the database cannot be opened or the reference
        does not run on it.
        """
        if not database.is_file():
            raise StudyError(
                f"{database}: no such database; execution accuracy needs db_id/db_id.sqlite for "
                "every database of the task: complete the folder or configure none"
            )
        request: dict[str, Any] = {"database": str(database.resolve()), "ordered": ordered}
        if ranked is not None:
            request |= {"ranked": ranked.sql, "offset": ranked.offset}
        reply = self._ask(request | {"queries": [reference, sql]})
        if "errors" not in reply:  # which of the two was it?
            alone = self._ask(request | {"queries": [reference]})
            problem = (
                alone.get("database_error") or alone.get("errors", ["it overran its limits"])[0]
            )
        else:
            problem = reply["errors"][0]
        if problem is not None:
            raise StudyError(
                f"{database}: the reference query fails ({problem}): {reference!r}; is this the "
                "database that the task was written for?"
            )
        return bool(reply.get("same"))

    def close(self) -> None:
        """End the child process, if there is one."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the child's reply; an empty one if it hung or died, after which it is gone."""
        if self._child is None:
            # -I: nothing but the standard library can be imported in there.
            self._child = subprocess.Popen(
                [sys.executable, "-I", str(_WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        to_child, from_child = self._child.stdin, self._child.stdout
        assert to_child is not None and from_child is not None, "both are pipes"
        line = json.dumps(request | {"seconds": self.query_seconds}).encode() + b"\n"
        try:
            to_child.write(line)
            to_child.flush()
            ready, _, _ = select.select([from_child], [], [], _HANG_SECONDS)
            # A reply is one short line, written at once: what has begun is there.
            reply = from_child.readline() if ready else b""
        except BrokenPipeError:
            reply = b""
        if not reply.endswith(b"\n"):
            self.close()
            return {}
        return json.loads(reply)


@functools.cache
def shared() -> Sandbox:
    """Return the sandbox of this process; it ends with the process."""
    sandbox = Sandbox()
    atexit.register(sandbox.close)
    return sandbox
