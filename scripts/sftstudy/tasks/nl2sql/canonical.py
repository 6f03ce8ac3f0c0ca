"""When two queries are the same query, whatever the data: equality of canonical forms.

The form is built from sqlglot's syntax tree (SQLite dialect) after names were resolved against the
schema. It forgets what cannot change a result: upper and lower case of names and keywords,
parentheses that repeat the precedence, table aliases, qualification of columns, the order of inner
joins and whether their condition stands in ON or WHERE, the order of AND, OR, =, <>, +, *, IN
lists, GROUP BY, UNION and INTERSECT, names of the outermost columns, which way round a comparison
is written, BETWEEN against >= AND <=, NOT before = and <>, OUTER after LEFT, COUNT(1) for COUNT(*).
It keeps the case and the type of literals, the order of the columns and DISTINCT.

Equal forms mean equal queries; different forms may still be equivalent (a join against IN).
"""

import itertools
import logging
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache

from sqlglot import exp, parse_one
from sqlglot.dialects.sqlite import SQLite
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope
from sqlglot.parsers.sqlite import SQLiteParser

DIALECT = "sqlite"
LONGEST = 20_000  # characters; 512 new tokens make no longer query
_MOVES_PER_TOKEN = 100  # of the parser; real queries need fewer than 10
_MOST_TABLES = 64  # SQLite joins no more
_MOST_NAMINGS = 24  # of tables that a query joins with themselves: 4 of one table

# It warns about every statement that is no query; here that is an ordinary wrong answer.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

_COMMUTATIVE = (exp.And, exp.Or, exp.EQ, exp.NEQ, exp.Add, exp.Mul)
_FLIPPED: dict[type[exp.Expr], type[exp.Expr]] = {exp.GT: exp.LT, exp.GTE: exp.LTE}
Columns = dict[str, dict[str, str]]  # table -> column -> type


class _Exhausted(Exception):
    """The parser has gone back and forth too often."""


class _BoundedParser(SQLiteParser):
    """sqlglot's parser with a limit: a chain of joins without ON costs it exponential time."""

    def parse(self, raw_tokens: list, sql: str) -> list[exp.Expr | None]:
        self.moves_left = _MOVES_PER_TOKEN * (len(raw_tokens) + 1)
        return super().parse(raw_tokens, sql)

    def _advance(self, times: int = 1) -> None:
        self.moves_left -= 1
        if self.moves_left < 0:
            raise _Exhausted
        super()._advance(times)


def parse_query(sql: str) -> exp.Query | None:
    """Return the tree of one query; None for anything else, broken SQL and absurd sizes."""
    if len(sql) > LONGEST:
        return None
    try:
        dialect = SQLite()
        statements = _BoundedParser(dialect=dialect).parse(dialect.tokenize(sql), sql)
    except (SqlglotError, RecursionError, _Exhausted):
        return None
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        return None
    query = statements[0]
    return query if sum(1 for _ in query.find_all(exp.Table)) <= _MOST_TABLES else None


def is_ordered(sql: str) -> bool:
    """Return whether the rows of the query's result have an order."""
    query = parse_query(sql)
    return query is not None and query.args.get("order") is not None


@lru_cache(maxsize=4096)  # the same references and replies come back for every checkpoint
def canonical(sql: str, schema: str) -> str | None:
    """Return the canonical form of a query on a schema (CREATE TABLE statements).

    None where the query does not parse or names what the schema does not have.
    """
    query = parse_query(sql)
    if query is None:
        return None
    columns = _columns(schema)
    try:
        _quoted_strings(query, columns)
        tables: dict[str, object] = {**columns}
        query = qualify(query, schema=tables, dialect=DIALECT, quote_identifiers=False)
        _resolve_order(query)
        spelled = query.transform(_one_spelling)
        return min(_render(spelled, names) for names in _namings(spelled))
    except (SqlglotError, RecursionError):
        return None


@lru_cache(maxsize=256)
def _columns(schema: str) -> Columns:
    """Return the columns of each table; a statement that does not parse adds no table."""
    tables: Columns = {}
    for statement in filter(str.strip, schema.split(";\n\n")):
        try:
            create = parse_one(statement, read=DIALECT)
        except (SqlglotError, RecursionError):
            continue
        table = create.find(exp.Table)
        if table is not None:
            tables[table.name.lower()] = {
                column.name.lower(): column.kind.sql() if column.kind else "TEXT"
                for column in create.find_all(exp.ColumnDef)
            }
    return tables


def _quoted_strings(query: exp.Query, columns: Columns) -> None:
    """Turn double-quoted names that name nothing into strings, as SQLite does."""
    known = {name for table in columns.values() for name in table}
    known |= {alias.alias.lower() for alias in query.find_all(exp.Alias)}
    for column in list(query.find_all(exp.Column)):
        name = column.this
        if not isinstance(name, exp.Identifier) or not name.args.get("quoted"):
            continue
        if not column.table and name.name.lower() not in known:
            column.replace(exp.Literal.string(name.name))


def _namings(query: exp.Expr) -> Iterable[dict[int, dict[str, str]]]:
    """Return the ways to name the tables of each SELECT, by id of the SELECT.

    A table is named after itself and the depth of its SELECT, so that an inner query can mean an
    outer table. Tables that a SELECT has several times are numbered, in every order.
    """
    fixed: dict[int, dict[str, str]] = {}
    repeated: list[tuple[int, list[str], list[str]]] = []
    for scope in traverse_scope(query):
        by_source = defaultdict(list)
        for alias, (_, source) in scope.selected_sources.items():
            name = source.name if isinstance(source, exp.Table) else "(query)"
            by_source[name].append(alias)
        depth = _depth(scope)
        names = fixed.setdefault(id(scope.expression), {})
        for name, aliases in by_source.items():
            labels = [f"{name}@{depth}.{number}" for number in range(len(aliases))]
            names.update(zip(aliases, labels, strict=True))
            if len(aliases) > 1:
                repeated.append((id(scope.expression), aliases, labels))
    orders = (_first(itertools.permutations(labels)) for _, _, labels in repeated)
    for choice in _first(itertools.product(*orders)):
        naming = {key: dict(names) for key, names in fixed.items()}
        for (key, aliases, _), labels in zip(repeated, choice, strict=True):
            naming[key].update(zip(aliases, labels, strict=True))
        yield naming


def _first(ways: Iterable[tuple]) -> list[tuple]:
    return list(itertools.islice(ways, _MOST_NAMINGS))


def _depth(scope: Scope) -> int:
    depth = 0
    while scope.parent is not None:
        scope, depth = scope.parent, depth + 1
    return depth


def _render(query: exp.Expr, naming: dict[int, dict[str, str]]) -> str:
    return _Renderer(naming).text(query, {})


class _Renderer:
    """Writes a tree as text, children before parents, commutative children sorted."""

    def __init__(self, naming: dict[int, dict[str, str]]) -> None:
        self.naming = naming

    def text(self, node: object, names: dict[str, str]) -> str:
        """Return the text of a node; `names` maps table aliases of the SELECTs around it."""
        if isinstance(node, list):
            return "[" + ",".join(self.text(child, names) for child in node) + "]"
        if not isinstance(node, exp.Expr):
            return repr(node)
        if isinstance(node, exp.Paren):
            return self.text(node.this, names)
        if isinstance(node, exp.Select):
            return self.select(node, names | self.naming.get(id(node), {}))
        if isinstance(node, exp.Column):
            return f"{names.get(node.table, node.table)}.{node.name}"
        if isinstance(node, exp.Literal):
            return repr(node.this) if node.is_string else node.this
        if isinstance(node, exp.Identifier):
            return node.name
        if isinstance(node, exp.Ordered):
            return f"{'desc' if node.args.get('desc') else 'asc'}({self.text(node.this, names)})"
        if isinstance(node, exp.Union | exp.Intersect) and not node.args.get("order"):
            sides = sorted(self.text(side, names) for side in (node.this, node.expression))
            rest = {
                key: self.text(value, names)
                for key, value in sorted(node.args.items())
                if value and key not in ("this", "expression")
            }
            return f"{type(node).__name__}({sides} {rest})"
        if isinstance(node, _COMMUTATIVE):
            return self.call(type(node), sorted(self.operands(node, type(node), names)))
        if type(node) in _FLIPPED:
            left, right = self.text(node.this, names), self.text(node.expression, names)
            return self.call(_FLIPPED[type(node)], [f"expression={left}", f"this={right}"])
        return self.other(node, names)

    def call(self, kind: type, arguments: list[str]) -> str:
        return f"{kind.__name__}({','.join(arguments)})"

    def operands(self, node: exp.Expr, kind: type[exp.Expr], names: dict[str, str]) -> list[str]:
        """Return the texts of an operator's sides, those of nested equal AND, OR, +, * included."""
        sides = []
        for side in (node.this, node.expression):
            side = side.unnest()
            if type(side) is kind and kind not in (exp.EQ, exp.NEQ):
                sides += self.operands(side, kind, names)
            else:
                sides.append(self.text(side, names))
        return list(dict.fromkeys(sides)) if kind in (exp.And, exp.Or) else sides

    def other(self, node: exp.Expr, names: dict[str, str]) -> str:
        """Return the text of a node without rule of its own: its class and all its arguments."""
        arguments = []
        for key, value in sorted(node.args.items()):
            if value is None or value is False or value == []:
                continue
            text = self.text(value, names)
            if isinstance(node, exp.In) and key == "expressions":
                text = str(sorted(self.text(child, names) for child in value))
            elif isinstance(node, exp.Group) and key == "expressions":
                text = str(sorted({self.text(child, names) for child in value}))
            elif isinstance(node, exp.Anonymous) and key == "this":
                text = text.lower()
            arguments.append(f"{key}={text}")
        return self.call(type(node), arguments)

    def select(self, node: exp.Select, names: dict[str, str]) -> str:
        """Return the text of a SELECT: sources and conditions apart where all joins are inner."""
        named = _is_table(node)
        projections = [
            self.text(item if named else item.unalias(), names) for item in node.expressions
        ]
        rest = {
            key: self.text(value, names)
            for key, value in sorted(node.args.items())
            if value and key not in ("expressions", "from_", "joins", "where")
        }
        where = node.args["where"].this if node.args.get("where") else None
        first, joins = node.args.get("from_"), node.args.get("joins") or []
        if first and all(map(_is_inner, joins)):
            sources = [first.this, *(join.this for join in joins)]
            conditions = [*(join.args.get("on") for join in joins), where]
            tables = str(sorted(self.source(source, names) for source in sources))
        else:
            conditions = [where]
            tables = str([self.source(first.this, names)] if first else [])
            tables += str([self.join(join, names) for join in joins])
        terms: set[str] = set()
        for condition in filter(None, conditions):
            condition = condition.unnest()
            if isinstance(condition, exp.And):
                terms.update(self.operands(condition, exp.And, names))
            elif not (isinstance(condition, exp.Boolean) and condition.this):
                terms.add(self.text(condition, names))
        return f"Select({projections} from {tables} where {sorted(terms)} {rest})"

    def source(self, node: exp.Expr, names: dict[str, str]) -> str:
        """Return the text of one entry of FROM: its table or query, and its canonical name."""
        name = names.get(node.alias_or_name, node.alias_or_name)
        if isinstance(node, exp.Table):
            return f"{node.name} {name}"
        return f"{self.text(node.this, names)} {name}"

    def join(self, node: exp.Join, names: dict[str, str]) -> str:
        kind = "" if node.kind == "OUTER" else node.kind  # LEFT OUTER JOIN is LEFT JOIN
        parts = [node.side, kind, node.method, self.source(node.this, names)]
        condition = node.args.get("on")
        return str([*parts, self.text(condition, names), self.text(node.args.get("using"), names)])


def _is_inner(join: exp.Join) -> bool:
    """Return whether a join commutes: comma, CROSS and INNER, on a condition or none."""
    plain = not join.side and join.kind in ("", "INNER", "CROSS") and not join.method
    return plain and not join.args.get("using")


def _is_table(query: exp.Expr) -> bool:
    """Return whether a query stands in FROM or WITH, where the names of its columns matter."""
    parent = query.parent
    while isinstance(parent, exp.SetOperation):
        parent = parent.parent
    if isinstance(parent, exp.Subquery):
        return isinstance(parent.parent, exp.From | exp.Join)
    return isinstance(parent, exp.CTE)


_NEGATED = {exp.EQ: exp.NEQ, exp.NEQ: exp.EQ}


def _one_spelling(node: exp.Expr) -> exp.Expr:
    """Return one of the ways to write the same condition or count, NULL values included."""
    if isinstance(node, exp.Between) and not node.args.get("symmetric"):
        value, low, high = node.this, node.args["low"], node.args["high"]
        both = (exp.GTE(this=value, expression=low), exp.LTE(this=value.copy(), expression=high))
        return exp.paren(exp.and_(*both, wrap=False))
    if isinstance(node, exp.Not) and type(node.this.unnest()) in _NEGATED:
        inner = node.this.unnest()
        return _NEGATED[type(inner)](this=inner.this, expression=inner.expression)
    if isinstance(node, exp.Count) and isinstance(node.this, exp.Literal):
        return exp.Count(this=exp.Star(), big_int=node.args.get("big_int"))
    return node


def _resolve_order(query: exp.Query) -> None:
    """Replace in every ORDER BY the names of output columns by what they stand for."""
    for select in query.find_all(exp.Select):
        order = select.args.get("order")
        if order is None:
            continue
        outputs = {item.alias: item.this for item in select.expressions if item.alias}
        for column in list(order.find_all(exp.Column)):
            if not column.table and column.name in outputs:
                column.replace(outputs[column.name].copy())


def same_query(sql: str, reference: str, schema: str) -> bool:
    """Return whether two queries have the same canonical form on a schema.

    A reference that the parser cannot read is matched by its text, blanks aside.
    """
    if sql.split() == reference.split():
        return True
    form = canonical(reference, schema)
    return form is not None and form == canonical(sql, schema)
