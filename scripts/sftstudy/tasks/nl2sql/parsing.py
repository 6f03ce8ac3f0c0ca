"""From text to the syntax tree of one query (sqlglot, SQLite dialect).

The tree says what the text says: functions keep their names (sqlglot would take ``mod(a, b)`` for
``a % b``, which differ), casts the type as it was written, unary plus stays.
"""

import logging
from collections.abc import Callable, Collection
from typing import ClassVar

from sqlglot import exp
from sqlglot.dialects.sqlite import SQLite
from sqlglot.errors import SqlglotError
from sqlglot.parsers.sqlite import SQLiteParser
from sqlglot.tokens import TokenType

DIALECT = "sqlite"
LONGEST = 20_000  # characters; 512 new tokens make no longer query
UNARY_PLUS = "+"  # name of the function that stands for it: it takes a column its affinity
_MOVES_PER_TOKEN = 100  # of the parser; real queries need fewer than 10
_MOST_TABLES = 64  # SQLite joins no more

# It warns about every statement that is no query; here that is an ordinary wrong answer.
logging.getLogger("sqlglot").setLevel(logging.ERROR)


class _Exhausted(Exception):
    """The parser has gone back and forth too often."""


def _prefix(node: exp.Expr) -> exp.Expr:
    node.meta["prefix"] = True
    return node


class _Parser(SQLiteParser):
    """sqlglot's parser, faithful, and bounded: chained joins without ON cost exponential time."""

    FUNCTIONS: ClassVar[dict[str, Callable]] = {}
    FUNCTION_PARSERS: ClassVar = {"CAST": SQLiteParser.FUNCTION_PARSERS["CAST"]}
    NO_PAREN_FUNCTION_PARSERS: ClassVar = {"CASE": SQLiteParser.NO_PAREN_FUNCTION_PARSERS["CASE"]}
    UNARY_PARSERS = SQLiteParser.UNARY_PARSERS | {
        TokenType.PLUS: lambda self: self.expression(
            exp.Anonymous(this=UNARY_PLUS, expressions=[self._parse_unary()])
        ),
        TokenType.NOT: lambda self: _prefix(SQLiteParser.UNARY_PARSERS[TokenType.NOT](self)),
    }

    def parse(self, raw_tokens: list, sql: str) -> list[exp.Expr | None]:
        self.moves_left = _MOVES_PER_TOKEN * (len(raw_tokens) + 1)
        return super().parse(raw_tokens, sql)

    def _advance(self, times: int = 1) -> None:
        self.moves_left -= 1
        if self.moves_left < 0:
            raise _Exhausted
        super()._advance(times)

    def _parse_join(
        self,
        skip_join_token: bool = False,
        parse_bracket: bool = False,
        alias_tokens: Collection[TokenType] | None = None,
    ) -> exp.Join | None:
        comma = self._curr is not None and self._curr.token_type == TokenType.COMMA
        found = super()._parse_join(skip_join_token, parse_bracket, alias_tokens)
        if comma and found is not None:
            found.set("kind", None)  # else CROSS, which SQLite does not reorder
        return found

    def _parse_cast(self, strict: bool, safe: bool | None = None) -> exp.Expr:
        found = super()._parse_cast(strict, safe)
        # Only here: sqlglot also reads a CAST into "date 'x'", a column and its name for SQLite.
        if isinstance(found, exp.Cast):
            found.meta["declared"] = found.to.meta.get("declared")
        return found

    def _parse_types(self, *args: bool, **kwargs: bool) -> exp.Expr | None:
        begin = self._index
        found = super()._parse_types(*args, **kwargs)
        if isinstance(found, exp.DataType):
            found.meta["declared"] = " ".join(t.text for t in self._tokens[begin : self._index])
        return found


def parse_query(sql: str) -> exp.Query | None:
    """Return the tree of one query; None for anything else, broken SQL and absurd sizes.

    Comments and semicolons may follow the query. Of identifiers ``meta["quote"]`` is the first
    character: a quotation mark, or part of the name. ``a IS NOT NULL`` is Is(a, Not(NULL)),
    ``a NOT LIKE b`` is Not(Like(a, b)).
    """
    if len(sql) > LONGEST:
        return None
    try:
        dialect = SQLite()
        statements = _Parser(dialect=dialect).parse(dialect.tokenize(sql), sql)
    except (SqlglotError, RecursionError, _Exhausted):
        return None
    statements = [one for one in statements if not isinstance(one, exp.Semicolon | None)]
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        return None
    query = statements[0]
    for name in query.find_all(exp.Identifier):
        name.meta["quote"] = sql[name.meta["start"]] if "start" in name.meta else ""
    _read_negations(query)
    return query if sum(1 for _ in query.find_all(exp.Table)) <= _MOST_TABLES else None


def _read_negations(query: exp.Query) -> None:
    """Write a NOT inside an operator as SQLite's parser does, which then plans by it."""
    for node in list(query.find_all(exp.Not)):
        test = node.this
        if "prefix" not in node.meta and isinstance(test, exp.Is):
            null = exp.Not(this=test.expression.copy())
            node.replace(exp.Is(this=test.this.copy(), expression=null))
    for match in list(query.find_all(exp.Like, exp.Glob)):
        if match.args.get("negate"):
            plain = match.copy()
            plain.set("negate", None)
            match.replace(exp.Not(this=plain))


def words(sql: str) -> list[str] | None:
    """Return the tokens of a text as they are written, without blanks and comments.

    Closing semicolons are left out. None for what cannot be read.
    """
    try:
        found = [sql[token.start : token.end + 1] for token in SQLite().tokenize(sql)]
    except (SqlglotError, RecursionError):
        return None
    while found and found[-1] == ";":
        found.pop()
    return found


def is_ordered(sql: str) -> bool:
    """Return whether the rows of the query's result have an order."""
    query = parse_query(sql)
    return query is not None and query.args.get("order") is not None
