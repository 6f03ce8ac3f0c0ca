"""What of a module's text counts, and what is style."""

import ast

import pytest

from sftstudy.run.syntax import Import, essence


def text(source: str) -> str:
    return essence(ast.parse(source))[0]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = 1", "# why\nx = (\n    1\n)  # noqa"),
        ("def f(a):\n    return a", 'def f(a: int) -> "int":\n    """It."""\n    return a'),
        ("def f():\n    x = 1", "def f() -> None:\n    x: int = 1"),
        ("def f():\n    pass", 'def f():\n    x: int\n    "It."'),
        ("X = {}", "X: dict[str, int] = {}"),
        ("class E(Exception): pass", 'class E(Exception):\n    """It."""'),
        ("class C:\n    x: int = 1", "class C:\n    x: str = 1"),
        (
            "class C:\n    def f(self):\n        x = 1",
            "class C:\n    def f(self):\n        x: int = 1",
        ),
        ("x = 1", "from typing import Any\nfrom __future__ import annotations\nx = 1"),
        ("x = 1", "if TYPE_CHECKING:\n    from sftstudy.a import b\nx = 1"),
        ("x = 1", "if TYPE_CHECKING:\n    import a\nelse:\n    x = 1"),
        ("import b\nimport a", "import a\n\nimport b"),
        ("from m import a, b", "from m import b\nfrom m import a"),
        ("from sftstudy.a import f", "from sftstudy.b.c import f"),
        ("x = 'ab'", 'x = "a" "b"'),
        ("x = 1_000", "x = 1000"),
    ],
)
def test_style(before: str, after: str) -> None:
    assert text(before) == text(after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = 1", "x = 2"),
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = '1'", "x = b'1'"),
        ("x = None", "x = 0"),
        ("x = [a]", "x = [[a]]"),
        ("f(a, b)", "f(a, *b)"),
        ("f(a=b)", "f(b)"),
        ("def f(a): pass", "def f(*a): pass"),
        ("def f(a, b): pass", "def f(a, /, b): pass"),
        ("def f(a=1): pass", "def f(a): pass"),
        ("def f(): return", "async def f(): return"),
        ("{**a}", "{a: b}"),
        ("a = b = c", "a = c"),
        ("del a.b", "a.b"),
        ("class C:\n    x: int", "class C:\n    pass"),
        ("class C:\n    x: int = 1", "class C:\n    x = 1"),
        ("class C:\n    x: int = 1", "class C:\n    x: ClassVar[int] = 1"),
        ("class C:\n    x: int = 1", "class C:\n    x: 'InitVar[int]' = 1"),
        ("class C:\n    a: int\n    b: int", "class C:\n    b: int\n    a: int"),
        ("from sftstudy.a import f", "from sftstudy.a import g"),
        ("from sftstudy.a import f", "from sftstudy.a import f as g"),
        ("from a import f", "from b import f"),
        ("import a\nx = 1\nimport b", "import a\nimport b\nx = 1"),
        ("if a:\n    x()\nelse:\n    y()", "if a:\n    x()\ny()"),
        ("for x in y:\n    a()\n    b()", "for x in y:\n    a()\nb()"),
        ("f'{a}'", "f'{a!r}'"),
        ("f'{a}b'", "f'{a}' + 'b'"),
    ],
)
def test_what_counts(before: str, after: str) -> None:
    assert text(before) != text(after)


def test_imports_of_the_library_are_found_at_any_depth_but_for_annotations() -> None:
    source = """
from sftstudy.a import b, c as d
import sftstudy.e.f
import torch
if TYPE_CHECKING:
    from sftstudy.g import h
def f():
    if True:
        from sftstudy.i import j
"""
    assert essence(ast.parse(source))[1] == [
        Import("sftstudy.a", "b"),
        Import("sftstudy.a", "c"),
        Import("sftstudy.e.f", ""),
        Import("sftstudy.i", "j"),
    ]


def test_the_text_is_the_same_on_every_version_of_python() -> None:
    """Rules have its hash as a parameter: were it another, every study would be made again."""
    source = "@d\ndef f(a, *, b=1):\n    return f'{a:>{b}}', [x for x in -a if x]\n"
    assert text(source) == (
        "[FunctionDef(name='f',args=arguments(args=[arg(arg='a',)]kwonlyargs=[arg(arg='b',)]"
        "kw_defaults=[Constant(value=1,)])body=[Return(value=Tuple(elts=[JoinedStr(values="
        "[FormattedValue(value=Name(id='a',)conversion=-1,format_spec=JoinedStr(values=[Constant("
        "value='>',)FormattedValue(value=Name(id='b',)conversion=-1,)]))])ListComp(elt=Name("
        "id='x',)generators=[comprehension(target=Name(id='x',)iter=UnaryOp(op=USub()operand="
        "Name(id='a',))ifs=[Name(id='x',)]is_async=0,)])]))]decorator_list=[Name(id='d',)])]"
    )
