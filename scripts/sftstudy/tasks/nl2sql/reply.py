"""From a reply to its SQL.

The first fenced block with an SQL-ish tag is meant; without one the first fenced block without a
tag; without any fence the text from the first line that begins like a query, behind a label
("SQL:", "The query is:") and marks of emphasis or code, if any. A fence that is never
closed, and a bare query, end with the first semicolon, a bare one also at a blank line: prose may
follow there.
"""

import re

_FENCE = re.compile(r"```+|~~~+")
_TAG = re.compile(r"[ \t]*([A-Za-z][\w+-]*)?", re.ASCII)
_SQL_TAGS = frozenset(("sql", "sqlite", "sqlite3", "mysql", "postgres", "postgresql", "psql"))
_QUERY_WORDS = frozenset(("select", "with", "values"))
# WITH and VALUES also begin English sentences; in SQL a name and AS, or a parenthesis, follows.
_BARE = re.compile(
    r"^(?:[^\n:`]{0,60}:)?(?P<mark>[ \t`*]*)"
    r"(?=SELECT\b|WITH\s+(?:RECURSIVE\s+)?[\w\"`\[]+\s*(?:\([^()]*\)\s*)?AS\s*\(|VALUES\s*\()",
    re.IGNORECASE | re.MULTILINE,
)
# A string, quoted name or comment (which may hide a semicolon), or the semicolon.
_STATEMENT_LEXEME = re.compile(
    r"""'[^']*' | "[^"]*" | `[^`]*` | --[^\n]* | /\*.*?\*/ | (?P<end>;)""",
    re.VERBOSE | re.DOTALL,
)
_BARE_END = re.compile(r"\n[ \t\r]*\n|```")


def extract_sql(reply: str) -> str | None:
    """Return the query of a reply (thinking removed) without closing semicolon, or None."""
    blocks = _blocks(reply)
    chosen = next((block for block in blocks if block[0] in _SQL_TAGS), None)
    chosen = chosen or next((block for block in blocks if not block[0]), None)
    if chosen:
        _, content, closed = chosen
        sql = content if closed else _first_statement(content)
    else:
        bare = _BARE.search(reply)
        if bare is None:
            return None
        sql = _first_statement(_BARE_END.split(reply[bare.end() :], maxsplit=1)[0])
        sql = _closed_mark(sql, bare.group("mark").strip())
    return sql.strip().rstrip("; \t\r\n") or None


def _blocks(text: str) -> list[tuple[str, str, bool]]:
    """Return (tag in lower case, content, closed) of each fenced block."""
    fences = list(_FENCE.finditer(text))
    blocks = []
    for index in range(0, len(fences), 2):
        start = fences[index].end()
        closed = index + 1 < len(fences)
        end = fences[index + 1].start() if closed else len(text)
        match = _TAG.match(text, start, end)
        tag = (match.group(1) or "").lower() if match else ""
        if tag in _QUERY_WORDS:  # ```SELECT ...``` on one line: that word is no tag
            tag, content = "", text[start:end]
        else:
            content = text[match.end() if match else start : end]
        blocks.append((tag, content, closed))
    return blocks


def _first_statement(text: str) -> str:
    for lexeme in _STATEMENT_LEXEME.finditer(text):
        if lexeme.group("end"):
            return text[: lexeme.start()]
    return text


def _closed_mark(sql: str, mark: str) -> str:
    """Return the query up to the mark that closes the one before it: `SELECT 1` and prose."""
    return sql.split(mark[::-1], maxsplit=1)[0] if mark else sql
