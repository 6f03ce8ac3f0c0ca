"""Which affinity and collation an expression has, and so what SQLite takes for equal.

Rules: https://www.sqlite.org/datatype3.html, sections 3, 4.2 and 7.1. Expressions are those of
`names.resolve`: a column's table is the key of a source.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from sqlglot import exp

from sftstudy.tasks.nl2sql.schema import BINARY, Column, affinity

NO_AFFINITY = "BLOB"  # of expressions too: as of such a column, nothing is converted for it
_NUMERIC = ("INTEGER", "REAL", "NUMERIC")
_DIGITS = 15  # that a double keeps
_PLAIN_NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)
# Equal values of these are identical: they have one storage class.
_ONE_CLASS = {"count", "avg", "total", "length", "lower", "upper", "substr", "date", "strftime"}


@dataclass(frozen=True)
class Source:
    """An entry of FROM, with the columns that it has."""

    name: str  # of the table or of the WITH entry; empty for a query in FROM
    columns: tuple[Column, ...]
    query: exp.Query | None = None  # None for a table

    def column(self, name: str) -> Column:
        """Return a column by the name that `names.resolve` wrote."""
        if self.query is not None:
            return self.columns[int(name.removeprefix("c"))]
        return next(column for column in self.columns if column.name == name)


class Values:
    """What is known of the values of expressions over some sources.

    `binary` says that no other collation can occur: no column has one, no COLLATE is written.
    """

    def __init__(self, sources: Mapping[str, Source], binary: bool) -> None:
        self.sources, self.binary = sources, binary

    def affinity(self, node: exp.Expr) -> str | None:
        """Return the affinity of an expression; None where it is not known for certain."""
        node = node.unnest()
        if isinstance(node, exp.Column):
            return self.sources[node.table].column(node.name).affinity
        if isinstance(node, exp.Cast):
            return cast_affinity(node)
        return None if isinstance(node, exp.Collate | exp.Subquery) else NO_AFFINITY

    def collation(self, node: exp.Expr) -> str | None:
        """Return the collation that an operand brings: empty for none, None if not known."""
        node = node.unnest()
        if node.find(exp.Collate, exp.Subquery):
            return BINARY if self.binary else None
        if isinstance(node, exp.Column):
            known = self.sources[node.table].column(node.name).collation
            return BINARY if self.binary else known
        return self.collation(node.this) if isinstance(node, exp.Cast) else ""

    def symmetric(self, left: exp.Expr, right: exp.Expr) -> bool:
        """Return whether a comparison has the same collation whichever side stands first."""
        first, second = self.collation(left), self.collation(right)
        return "" in (first, second) or (first == second and first is not None)

    def is_steady(self, node: exp.Expr) -> bool:
        """Return whether values that compare equal are identical, so that either may stand.

        'a' and 'A' are not where case is ignored, 1 and 1.0 are not where types are free.
        """
        node = node.unnest()
        if self.collation(node) not in ("", BINARY):
            return False
        if isinstance(node, exp.Column | exp.Cast):
            return self.affinity(node) in (*_NUMERIC, "TEXT")
        if isinstance(node, exp.Anonymous):
            name = function_name(node)
            if name in ("min", "max") and len(node.expressions) == 1:
                return self.is_steady(node.expressions[0])
            return name in _ONE_CLASS
        return isinstance(node, exp.Literal)

    def column(self, name: str | None, node: exp.Expr) -> Column:
        """Return the column of a query that an expression makes."""
        inner = node.unnest()
        if isinstance(inner, exp.Column):
            known = self.sources[inner.table].column(inner.name)
            return replace(known, name=name)
        return Column(name, None, None)


def function_name(node: exp.Anonymous) -> str:
    """Return the name of a function: one of its names, in lower case."""
    name = str(node.this).lower()
    return {"ifnull": "coalesce", "substring": "substr"}.get(name, name)


def cast_affinity(node: exp.Cast) -> str | None:
    """Return the affinity that a CAST gives; None if the type was not kept."""
    declared = node.meta.get("declared")
    return None if declared is None else affinity(declared)


def literal(node: exp.Expr) -> str | None:
    """Return the text of a constant, as SQL without regard to its spelling; None for others."""
    node = node.unnest()
    if isinstance(node, exp.Null):
        return "NULL"
    if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal) and node.this.is_number:
        return "-" + node.this.name.lower()
    if isinstance(node, exp.Literal):
        return exp.Literal.string(node.name).sql() if node.is_string else node.name.lower()
    return None


def compared(node: exp.Expr, other: str | None) -> str | None:
    """Return the text of a constant that is compared with something of the affinity `other`.

    Constants that no such comparison tells apart have one text: 20.0 and 20 unless against text,
    '20' and 20 against a column of numbers or of text.
    """
    text = literal(node)
    if text is None or other is None or text == "NULL":
        return text
    is_string = text.startswith("'")
    if other == "TEXT":
        # A whole number is converted to its digits; a larger one is floating.
        whole = not is_string and text.lstrip("-").isdigit() and abs(int(text)) < 2**63
        return f"'{int(text)}'" if whole else text
    if is_string and (other not in _NUMERIC or not _PLAIN_NUMBER.fullmatch(text[1:-1])):
        return text
    return _number(text.strip("'"))


def _number(text: str) -> str:
    """Return one spelling of a number, if a double holds it exactly as written."""
    value = Decimal(text)
    digits = value.normalize().as_tuple().digits
    # Beyond these sizes a whole number is not always the same as integer and as double.
    if len(digits) > _DIGITS or abs(value) >= 10**_DIGITS:
        return text
    return str(int(value)) if value == value.to_integral_value() else str(value.normalize())
