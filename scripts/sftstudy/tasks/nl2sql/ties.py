"""Which rows of a query's result may change places: those that tie in its ORDER BY.

SQL leaves their order open, and with LIMIT also which of them are in the result. A query like
``SELECT name FROM singer ORDER BY age LIMIT 1`` has several right answers if two singers are the
youngest. `ranked` makes a query that returns all rows, those beyond the limit too, with their
place: rows that tie have the same. `sandbox_worker.permitted` decides by it.
"""

from dataclasses import dataclass
from functools import lru_cache

from sqlglot import exp

from sftstudy.tasks.nl2sql.canonical import canonical
from sftstudy.tasks.nl2sql.names import resolve
from sftstudy.tasks.nl2sql.parsing import DIALECT


@dataclass(frozen=True)
class Ranked:
    """A query whose last column is the place of a row, and how many rows the original skips."""

    sql: str
    offset: int


@lru_cache(maxsize=4096)  # the same references come back for every checkpoint
def ranked(sql: str, schema: str) -> Ranked | None:
    """Return the query that ranks all rows of an ordered one by the terms of its ORDER BY.

    None for a query without order, and where ranking it might change its rows: then only the
    order that SQLite gives is known to be right. So it is with DISTINCT by something else than
    what is returned, and with queries without canonical form.
    """
    resolved = resolve(sql, schema)
    if resolved is None or resolved.query.args.get("order") is None:
        return None
    query = resolved.query
    # What we rank must be the query, after it was written anew.
    if canonical(resolved.sql(), schema) != canonical(sql, schema):
        return None
    skipped = query.args["offset"].expression if query.args.get("offset") else None
    if skipped is not None and not (isinstance(skipped, exp.Literal) and skipped.is_int):
        return None
    order = query.args["order"].copy()
    query.set("limit", None)
    query.set("offset", None)
    if isinstance(query, exp.Select):
        keys = [term.this for term in order.expressions]
        if query.args.get("distinct") and not all(key in query.expressions for key in keys):
            return None
        query.append("expressions", _place(order))
    else:
        query = _around(query, order)
    return Ranked(_text(query), int(skipped.name) if skipped is not None else 0)


def _place(order: exp.Order) -> exp.Window:
    return exp.Window(this=exp.Anonymous(this="DENSE_RANK"), order=order, over="OVER")


def _around(compound: exp.Query, order: exp.Order) -> exp.Select:
    """Return a compound's rows with their places; its ORDER BY has numbers of columns."""
    compound.set("order", None)
    first = compound
    while isinstance(first, exp.SetOperation):
        first = first.this
    names = [f"c{number}" for number in range(1, len(first.expressions) + 1)]
    first.set(
        "expressions",
        [exp.alias_(item, name) for item, name in zip(first.expressions, names, strict=True)],
    )
    for number in list(order.find_all(exp.Literal)):
        number.replace(exp.column(f"c{number.name}"))
    with_ = compound.args.pop("with_", None)
    around = exp.select(*names, _place(order)).from_(exp.Subquery(this=compound))
    if with_ is not None:
        around.set("with_", with_)
    return around


def _text(query: exp.Query) -> str:
    return query.sql(DIALECT, normalize_functions=False)
