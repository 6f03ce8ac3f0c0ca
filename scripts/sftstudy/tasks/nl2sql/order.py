"""Where the order in which SQLite comes across rows decides what a query returns.

A LIMIT among rows that tie, rows of the result that tie, a column outside GROUP BY, the first row
of a subquery, which of two equal values stands for both: there SQLite's plan decides, and the plan
may change with the order of tables and with how a condition is written. Sums of floating numbers
are left out: they agree in the digits that are compared.
"""

from collections.abc import Iterator

from sqlglot import exp

from sftstudy.tasks.nl2sql.values import Values, function_name

_AGGREGATES = {"count", "sum", "total", "avg", "min", "max"}
_LISTS = {"group_concat", "string_agg", "json_group_array", "json_group_object"}


def decides(query: exp.Query, ordered: bool, values: Values) -> bool:
    """Return whether the order of scanned rows decides the result of a query.

    `ordered` says that the order of the query's own rows matters to who reads them.
    """
    limited = any(query.args.get(part) for part in ("limit", "offset"))
    if (ordered or limited) and not _is_total(query, values):
        return True
    if isinstance(query, exp.Select):
        return _chooses(query, values)
    return not _is_even(query, values)


def is_scalar(query: exp.Query) -> bool:
    """Return whether a subquery stands for a value: its first row's, if it has several."""
    return isinstance(query.parent, exp.Subquery) and not isinstance(query.parent.parent, exp.In)


def yields_one_row(query: exp.Query) -> bool:
    return isinstance(query, exp.Select) and not query.args.get("group") and _is_aggregate(query)


def leaves(query: exp.Query) -> Iterator[exp.Select]:
    """Yield the SELECTs that a compound is made of."""
    if isinstance(query, exp.SetOperation):
        yield from leaves(query.this)
        yield from leaves(query.expression)
    elif isinstance(query, exp.Select):
        yield query


def _is_total(query: exp.Query, values: Values) -> bool:
    """Return whether rows that tie in ORDER BY are the same rows."""
    order = query.args.get("order")
    if order is None:
        return False
    keys = [term.this.unnest() for term in order.expressions]
    if not isinstance(query, exp.Select):
        width = len(next(leaves(query)).expressions)
        return _is_even(query, values) and {str(place) for place in range(1, width + 1)} <= {
            key.name for key in keys if isinstance(key, exp.Literal)
        }
    items = [_unnamed(item) for item in query.expressions]
    if query.args.get("distinct") and not all(key in items for key in keys):
        return False  # which of the rows that become one gives the key?
    if all(
        isinstance(item, exp.Literal) or (item in keys and values.is_steady(item)) for item in items
    ):
        return True
    group = query.args.get("group")
    return group is not None and all(
        item.unnest() in keys and values.is_steady(item) for item in group.expressions
    )


def _is_even(query: exp.Query, values: Values) -> bool:
    """Return whether equal rows of a compound's sides are identical, and are read alike."""
    for column in zip(*(select.expressions for select in leaves(query)), strict=True):
        items = [_unnamed(item) for item in column]
        if not all(map(values.is_steady, items)) or len(set(map(values.affinity, items))) > 1:
            return False
    return True


def _chooses(select: exp.Select, values: Values) -> bool:
    """Return whether a SELECT takes one of several rows, or of several equal values."""
    if any(isinstance(node, exp.Window) for node in _own(select)):
        return True
    entries = [values.sources[source.alias] for source in sources(select)]
    if any(column.mixed for entry in entries for column in entry.columns):
        return True
    calls = [node for node in _own(select) if isinstance(node, exp.Anonymous)]
    for call in calls:
        extreme = function_name(call) in ("min", "max") and len(call.expressions) == 1
        if function_name(call) in _LISTS or (extreme and not values.is_steady(call)):
            return True
    if select.args.get("distinct") and not all(
        values.is_steady(_unnamed(item)) for item in select.expressions
    ):
        return True
    group = select.args.get("group")
    if group is None and not _is_aggregate(select):
        return False
    keys = [item.unnest() for item in group.expressions] if group else []
    keys = [key for key in keys if values.is_steady(key)]
    here = {source.alias for source in sources(select)}
    having, order = select.args.get("having"), select.args.get("order")
    parts = [*select.expressions, having, order]
    return any(_is_bare(part, keys, here) for part in parts if part is not None)


def _is_bare(node: exp.Expr, keys: list[exp.Expr], here: set[str]) -> bool:
    """Return whether an expression has a column outside aggregates that no key determines."""
    inner = node.unnest()
    if inner in keys or is_aggregate(inner):
        return False
    if isinstance(inner, exp.Column):
        return inner.table in here
    return any(_is_bare(child, keys, here) for child in inner.iter_expressions())


def is_aggregate(node: exp.Expr) -> bool:
    """Return whether a node calls an aggregate function."""
    if not isinstance(node, exp.Anonymous):
        return False
    name = function_name(node)
    several = name in ("min", "max") and len(node.expressions) > 1
    return name in _AGGREGATES | _LISTS and not several


def _is_aggregate(select: exp.Select) -> bool:
    return any(is_aggregate(node) for node in _own(select))


def _own(select: exp.Select) -> Iterator[exp.Expr]:
    """Yield the nodes of a SELECT's expressions, without those of queries inside."""
    parts = [*select.expressions, select.args.get("having"), select.args.get("order")]
    for part in parts:
        if part is not None:
            for node in part.walk(prune=lambda one: isinstance(one, exp.Select)):
                if not isinstance(node, exp.Select):
                    yield node


def sources(select: exp.Select) -> Iterator[exp.Expr]:
    """Yield the entries of FROM, in order."""
    if select.args.get("from_"):
        yield select.args["from_"].this
    for join in select.args.get("joins") or []:
        yield join.this


def _unnamed(item: exp.Expr) -> exp.Expr:
    return item.unalias().unnest()
