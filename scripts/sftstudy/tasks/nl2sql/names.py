"""What the names in a query stand for, decided as SQLite does.

Rules: https://www.sqlite.org/lang_select.html, https://www.sqlite.org/quirks.html (8: strings in
double quotes), and ``resolve.c`` of SQLite: a name in ORDER BY that stands alone is an output
column before it is a column of a table, anywhere else it is a column first; WHERE, ON, GROUP BY
and HAVING see names of output columns, the output columns do not.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sqlglot import exp

from sftstudy.tasks.nl2sql.order import is_aggregate
from sftstudy.tasks.nl2sql.parsing import DIALECT, UNARY_PLUS, parse_query
from sftstudy.tasks.nl2sql.schema import BINARY, Column, tables
from sftstudy.tasks.nl2sql.values import Source, Values, cast_affinity


class Unclear(Exception):
    """A query whose meaning we cannot tell for certain, or that SQLite refuses."""


_KNOWN = frozenset(
    [
        *(exp.Select, exp.Union, exp.Intersect, exp.Except, exp.Subquery, exp.Exists),
        *(exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered, exp.Limit, exp.Offset),
        *(exp.Alias, exp.Distinct, exp.Star, exp.Column, exp.Identifier, exp.Paren, exp.Var),
        *(exp.Literal, exp.Null, exp.Boolean, exp.HexString),
        *(exp.CurrentDate, exp.CurrentTime, exp.CurrentTimestamp),
        *(exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE),
        *(exp.Is, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Between, exp.In, exp.Like, exp.Glob),
        *(exp.Escape, exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg, exp.DPipe),
        *(exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseNot),
        *(exp.BitwiseLeftShift, exp.BitwiseRightShift),
        *(exp.Case, exp.If, exp.Cast, exp.DataType, exp.Collate),
        *(exp.Anonymous, exp.Filter, exp.Window, exp.WindowSpec),
    ]
)
_PARTS_OF_QUERY = {
    *("with_", "distinct", "expressions", "from_", "joins", "where", "group", "having"),
    *("order", "limit", "offset", "this", "expression"),
}
# SQLite ranks these alike and reads from left to right, sqlglot does not: parentheses must tell.
_COMPARISONS = (
    *(exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Is, exp.NullSafeEQ, exp.NullSafeNEQ),
    *(exp.In, exp.Like, exp.Glob, exp.Escape, exp.Between),
)
_ODD_FUNCTIONS = {UNARY_PLUS, "random", "randomblob"}


@dataclass(frozen=True)
class Resolved:
    """A query in which every name is decided; it is still SQL and means the same.

    Sources have names of their own (the keys of `values.sources`) and every column names its
    source; columns of queries in FROM and WITH are c0, c1, ...; stars, names of output columns,
    numbers of columns in ORDER BY and GROUP BY and USING are replaced by what they stand for, in
    the ORDER BY of a compound by the column's number.
    """

    query: exp.Query
    values: Values

    def sql(self) -> str:
        """Return the query as text."""
        return self.query.sql(DIALECT, normalize_functions=False)


@dataclass
class _Scope:
    """The names that one SELECT offers to its expressions."""

    sources: list[tuple[str, str]] = field(default_factory=list)  # name in the query, key
    shared: dict[str, str] = field(default_factory=dict)  # column of USING -> first source
    merged: set[tuple[str, str]] = field(default_factory=set)  # (source, column) that * leaves out
    outputs: dict[str, exp.Expr] = field(default_factory=dict)


@dataclass(frozen=True)
class _With:
    """An entry of WITH: the name that we gave it, and its columns."""

    name: str
    query: exp.Query
    columns: tuple[Column, ...]


Withs = Mapping[str, _With]


def resolve(sql: str, schema: str) -> Resolved | None:
    """Return the query with decided names; None where we cannot tell what it means."""
    query = parse_query(sql)
    if query is None:
        return None
    try:
        return _Resolver(tables(schema), query).resolved()
    except (Unclear, RecursionError):
        return None


class _Resolver:
    def __init__(self, known: Mapping[str, tuple[Column, ...]], query: exp.Query) -> None:
        self.known, self.tree = known, query
        self.sources: dict[str, Source] = {}
        collations = {column.collation for table in known.values() for column in table}
        self.values = Values(self.sources, collations <= {BINARY} and not query.find(exp.Collate))

    def resolved(self) -> Resolved:
        names = [cte.alias.lower() for cte in self.tree.find_all(exp.CTE)]
        # SQLite lets entries of WITH refer to themselves and to later ones: then a name that means
        # two things is decided by rules that we do not follow.
        if len(set(names)) < len(names) or set(names) & set(self.known):
            raise Unclear
        self.query(self.tree, [], {})
        return Resolved(self.tree, self.values)

    def query(self, node: exp.Expr, outer: list[_Scope], withs: Withs) -> tuple[Column, ...]:
        """Decide the names of a query, in place; return its columns."""
        _check(node)
        withs = self.entries(node, withs)
        if isinstance(node, exp.Select):
            return self.select(node, outer, withs)
        if not isinstance(node, exp.SetOperation):
            raise Unclear
        for side in (node.this, node.expression):
            if isinstance(side, exp.Subquery):  # sqlglot's way to group from the left
                if _given(side) != {"this"}:
                    raise Unclear
                side.replace(side.this)
        columns = self.query(node.this, outer, withs)
        others = self.query(node.expression, outer, withs)
        if len(columns) != len(others):
            raise Unclear
        self.order_of_compound(node, columns)
        self.limits(node, outer, withs)
        return tuple(
            one
            if (one.affinity, one.collation, False)
            == (other.affinity, other.collation, other.mixed)
            else Column(one.name, None, None, mixed=True)
            for one, other in zip(columns, others, strict=True)
        )

    def entries(self, node: exp.Expr, withs: Withs) -> Withs:
        """Return the entries of WITH that a query sees, its own included."""
        clause = node.args.get("with_")
        if clause is None:
            return withs
        if clause.args.get("recursive"):
            raise Unclear
        seen = dict(withs)
        for entry in clause.expressions:
            if entry.args.get("materialized") is not None:
                raise Unclear
            columns = self.named(self.query(entry.this, [], seen), entry.args["alias"].columns)
            name = f"w{len(self.sources)}_{len(seen)}"
            seen[entry.alias.lower()] = _With(name, entry.this, columns)
            entry.set("alias", exp.TableAlias(this=exp.to_identifier(name)))
            _number_columns(entry.this)
        return seen

    def named(self, columns: tuple[Column, ...], names: list) -> tuple[Column, ...]:
        """Return columns under the names of a list behind a table's alias, if there is one."""
        if not names:
            return columns
        if len(names) != len(columns):
            raise Unclear
        return tuple(
            replace(one, name=name.name.lower()) for name, one in zip(names, columns, strict=True)
        )

    def select(self, node: exp.Select, outer: list[_Scope], withs: Withs) -> tuple[Column, ...]:
        scope = _Scope()
        scopes = [scope, *outer]
        joins = node.args.get("joins") or []
        if node.args.get("from_"):
            self.source(node.args["from_"].this, scope, withs)
        for join in joins:
            self.join(join, scope, withs)
        node.set(
            "expressions", [one for item in node.expressions for one in self.star(item, scope)]
        )
        for item in list(node.expressions):
            self.expression(item, scopes, withs)
        for item in reversed(node.expressions):
            if isinstance(item, exp.Alias):
                scope.outputs[item.alias.lower()] = item.this
        names = [self.output_name(item) for item in node.expressions]
        node.set("expressions", [item.unalias() for item in node.expressions])
        for clause in (*joins, node.args.get("where"), node.args.get("having")):
            if clause is not None:
                self.expression(clause, scopes, withs)
        self.keys(node, "group", scopes, withs)
        self.keys(node, "order", scopes, withs)
        self.limits(node, outer, withs)
        return tuple(map(self.values.column, names, node.expressions))

    def source(self, node: exp.Expr, scope: _Scope, withs: Withs) -> str:
        """Enter an entry of FROM; return its key."""
        alias = node.args.get("alias")
        columns = alias.columns if alias else []
        name = node.alias_or_name.lower()
        if not _given(node) <= {"this", "alias"} or "indexed" in node.args:
            raise Unclear
        if isinstance(node, exp.Table):
            if not isinstance(node.this, exp.Identifier) or columns:
                raise Unclear
            found = self.table(node, withs)
        elif isinstance(node, exp.Subquery):
            made = self.named(self.query(node.this, [], withs), columns)
            _number_columns(node.this)
            found = Source("", made, query=node.this)
        else:
            raise Unclear
        key = f"s{len(self.sources)}"
        self.sources[key] = found
        node.set("alias", exp.TableAlias(this=exp.to_identifier(key)))
        scope.sources.append((name, key))
        return key

    def table(self, node: exp.Table, withs: Withs) -> Source:
        name = node.name.lower()
        if name in withs:
            entry = withs[name]
            node.set("this", exp.to_identifier(entry.name))
            return Source(entry.name, entry.columns, query=entry.query)
        if name not in self.known:
            raise Unclear
        return Source(name, self.known[name])

    def join(self, node: exp.Join, scope: _Scope, withs: Withs) -> None:
        """Enter the source that a join adds; USING becomes ON, with the first such column."""
        if not _given(node) <= {"this", "on", "using", "side", "kind"}:
            raise Unclear
        left = _Scope(list(scope.sources), scope.shared)
        key = self.source(node.this, scope, withs)
        using = node.args.get("using") or []
        if using and node.side not in ("", "LEFT"):
            raise Unclear  # the column is then either side's
        for identifier in using:
            name = identifier.name.lower()
            first, own = self.found(left, name, ""), self.own_name(key, name)
            if not first or own is None:
                raise Unclear
            scope.shared[name] = first[0][0]
            scope.merged.add((key, name))
            equal = exp.EQ(this=_column(*first[0]), expression=_column(key, own))
            node.set("on", exp.and_(node.args.get("on"), equal, wrap=False, copy=False))
        node.set("using", None)

    def star(self, item: exp.Expr, scope: _Scope) -> list[exp.Expr]:
        """Return the columns that ``*`` or ``t.*`` stands for; else the item itself."""
        every = isinstance(item, exp.Star)
        table = item.table.lower() if isinstance(item, exp.Column) else ""
        if not every and not (table and isinstance(item.this, exp.Star)):
            return [item]
        if _given(item if every else item.this):
            raise Unclear
        keys = [key for name, key in scope.sources if every or name == table]
        if not keys or (not every and len(keys) > 1):
            raise Unclear
        found: list[exp.Expr] = []
        for key in keys:
            source = self.sources[key]
            for index, column in enumerate(source.columns):
                if every and (key, column.name) in scope.merged:
                    continue
                found.append(_column(key, f"c{index}" if source.query else str(column.name)))
        return found

    def output_name(self, item: exp.Expr) -> str | None:
        if isinstance(item, exp.Alias):
            return item.alias.lower()
        inner = item.unnest()
        if not isinstance(inner, exp.Column):
            return None
        return self.sources[inner.table].column(inner.name).name

    def limits(self, node: exp.Expr, outer: list[_Scope], withs: Withs) -> None:
        for part in ("limit", "offset"):
            if node.args.get(part):
                self.expression(node.args[part], outer, withs)

    def keys(self, node: exp.Select, part: str, scopes: list[_Scope], withs: Withs) -> None:
        """Decide the terms of ORDER BY or GROUP BY; a bare number is a column's."""
        clause = node.args.get(part)
        if clause is None:
            return
        if _given(clause) != {"expressions"}:
            raise Unclear
        for term in list(clause.expressions):
            holder = term if isinstance(term, exp.Ordered) else None
            bare = _bare(holder.this if holder else term)
            meant = None
            if isinstance(bare, exp.Literal) and bare.is_int:
                meant = _at(node.expressions, int(bare.name))
            elif part == "order" and isinstance(bare, exp.Column) and not bare.table:
                meant = scopes[0].outputs.get(bare.name.lower())
            if meant is not None:
                bare.replace(meant.copy())
            else:
                self.expression(holder.this if holder else term, scopes, withs)

    def order_of_compound(self, node: exp.SetOperation, columns: tuple[Column, ...]) -> None:
        """Replace the terms of a compound's ORDER BY by numbers of columns."""
        order = node.args.get("order")
        for term in order.expressions if order else ():
            bare = _bare(term.this)
            if isinstance(bare, exp.Literal) and bare.is_int:
                _at(columns, int(bare.name))
                continue
            if not isinstance(bare, exp.Column) or bare.table:
                raise Unclear
            places = [
                place for place, column in enumerate(columns, 1) if column.name == bare.name.lower()
            ]
            if len(places) != 1:
                raise Unclear
            bare.replace(exp.Literal.number(places[0]))

    def expression(self, node: exp.Expr, scopes: list[_Scope], withs: Withs) -> None:
        """Decide the names in an expression, in place."""
        if isinstance(node, exp.Query) and not isinstance(node, exp.Subquery):
            self.query(node, scopes, withs)
        elif isinstance(node, exp.Column):
            if "decided" not in node.meta:
                node.replace(self.column(node, scopes))
        else:
            if not isinstance(node, exp.Join):
                _check(node)
            for key, child in [*node.args.items()]:
                # Of a join the source is decided already.
                if isinstance(node, exp.Join) and key != "on":
                    continue
                for one in child if isinstance(child, list) else [child]:
                    if isinstance(one, exp.Expr):
                        self.expression(one, scopes, withs)
            if is_aggregate(node):
                tables = {column.table for column in node.find_all(exp.Column)}
                if tables and not tables & {key for _, key in scopes[0].sources}:
                    raise Unclear  # SQLite takes it for an aggregate of the query around this

    def column(self, node: exp.Column, scopes: list[_Scope]) -> exp.Expr:
        """Return what a column's name stands for: a column, an output column, or a string."""
        if node.args.get("db") or not isinstance(node.this, exp.Identifier):
            raise Unclear
        name, table = node.name.lower(), node.table.lower()
        for scope in scopes:
            found = self.found(scope, name, table)
            if len(found) > 1:
                raise Unclear  # SQLite calls it ambiguous
            if found:
                return _column(*found[0])
            if not table and name in scope.outputs:
                return exp.paren(scope.outputs[name].copy(), copy=False)
        keys = [key for scope in scopes for _, key in scope.sources]
        unnamed = any(column.name is None for key in keys for column in self.sources[key].columns)
        if node.this.meta.get("quote") != '"' or table or unnamed:
            raise Unclear
        return exp.Literal.string(node.name)

    def found(self, scope: _Scope, name: str, table: str) -> list[tuple[str, str]]:
        """Return (source, column) of every column of a SELECT that a name may mean."""
        if not table and name in scope.shared:
            key = scope.shared[name]
            return [(key, str(self.own_name(key, name)))]
        return [
            (key, own)
            for alias, key in scope.sources
            if not table or alias == table
            if (own := self.own_name(key, name)) is not None
        ]

    def own_name(self, key: str, name: str) -> str | None:
        """Return how `Resolved` names a source's column; None if there is none of this name."""
        source = self.sources[key]
        places = [index for index, column in enumerate(source.columns) if column.name == name]
        if len(places) > 1:
            raise Unclear  # SQLite renames the second
        if not places:
            return None
        return f"c{places[0]}" if source.query else name


def _check(node: exp.Expr) -> None:
    """Raise `Unclear` for what we do not know, and where sqlglot may group otherwise."""
    parts = _given(node)
    if (
        type(node) not in _KNOWN
        or (isinstance(node, exp.Select | exp.SetOperation) and not parts <= _PARTS_OF_QUERY)
        or (isinstance(node, exp.Subquery) and parts != {"this"})
        or (isinstance(node, exp.In) and not parts <= {"this", "expressions", "query"})
        or (isinstance(node, exp.Cast) and cast_affinity(node) is None)
        or (isinstance(node, exp.Anonymous) and _is_odd(node))
    ):
        raise Unclear
    parent = node.parent
    if not isinstance(parent, exp.Binary | exp.Between | exp.In | exp.Neg | exp.BitwiseNot):
        return
    loose = isinstance(node, exp.Not | exp.Connector)
    loose = loose and not isinstance(parent, exp.Connector | exp.Is)
    chained = isinstance(node, _COMPARISONS) and isinstance(parent, _COMPARISONS)
    if loose or (chained and not isinstance(parent, exp.Escape)):
        raise Unclear


def _given(node: exp.Expr) -> set[str]:
    """Return the names of a node's arguments that say something."""
    return {key for key, value in node.args.items() if value}


def _is_odd(call: exp.Anonymous) -> bool:
    return not isinstance(call.this, str) or call.this.lower() in _ODD_FUNCTIONS


def _column(key: str, name: str) -> exp.Column:
    column = exp.Column(this=exp.to_identifier(name, quoted=True), table=exp.to_identifier(key))
    column.meta["decided"] = True
    return column


def _bare(node: exp.Expr) -> exp.Expr:
    """Return a term of ORDER BY or GROUP BY without parentheses and COLLATE."""
    while isinstance(node, exp.Paren | exp.Collate):
        node = node.this
    return node


def _at(items: "tuple | list", place: int) -> exp.Expr:
    if not 1 <= place <= len(items):
        raise Unclear
    return items[place - 1]


def _number_columns(query: exp.Query) -> None:
    """Name the columns of a query that others read c0, c1, ..."""
    while isinstance(query, exp.SetOperation):
        query = query.this
    for index, item in enumerate(query.expressions):
        alias = exp.Alias(this=item.copy(), alias=exp.to_identifier(f"c{index}"))
        item.replace(alias)
