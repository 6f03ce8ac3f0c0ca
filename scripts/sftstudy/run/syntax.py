"""What of a module's text has a say in what it does: its syntax tree, without what is style.

Comments, docstrings, layout, annotations, `if TYPE_CHECKING:` blocks, the order of import
statements that stand together and the place that a name of this library is imported from are no
part of it. Two kinds of annotations are: those in the body of a class make fields (of dataclasses
and typed dictionaries), and of these ClassVar, InitVar and KW_ONLY say which kind.

The text is of our own making, because that of `ast.dump` differs between versions of Python. It
names only parts of a tree that are there, so a new optional part changes nothing. What remains:
a Python that parses the same text into another tree (as 3.8 did with constants).
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

PACKAGE = "sftstudy"

_STYLE = frozenset({"annotation", "returns", "ctx", "kind", "type_comment", "type_ignores"})
# Names of these are for annotations; where one is used at run time, the use itself counts.
_TYPING = frozenset({"__future__", "collections.abc", "types", "typing", "typing_extensions"})
_FIELD_KINDS = ("ClassVar", "InitVar", "KW_ONLY")


@dataclass(frozen=True)
class Import:
    """A name that is imported from a module of this library; empty where the module itself is."""

    module: str
    name: str


def essence(tree: ast.Module) -> tuple[str, list[Import]]:
    """Return what counts of a module as text, and what it imports of this library at any depth."""
    reader = _Reader()
    reader.statements(tree.body, in_class=False)
    return "".join(reader.text), reader.imports


class _Reader:
    def __init__(self) -> None:
        self.text: list[str] = []
        self.imports: list[Import] = []

    def statements(self, body: Iterable[ast.stmt], in_class: bool) -> None:
        """Write statements; imports that follow each other are written in the order of names."""
        self.text.append("[")
        together: list[str] = []
        for statement in _effective(body, in_class):
            if isinstance(statement, ast.Import | ast.ImportFrom):
                together += self._imported(statement)
                continue
            self.text += sorted(together)
            together.clear()
            self._node(statement, in_class)
        self.text += [*sorted(together), "]"]

    def _imported(self, statement: ast.Import | ast.ImportFrom) -> Iterator[str]:
        """Yield what is imported, name by name; of this library without saying from where."""
        module = statement.module or "" if isinstance(statement, ast.ImportFrom) else ""
        for alias in statement.names:
            ours = Import(module, alias.name) if module else Import(alias.name, "")
            is_ours = ours.module.partition(".")[0] == PACKAGE
            if is_ours:
                self.imports.append(ours)
            if (module or alias.name) not in _TYPING or alias.asname:
                place = PACKAGE if is_ours and module else module
                yield f"import {place} {alias.name} {alias.asname or ''};"

    def _node(self, node: ast.AST, in_class: bool) -> None:
        if isinstance(node, ast.ClassDef):
            in_class = True
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            in_class = False
        elif isinstance(node, ast.AnnAssign) and in_class:
            self.text.append(_field_kinds(node))
        elif isinstance(node, ast.AnnAssign) and node.value:
            node = ast.Assign(targets=[node.target], value=node.value)
        self.text += [type(node).__name__, "("]
        for field in node._fields:
            if field not in _STYLE:
                value = getattr(node, field, None)
                if value is not None and value != []:
                    self.text += [field, "="]
                    self._value(value, in_class)
        self.text.append(")")

    def _value(self, value: Any, in_class: bool) -> None:
        if isinstance(value, ast.AST):
            self._node(value, in_class)
        elif not isinstance(value, list):
            self.text.append(ascii(value) + ",")
        elif isinstance(value[0], ast.stmt):
            self.statements(value, in_class)
        else:
            self.text.append("[")
            for item in value:
                self._value(item, in_class)
            self.text.append("]")


def _effective(body: Iterable[ast.stmt], in_class: bool) -> Iterator[ast.stmt]:
    """Yield the statements of a body that do something."""
    for statement in body:
        match statement:
            case ast.Pass() | ast.Expr(value=ast.Constant()):
                pass
            case ast.AnnAssign(value=None) if not in_class:
                pass
            case ast.If(test=ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING")):
                yield from _effective(statement.orelse, in_class)
            case _:
                yield statement


def _field_kinds(field: ast.AnnAssign) -> str:
    said = ast.dump(field.annotation)
    return "".join(f"{kind} " for kind in _FIELD_KINDS if kind in said)
