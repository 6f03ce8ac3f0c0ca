"""When two queries are the same query, whatever the data: equality of canonical forms.

The form is written from the syntax tree (`parsing`) after names were decided (`names`), with the
affinities and collations that the schema declares (`values`). It forgets what cannot change a
result:

- upper and lower case of names and keywords, comments, parentheses that repeat the precedence,
  names of tables, output columns and WITH entries, qualification of columns, USING against ON,
  a WITH entry against a query in FROM, NULLS FIRST and LAST where they are the default;
- which way round a comparison is written and the order of ``=`` and ``<>``, if the collation does
  not depend on it; the order of ``+`` and ``*`` of two, of AND, OR and IN lists; IN against OR,
  one-element IN against ``=``, BETWEEN against >= AND <=, NOT before comparisons, AND and OR,
  repeated conditions; constants that a comparison does not tell apart (20.0 and 20; '20' and 20
  against a column); COUNT(1) for COUNT(*); a cast's type but for its affinity;
- the order of inner joins and whether their condition stands in ON or WHERE, the order of GROUP BY;
- the order of UNION and INTERSECT, if their sides have the same affinities and binary collation.

Where the order of scanned rows decides the result (`order`), SQLite's plan for an empty database of
the schema is part of the form: such queries are the same only if SQLite goes about them alike.

The form keeps the case of literals, their type elsewhere, the order of the columns and DISTINCT.
Equal forms mean that both return the same rows from every database, in the same order if the query
has one. Different forms may still be equivalent (a join against IN), and a query without form
(names that SQLite would refuse, recursion, random numbers, JSON) is the same only as its own text.
"""

import hashlib
import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache

from sqlglot import exp

from sftstudy.tasks.nl2sql.names import Resolved, resolve
from sftstudy.tasks.nl2sql.order import decides, is_scalar, sources, yields_one_row
from sftstudy.tasks.nl2sql.parsing import words
from sftstudy.tasks.nl2sql.schema import plan
from sftstudy.tasks.nl2sql.values import cast_affinity, compared, function_name, literal

_MOST_NAMINGS = 24  # of tables that a query joins with themselves: 4 of one table
Kind = type[exp.Expr]
_NEGATED: dict[Kind, Kind] = {
    **{exp.EQ: exp.NEQ, exp.LT: exp.GTE, exp.GT: exp.LTE},
    **{exp.NEQ: exp.EQ, exp.GTE: exp.LT, exp.LTE: exp.GT},
}
_FLIPPED: dict[Kind, Kind] = {exp.GT: exp.LT, exp.GTE: exp.LTE}
_OPPOSITE: dict[Kind, Kind] = {exp.And: exp.Or, exp.Or: exp.And}
# Their value is 1, 0 or NULL, so NOT NOT gives it back.
_TRUTHS = (
    *(*_NEGATED, exp.And, exp.Or, exp.Not, exp.Between, exp.In, exp.Is, exp.Exists),
    *(exp.NullSafeEQ, exp.NullSafeNEQ, exp.Like, exp.Glob, exp.Escape),
)
# One side of AND or OR: its text; or (text of a value, text of the constant that it equals).
Side = str | tuple[str, str]
_SOURCE_OF_PLAN = re.compile(r"\b(s\d+|w\d+_\d+)\b")  # as `names` calls them
_NUMBER_OF_QUERY = re.compile(r"\bSUBQUERY \d+")


@lru_cache(maxsize=4096)  # the same references and replies come back for every checkpoint
def canonical(sql: str, schema: str) -> str | None:
    """Return the canonical form of a query on a schema (CREATE TABLE statements).

    None where the query does not parse, or where we cannot tell for certain what it means.
    """
    resolved = resolve(sql, schema)
    if resolved is None:
        return None
    try:
        return _Writer(resolved, schema).form()
    except RecursionError:
        return None


def same_query(sql: str, reference: str, schema: str) -> bool:
    """Return whether two queries have the same canonical form on a schema.

    Queries without one are the same if they have the same text, blanks and comments aside.
    """
    if sql == reference:
        return True
    form = canonical(reference, schema)
    if form is not None:
        return form == canonical(sql, schema)
    wanted = words(reference)
    return wanted is not None and wanted == words(sql)


class _Writer:
    """Writes a query's tree as text, children before parents, what has no order sorted."""

    def __init__(self, resolved: Resolved, schema: str) -> None:
        self.tree, self.sql, self.schema = resolved.query, resolved.sql(), schema
        for test in list(self.tree.find_all(exp.Is)):
            if isinstance(test.expression, exp.Not):  # IS NOT NULL, which is planned as such
                test.expression.replace(test.expression.this)
                outer = exp.Not()
                test.replace(outer)
                outer.set("this", test)
        self.values = resolved.values
        self.sources = resolved.values.sources
        self.names: dict[str, str] = {}  # of sources
        self.holders: dict[str, str] = {}  # of sources in FROM and WITH: what they stand in
        self.bodies: dict[tuple[int, bool], str] = {}
        self.by_row: dict[int, bool] = {}  # of queries: the order of scanned rows decides

    def form(self) -> str | None:
        """Return the canonical form; None for what SQLite refuses to plan."""
        places = self.places(self.tree, self.tree.args.get("order") is not None, 0)
        namings = list(itertools.islice(self.namings(places), _MOST_NAMINGS))
        steps: list[tuple[int, str]] | None = []
        if any(self.by_row.values()):
            steps = plan(self.sql, self.schema)
        if steps is None:
            return None
        texts = []
        for names in namings:
            self.names |= names
            texts.append(f"{self.query(self.tree)} {[self.step(*step) for step in steps]}")
        return min(texts)

    def step(self, depth: int, text: str) -> str:
        """Return a step of a plan with our names of sources."""
        named = _SOURCE_OF_PLAN.sub(lambda found: self.full_name(found.group()), text)
        return f"{depth} {_NUMBER_OF_QUERY.sub('SUBQUERY', named)}"

    def full_name(self, key: str) -> str:
        holder = self.holders.get(key)
        return (f"{self.full_name(holder)}/" if holder else "") + self.names.get(key, "")

    def places(self, query: exp.Query, ordered: bool, depth: int) -> list[tuple[exp.Select, int]]:
        """Return the SELECTs of a query and their depths; note where the order of rows decides."""
        by_row = self.by_row[id(query)] = decides(query, ordered, self.values)
        if not isinstance(query, exp.Select):
            sides = (query.this, query.expression)
            return [place for side in sides for place in self.places(side, by_row, depth)]
        found = [(query, depth)]
        for inner in _inner_queries(query):
            first = is_scalar(inner) and not yields_one_row(inner)
            found += self.places(inner, first, depth + 1)
        return found

    def namings(self, places: list[tuple[exp.Select, int]]) -> Iterator[dict[str, str]]:
        """Yield the ways to name the sources of SELECTs.

        A source is named after itself and the depth of its SELECT, so that an inner query can
        mean an outer table. Sources that a SELECT has several times are numbered, in every order.
        """
        ways: list[list[dict[str, str]]] = []
        for select, depth in places:
            alike = defaultdict(list)
            for source in sources(select):
                alike[self.body(source.alias, self.by_row[id(select)])].append(source.alias)
            for name, keys in alike.items():
                labels = [f"{name}@{depth}.{number}" for number in range(len(keys))]
                orders = itertools.islice(itertools.permutations(labels), _MOST_NAMINGS)
                ways.append([dict(zip(keys, order, strict=True)) for order in orders])
        for choice in itertools.product(*ways):
            yield {key: label for names in choice for key, label in names.items()}

    def body(self, key: str, by_row: bool) -> str:
        """Return the name of a table, or for a query in FROM a hash of its text."""
        query = self.sources[key].query
        if query is None:
            return self.sources[key].name
        if (id(query), by_row) not in self.bodies:
            places = self.places(query, by_row, 0)
            texts: dict[str, dict[str, str]] = {}
            for names in itertools.islice(self.namings(places), _MOST_NAMINGS):
                self.names |= names
                texts.setdefault(self.query(query), names)
            text = min(texts)
            self.names |= texts[text]
            self.holders |= dict.fromkeys(texts[text], key)
            self.bodies[id(query), by_row] = hashlib.sha256(text.encode()).hexdigest()[:32]
        return f"({self.bodies[id(query), by_row]})"

    def query(self, node: exp.Expr) -> str:
        if isinstance(node, exp.Select):
            return self.select(node)
        by_row = self.by_row[id(node)]
        sides = [self.query(side) for side in _sides(node)]
        if not by_row and not isinstance(node, exp.Except):
            sides.sort()
        kind = f"{type(node).__name__}{' ALL' if node.args.get('distinct') is False else ''}"
        return f"{kind}{'!' if by_row else ''}({sides} {self.rest(node)})"

    def select(self, node: exp.Select) -> str:
        """Return the text of a SELECT: sources and conditions apart where all joins are inner."""
        by_row = self.by_row[id(node)]
        joins = node.args.get("joins") or []
        conditions = [_clause(node, "where")]
        entries = [self.names[source.alias] for source in sources(node)]
        if all(map(_is_inner, joins)):
            conditions += [join.args.get("on") for join in joins]
            entries.sort()
        else:
            entries = [entries[0], *map(self.join, joins)]
        group = [self.text(item) for item in _group(node)]
        return (
            f"Select{'!' if by_row else ''}({'DISTINCT ' if node.args.get('distinct') else ''}"
            f"{[self.text(item.unalias()) for item in node.expressions]} from {entries} "
            f"where {self.terms(conditions)} group {group if by_row else sorted(set(group))} "
            f"having {self.terms([_clause(node, 'having')])} {self.rest(node)})"
        )

    def join(self, node: exp.Join) -> str:
        kind = node.side or "INNER"
        return f"{kind} {self.names[node.this.alias]} {self.terms([node.args.get('on')])}"

    def rest(self, node: exp.Expr) -> str:
        parts = ("order", "limit", "offset")
        return " ".join(f"{part} {self.text(node.args.get(part))}" for part in parts)

    def terms(self, conditions: Iterable[exp.Expr | None]) -> list[str]:
        """Return the texts of what must all hold, in order."""
        given = [condition.unnest() for condition in conditions if condition is not None]
        return sorted(
            {
                _text_of_side(side)
                for condition in given
                if not (isinstance(condition, exp.Boolean) and condition.this)
                for side in self.sides(condition, False, exp.And)
            }
        )

    def text(self, node: object) -> str:
        """Return the text of any part of the tree."""
        if isinstance(node, list):
            return "[" + ",".join(map(self.text, node)) + "]"
        if not isinstance(node, exp.Expr):
            return repr(node)
        if isinstance(node, exp.Paren):
            return self.text(node.this)
        if isinstance(node, exp.Select | exp.SetOperation):
            return self.query(node)
        if isinstance(node, _TRUTHS):
            return self.truth(node, False)
        if isinstance(node, exp.Column):
            return f"{self.names[node.table]}.{node.name}"
        if isinstance(node, exp.Literal | exp.Neg) and (constant := literal(node)) is not None:
            return constant
        if isinstance(node, exp.Ordered):
            desc = bool(node.args.get("desc"))
            moved = bool(node.args.get("nulls_first")) is desc
            return f"{'desc' if desc else 'asc'}{' nulls' if moved else ''}({self.text(node.this)})"
        if isinstance(node, exp.Add | exp.Mul):
            return _call(type(node), sorted((self.text(node.this), self.text(node.expression))))
        return self.other(node)

    def other(self, node: exp.Expr) -> str:
        """Return the text of a node without rule of its own: its class and all its arguments."""
        if isinstance(node, exp.Anonymous):
            arguments = [self.text(argument) for argument in node.expressions]
            if function_name(node) == "count" and arguments != ["NULL"] and _is_listed(node):
                arguments = [self.text(exp.Star())]
            return f"{function_name(node)}({','.join(arguments)})"
        if isinstance(node, exp.Cast):
            return f"Cast({self.text(node.this)},{cast_affinity(node)})"
        if isinstance(node, exp.Var | exp.Identifier):
            return node.name.lower()
        arguments = [
            f"{key}={self.text(value)}"
            for key, value in sorted(node.args.items())
            if not (value is None or value is False or value == [])
        ]
        return _call(type(node), arguments)

    def truth(self, node: exp.Expr, negated: bool) -> str:
        """Return the text of a condition, or of NOT before it, NULL values included."""
        node, negated = _without_not(node, negated)
        kind = type(node)
        if kind in _NEGATED:
            assert isinstance(node, exp.Binary)
            return self.comparison(_NEGATED[kind] if negated else kind, node.this, node.expression)
        if kind in _OPPOSITE:
            return self.connected(node, _OPPOSITE[kind] if negated else kind, negated)
        if isinstance(node, exp.Between):
            return self.connected(node, exp.Or if negated else exp.And, negated)
        if isinstance(node, exp.In) and _is_listed(node):
            return self.connected(node, exp.And if negated else exp.Or, negated)
        if isinstance(node, exp.In) and node.expressions:
            listed = sorted({self.operand(one, node.this) for one in node.expressions})
            text = f"In({self.text(node.this)},[{','.join(listed)}])"
        elif isinstance(node, exp.Not):
            text = f"Not({self.truth(node.this, False)})"
        else:
            text = self.other(node) if isinstance(node, _TRUTHS) else self.text(node)
        return f"Not({text})" if negated else text

    def connected(self, node: exp.Expr, kind: Kind, negated: bool) -> str:
        """Return the text of conditions under AND or OR."""
        sides = self.sides(node, negated, kind)
        equal = defaultdict(set)
        for side in sides:
            if isinstance(side, tuple):
                equal[side[0]].add(side[1])
        members = [_member(value, constants) for value, constants in equal.items()]
        texts = sorted({*members, *(side for side in sides if isinstance(side, str))})
        # One that is no truth value (5 AND 5) keeps the AND.
        if len(texts) == 1 and (members or not isinstance(node, exp.Connector)):
            return texts[0]
        return _call(kind, texts)

    def sides(self, node: exp.Expr, negated: bool, kind: Kind) -> list[Side]:
        """Return what AND or OR connects, sides of the same connection inside included."""
        node, negated = _without_not(node, negated)
        own = type(node)
        if own in _OPPOSITE and (_OPPOSITE[own] if negated else own) is kind:
            both = (node.this, node.expression)
            return [side for one in both for side in self.sides(one, negated, kind)]
        if isinstance(node, exp.Between) and kind is (exp.Or if negated else exp.And):
            low, high = (exp.LT, exp.GT) if negated else (exp.GTE, exp.LTE)
            return [
                self.comparison(low, node.this, node.args["low"]),
                self.comparison(high, node.this, node.args["high"]),
            ]
        if isinstance(node, exp.In) and _is_listed(node):
            if kind is exp.Or and not negated:
                return [self.equality(node.this, one) for one in node.expressions]
            if kind is exp.And and negated:
                return [self.comparison(exp.NEQ, node.this, one) for one in node.expressions]
        if kind is exp.Or and isinstance(node, exp.NEQ if negated else exp.EQ):
            return [self.equality(node.this, node.expression)]
        return [self.truth(node, negated)]

    def equality(self, left: exp.Expr, right: exp.Expr) -> Side:
        """Return a value and the constant that it equals; the text of other comparisons."""
        if literal(left) is not None:
            left, right = right, left
        if literal(left) is not None or literal(right) is None:
            return self.comparison(exp.EQ, left, right)
        return self.text(left), self.operand(right, left)

    def comparison(self, kind: Kind, left: exp.Expr, right: exp.Expr) -> str:
        if kind is exp.EQ and (literal(left) is None) is not (literal(right) is None):
            return _text_of_side(self.equality(left, right))
        first, second = self.operand(left, right), self.operand(right, left)
        if self.values.symmetric(left, right):
            if kind in _FLIPPED:
                kind, first, second = _FLIPPED[kind], second, first
            elif kind in (exp.EQ, exp.NEQ):
                first, second = sorted((first, second))
        return _call(kind, [first, second])

    def operand(self, node: exp.Expr, other: exp.Expr) -> str:
        """Return the text of what is compared with `other`."""
        return compared(node, self.values.affinity(other)) or self.text(node)


def _without_not(node: exp.Expr, negated: bool) -> tuple[exp.Expr, bool]:
    """Return a condition without the NOT before it, and whether it is negated then."""
    node = node.unnest()
    if isinstance(node, exp.Not):
        inner = node.this.unnest()
        if not negated or isinstance(inner, _TRUTHS):
            return _without_not(inner, not negated)
    return node, negated


def _call(kind: Kind, arguments: Iterable[str]) -> str:
    return f"{kind.__name__}({','.join(arguments)})"


def _member(value: str, constants: Iterable[str]) -> str:
    return f"In({value},[{','.join(sorted(constants))}])"


def _text_of_side(side: Side) -> str:
    return side if isinstance(side, str) else _member(side[0], [side[1]])


def _is_listed(node: exp.Expr) -> bool:
    """Return whether the right side of IN, or what a function is called with, is constants."""
    return bool(node.expressions) and all(literal(one) is not None for one in node.expressions)


def _clause(select: exp.Select, name: str) -> exp.Expr | None:
    """Return the condition of WHERE or HAVING."""
    clause = select.args.get(name)
    return clause.this if clause else None


def _group(select: exp.Select) -> list[exp.Expr]:
    clause = select.args.get("group")
    return clause.expressions if clause else []


def _is_inner(join: exp.Join) -> bool:
    """Return whether a join commutes: comma, CROSS and INNER, on a condition or none."""
    return not join.side and join.kind in ("", "INNER", "CROSS")


def _sides(node: exp.Expr) -> Iterator[exp.Expr]:
    """Yield the sides of a compound, those of the same compound inside included."""
    for side in (node.this, node.expression):
        alike = type(side) is type(node) and side.args.get("distinct") == node.args.get("distinct")
        if alike and not isinstance(node, exp.Except):
            yield from _sides(side)
        else:
            yield side


def _inner_queries(select: exp.Select) -> Iterator[exp.Query]:
    """Yield the outermost queries inside a SELECT's expressions."""
    skipped = {id(source) for source in sources(select)}
    clause = select.args.get("with_")
    if clause is not None:
        skipped.add(id(clause))

    def stop(node: exp.Expr) -> bool:
        is_query = isinstance(node, exp.Select | exp.SetOperation)
        return id(node) in skipped or (is_query and node is not select)

    for node in select.walk(prune=stop):
        if node is not select and isinstance(node, exp.Select | exp.SetOperation):
            yield node
