"""Random queries, rewritings of queries that may or may not change them, and random databases."""

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing

from sqlglot import exp

from sftstudy.tasks.nl2sql.parsing import parse_query
from sftstudy.tasks.nl2sql.sandbox_worker import equal

SCHEMAS = (
    "CREATE TABLE t (a INTEGER, b INTEGER, name TEXT, city TEXT);\n\n"
    "CREATE TABLE u (a INTEGER, c REAL, name TEXT, d TEXT COLLATE NOCASE);",
    "CREATE TABLE t (a INTEGER PRIMARY KEY, b REAL, name TEXT UNIQUE, city TEXT);\n\n"
    "CREATE TABLE u (a TEXT, c NUMERIC, name TEXT, d, PRIMARY KEY (a));",
)
COLUMNS = {"t": ("a", "b", "name", "city"), "u": ("a", "c", "name", "d")}
CONSTANTS = ["1", "2", "20", "20.0", "'1'", "'20'", "'a'", "'A'", "'c'", "NULL", "-1", "2.5", "1e0"]
# What the cells of one database are drawn from: few, so that many are equal or nearly so.
POOLS: tuple[tuple[object, ...], ...] = (
    (None, "a", "A", "b"),
    (None, "a", "A", "c", "C", 1),
    (None, 1, "1", 2, "2"),
    (20, "20", "20.0", 1, 2.5, "2.50", None),
    (None, 0, 1, -1, 2, 20),
    (None, 0, 1, 1.0, 2.5, "1", "1.0", "", "a", "A", "b", "c"),
)
Tree = exp.Expr


def database(rng: random.Random, schema: str) -> sqlite3.Connection:
    """Return a database of some rows; cells have any type, whatever was declared."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(schema)
    cells = rng.choice(POOLS)
    for table, columns in COLUMNS.items():
        for _ in range(rng.choice([2, 5, 10, 10])):
            row = [rng.choice(cells) for _ in columns]
            marks = ", ".join("?" * len(row))
            # A row that an integer key or UNIQUE refuses is left out.
            try:
                connection.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)
            except sqlite3.Error:
                continue
    return connection


class Queries:
    """Writes random queries over `COLUMNS`."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def one(self) -> str:
        pick = self.rng.random()
        if pick < 0.12:
            kind = self.rng.choice(["UNION", "UNION ALL", "INTERSECT", "EXCEPT"])
            sides = [self.select(width=1, closed=True) for _ in range(2)]
            return f" {kind} ".join(sides) + self.rng.choice(["", "", " ORDER BY 1", " LIMIT 2"])
        if pick < 0.22:
            inner = self.select(width=1, closed=self.rng.random() < 0.7, output="v")
            if self.rng.random() < 0.3:
                kind = self.rng.choice(["UNION", "UNION ALL", "EXCEPT"])
                inner = f"{self.select(1, True, 'v')} {kind} {self.select(1, True)}"
            constant = self.constant()
            outer = self.rng.choice(
                [
                    "SELECT v FROM ({}) AS q",
                    "SELECT count(*), max(v) FROM ({}) AS q",
                    "SELECT q.v, t.a FROM ({}) AS q JOIN t ON q.v = t.name WHERE t.a > 1",
                    "SELECT t.a FROM t JOIN ({}) AS q ON t.a = q.v",
                    "SELECT v / 2, typeof(v) FROM ({}) AS q",
                    f"SELECT v FROM ({{}}) AS q WHERE v = {constant} OR v IN ({constant}, 'b')",
                    f"WITH q AS ({{}}) SELECT v FROM q WHERE v > {constant} ORDER BY v",
                    "WITH q AS ({}) SELECT x.v FROM q AS x JOIN q AS y ON x.v = y.v LIMIT 2",
                ]
            )
            return outer.format(inner)
        return self.select()

    def select(self, width: int = 0, closed: bool = False, output: str = "") -> str:
        rng = self.rng
        self.tables = rng.choice([["t"], ["u"], ["t", "u"], ["t", "u"], ["t", "t"]])
        names = dict(zip(["x", "y"], self.tables, strict=False))
        if len(set(self.tables)) == len(self.tables) and rng.random() < 0.5:
            names = {table: table for table in self.tables}
        self.names = names
        source, where = self.sources()
        grouped = rng.random() < 0.3
        keys = [self.column() for _ in range(rng.randint(1, 2))] if grouped else []
        items = [self.item(keys) for _ in range(width or rng.randint(1, 3))]
        named = [items[0] + (f" AS {output or rng.choice('abv')}"), *items[1:]]
        items = named if output or rng.random() < 0.3 else items
        if rng.random() < 0.7:
            where.append(self.condition(2))
        sql = f"SELECT {'DISTINCT ' * (rng.random() < 0.15)}{', '.join(items)} FROM {source}"
        sql += f" WHERE {' AND '.join(where)}" if where else ""
        sql += f" GROUP BY {', '.join(keys)}" if keys else ""
        sql += f" HAVING {self.having()}" if keys and rng.random() < 0.4 else ""
        return sql if closed else sql + self.tail(keys, items)

    def sources(self) -> tuple[str, list[str]]:
        entries = [t if n == t else f"{t} AS {n}" for n, t in self.names.items()]
        if len(entries) == 1:
            return entries[0], []
        left, right = self.names
        on = f"{left}.{self.own(left)} = {right}.{self.own(right)}"
        kind = self.rng.choice(["JOIN", "JOIN", ",", "LEFT JOIN", "USING", "FULL JOIN"])
        if kind == ",":
            return ", ".join(entries), [on]
        if kind == "USING":
            return f"{entries[0]} JOIN {entries[1]} USING (a)", []
        return f"{entries[0]} {kind} {entries[1]} ON {on}", []

    def own(self, name: str) -> str:
        return self.rng.choice(COLUMNS[self.names[name]])

    def column(self) -> str:
        name = self.rng.choice(list(self.names))
        own = self.own(name)
        alone = len(self.names) == 1 or own in "bc"
        return own if alone and self.rng.random() < 0.5 else f"{name}.{own}"

    def value(self) -> str:
        column = self.column()
        return self.rng.choice(
            [column] * 9
            + [f"{column} + 1", f"lower({column})", f"-{column}", f"{column} / 2"]
            + [f"+{column}", f"CAST({column} AS TEXT)", f"{column} || 'a'", f"typeof({column})"]
            + [f"CASE {column} WHEN 1 THEN 'a' ELSE {column} END", f"{column} IS 1"]
        )

    def constant(self) -> str:
        rng = self.rng
        return rng.choice(CONSTANTS) if rng.random() < 0.9 else rng.choice(['"c"', '"d"', '"a"'])

    def item(self, keys: list[str]) -> str:
        rng = self.rng
        call = rng.choice(
            [
                *("count(*)", "count(1)", f"max({self.column()})", f"sum({self.column()})"),
                *(f"group_concat({self.column()})", f"count(DISTINCT {self.column()})"),
            ]
        )
        if keys:
            return rng.choice([*keys, *keys, call, call, self.column()])
        return call if rng.random() < 0.08 else self.value()

    def having(self) -> str:
        return self.rng.choice(
            [
                "count(*) > 1",
                "count(1) BETWEEN 1 AND 2",
                f"max({self.column()}) > {self.constant()}",
            ]
        )

    def condition(self, depth: int) -> str:
        rng = self.rng
        pick = rng.random()
        if depth and pick < 0.35:
            sides = f" {rng.choice(['AND', 'OR'])} ".join(self.condition(depth - 1) for _ in "12")
            return f"({sides})"
        if depth and pick < 0.45:
            return f"NOT ({self.condition(depth - 1)})"
        left = self.value()
        right = self.constant() if rng.random() < 0.7 else self.value()
        if pick < 0.75:
            return f"{left} {rng.choice(['=', '<>', '<', '<=', '>', '>='])} {right}"
        if pick < 0.83:
            values = ", ".join(self.constant() for _ in range(rng.randint(1, 3)))
            return f"{left} {rng.choice(['', 'NOT '])}IN ({values})"
        if pick < 0.9:
            return f"{left} {rng.choice(['', 'NOT '])}BETWEEN {self.constant()} AND {right}"
        if pick < 0.94:
            return f"{left} {rng.choice(['IS NULL', 'IS NOT NULL', 'IS 1', 'LIKE 1', 'GLOB 1'])}"
        if pick < 0.96:
            return f"{left} IN (SELECT name FROM u AS z WHERE z.a = {self.column()})"
        if pick < 0.97:
            return f"v {rng.choice('=<')} {right}"  # an output column, perhaps
        inner = rng.choice(["SELECT a FROM t AS z", "SELECT max(z.c) FROM u AS z"])
        return f"{left} {rng.choice('=<')} ({inner} WHERE z.a > {self.constant()})"

    def tail(self, keys: list[str], items: list[str]) -> str:
        rng = self.rng
        bare = [item.split(" AS ")[0] for item in items]
        choices = [*bare, "1", "count(*)"] if keys else [*bare, self.column(), self.value(), "b"]
        terms = [rng.choice(choices) for _ in range(rng.randint(1, 2))]
        terms = [term + rng.choice(["", "", " DESC", " DESC NULLS FIRST"]) for term in terms]
        order = f" ORDER BY {', '.join(terms)}" if rng.random() < 0.4 else ""
        return order + (f" LIMIT {rng.randint(1, 3)}" if rng.random() < 0.3 else "")


def mutated(rng: random.Random, sql: str) -> str:
    """Return a query with one to three rewritings, which may change its meaning or break it."""
    for _ in range(rng.randint(1, 3)):
        tree = parse_query(sql)
        if tree is None:
            return sql
        rng.choice(MUTATIONS)(rng, tree)
        sql = tree.sql("sqlite", normalize_functions=False)
    return sql


def _pick(rng: random.Random, tree: Tree, *kinds: type[Tree]) -> Tree | None:
    found = list(tree.find_all(*kinds))
    return rng.choice(found) if found else None


COMPARISONS = {
    **{exp.EQ: (exp.EQ, exp.NEQ), exp.NEQ: (exp.NEQ, exp.EQ), exp.LT: (exp.GT, exp.GTE)},
    **{exp.GT: (exp.LT, exp.LTE), exp.LTE: (exp.GTE, exp.GT), exp.GTE: (exp.LTE, exp.LT)},
}


def swap_operands(rng: random.Random, tree: Tree) -> None:
    node = _pick(rng, tree, exp.Binary)
    if node is not None:
        left, right = node.this, node.expression
        kind = COMPARISONS.get(type(node), (type(node),))[0] if rng.random() < 0.8 else type(node)
        node.replace(kind(this=right.copy(), expression=left.copy()))


def negate(rng: random.Random, tree: Tree) -> None:
    node = _pick(rng, tree, *COMPARISONS)
    if node is not None:
        other = COMPARISONS[type(node)][1](this=node.this.copy(), expression=node.expression.copy())
        node.replace(exp.Paren(this=exp.Not(this=exp.Paren(this=other))))


def double_negate(rng: random.Random, tree: Tree) -> None:
    node = _pick(rng, tree, *COMPARISONS, exp.In, exp.Or, exp.And)
    if node is not None:
        inner = exp.Paren(this=exp.Not(this=exp.Paren(this=node.copy())))
        node.replace(exp.Paren(this=exp.Not(this=inner)))


def de_morgan(rng: random.Random, tree: Tree) -> None:
    node = _pick(rng, tree, exp.And, exp.Or)
    if node is not None:
        kind = exp.Or if isinstance(node, exp.And) else exp.And
        sides = [exp.Not(this=exp.Paren(this=s.copy())) for s in (node.this, node.expression)]
        inner = exp.Paren(this=kind(this=sides[0], expression=sides[1]))
        node.replace(exp.Paren(this=exp.Not(this=inner)))


def list_to_or(rng: random.Random, tree: Tree) -> None:
    node = _pick(rng, tree, exp.In)
    if node is not None and node.expressions:
        values = [value.copy() for value in node.expressions]
        rng.shuffle(values)
        equal = [exp.EQ(this=node.this.copy(), expression=value) for value in values]
        joined = equal[0]
        for one in equal[1:]:
            joined = exp.Or(this=joined, expression=one)
        node.replace(exp.Paren(this=joined))


def equal_to_list(rng: random.Random, tree: Tree) -> None:
    node = _pick(rng, tree, exp.EQ)
    if node is not None:
        node.replace(exp.In(this=node.this.copy(), expressions=[node.expression.copy()]))


def shuffle_list(rng: random.Random, tree: Tree) -> None:
    node = _pick(rng, tree, exp.In, exp.Group)
    if node is not None and node.expressions:
        items = [item.copy() for item in node.expressions]
        rng.shuffle(items)
        node.set("expressions", items + items[:1] if rng.random() < 0.3 else items)


def expand_between(rng: random.Random, tree: Tree) -> None:
    node = _pick(rng, tree, exp.Between)
    if node is not None:
        low = exp.GTE(this=node.this.copy(), expression=node.args["low"].copy())
        high = exp.LTE(this=node.this.copy(), expression=node.args["high"].copy())
        node.replace(exp.Paren(this=exp.And(this=low, expression=high)))


def repeat(rng: random.Random, tree: Tree) -> None:
    node = _pick(rng, tree, *COMPARISONS)
    if node is not None:
        kind = rng.choice([exp.And, exp.Or])
        node.replace(exp.Paren(this=kind(this=node.copy(), expression=node.copy())))


def change_literal(rng: random.Random, tree: Tree) -> None:
    node = _pick(rng, tree, exp.Literal)
    if node is None or isinstance(node.parent, exp.Limit):
        return
    text = node.name
    ways = [exp.Literal(this=text, is_string=not node.is_string)]
    if text.isdigit():
        ways += [exp.Literal.number(text + ".0"), exp.Literal.number(text + "e0")]
        ways += [exp.Literal.number("0" + text), exp.Literal.string(text + ".0")]
    if text.endswith(".0"):
        ways.append(exp.Literal.number(text[:-2]))
    if text.isalpha():
        ways = [exp.Literal.string(text.swapcase()), exp.column(text, quoted=True)]
    node.replace(rng.choice(ways))


def swap_sources(rng: random.Random, tree: Tree) -> None:
    select = _pick(rng, tree, exp.Select)
    if select is None or not select.args.get("joins"):
        return
    first, join = select.args["from_"], select.args["joins"][0]
    one, other = first.this.copy(), join.this.copy()
    first.set("this", other)
    join.set("this", one)
    if rng.random() < 0.3:
        join.set("side", None)


def on_to_where(rng: random.Random, tree: Tree) -> None:
    join = _pick(rng, tree, exp.Join)
    if join is not None and join.args.get("on") and isinstance(join.parent, exp.Select):
        join.parent.where(join.args["on"].copy(), copy=False)
        join.set("on", None)
        join.set("kind", rng.choice([None, "CROSS"]))
        if rng.random() < 0.8:
            join.set("side", None)


def move_nulls(rng: random.Random, tree: Tree) -> None:
    term = _pick(rng, tree, exp.Ordered)
    if term is not None:
        part = rng.choice(["nulls_first", "desc"])
        term.set(part, not term.args.get(part))


def change_order(rng: random.Random, tree: Tree) -> None:
    order = _pick(rng, tree, exp.Order)
    if order is not None:
        terms = [term.copy() for term in order.expressions]
        rng.shuffle(terms)
        order.set("expressions", terms[:1] if rng.random() < 0.3 else terms)


def swap_sides(rng: random.Random, tree: Tree) -> None:
    node = _pick(rng, tree, exp.SetOperation)
    if node is not None:
        left, right = node.this.copy(), node.expression.copy()
        node.set("this", right)
        node.set("expression", left)


def rename(rng: random.Random, tree: Tree) -> None:
    item = _pick(rng, tree, exp.Alias)
    if item is not None:
        item.set("alias", exp.to_identifier(rng.choice("abvw")))


def collate(rng: random.Random, tree: Tree) -> None:
    column = _pick(rng, tree, exp.Column)
    if column is not None:
        column.replace(exp.Collate(this=column.copy(), expression=exp.var("NOCASE")))


def change_column(rng: random.Random, tree: Tree) -> None:
    column = _pick(rng, tree, exp.Column)
    if column is not None:
        name = rng.choice(["a", "b", "c", "d", "name", "city"])
        table = rng.choice([column.table, ""])
        column.replace(exp.column(name, table=table or None, quoted=rng.random() < 0.3))


def change_count(rng: random.Random, tree: Tree) -> None:
    star = _pick(rng, tree, exp.Star)
    if star is not None:
        star.replace(exp.Literal.number(1))


def toggle_distinct(rng: random.Random, tree: Tree) -> None:
    node = _pick(rng, tree, exp.Select, exp.SetOperation)
    if isinstance(node, exp.SetOperation):
        node.set("distinct", not node.args.get("distinct"))
    elif node is not None:
        node.set("distinct", None if node.args.get("distinct") else exp.Distinct())


def to_with(rng: random.Random, tree: Tree) -> None:
    source = _pick(rng, tree, exp.Subquery)
    if source is not None and source.alias and isinstance(tree, exp.Select):
        tree.with_("made", source.this.copy(), copy=False)
        source.replace(exp.alias_(exp.to_table("made"), source.alias, table=True))


MUTATIONS: tuple[Callable[[random.Random, Tree], None], ...] = (
    *(swap_operands, swap_operands, negate, double_negate, de_morgan, list_to_or, equal_to_list),
    *(shuffle_list, expand_between, repeat, change_literal, change_literal, swap_sources),
    *(on_to_where, move_nulls, change_order, swap_sides, rename, collate, change_column),
    *(change_count, toggle_distinct, to_with),
)


def told_apart(one: str, other: str, databases: list[sqlite3.Connection], ordered: bool) -> bool:
    """Return whether some database gives two queries other results, or runs one of them only."""
    for connection in databases:
        results = []
        for sql in (one, other):
            with closing(connection.cursor()) as cursor:
                try:
                    rows = cursor.execute(sql).fetchall()
                    results.append((len(cursor.description), rows))
                except sqlite3.Error:
                    results.append((0, []))
        if not equal(results, ordered):
            return True
    return False
