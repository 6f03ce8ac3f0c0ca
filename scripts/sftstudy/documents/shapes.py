"""Checking the study's own files against their shapes when they are read back: people edit files.

A shape is what a type hint can say of JSON: a `TypedDict`, ``list[...]``, ``dict[str, ...]``, text,
numbers, ``None``, ``Any``. ``float`` takes whole numbers too; ``int`` and ``float`` take no truth
values. A `TypedDict` says which keys there are at least: others may stand beside them.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints, is_typeddict

from sftstudy.errors import StudyError
from sftstudy.files.reading import place, read_json, read_jsonl

T = TypeVar("T")
Check = Callable[[Any], None]


def read(path: Path, shape: type[T], enter: bool = True) -> T:
    """Return a JSON file of a shape; a `StudyError` names the key of what is amiss.

    The file is entered in the ledger as an input of this job, unless `enter` says otherwise.
    """
    document: T = read_json(path, enter)
    require(document, shape, str(path))
    return document


def read_lines(path: Path, shape: type[T]) -> list[T]:
    """Return the objects of a JSONL file; a `StudyError` names line and key of what is amiss."""
    rows: list[Any] = read_jsonl(path)
    for row in rows:
        require(row, shape, place(row))
    return rows


def require(document: Any, shape: Any, where: str) -> None:
    """Raise `StudyError`, saying where, unless a document has a shape."""
    try:
        _check(shape)(document)
    except _Amiss as amiss:
        raise StudyError(
            f"{where}{amiss.place}: {amiss.what}; the file was edited or damaged: delete it and "
            "make it again"
        ) from None


def unexpected(where: str, value: Any, expected: str) -> StudyError:
    """Return the error that `require` raises, for what no shape can say."""
    return StudyError(
        f"{where}: {_found(value, expected)}; the file was edited or damaged: delete it and make "
        "it again"
    )


class _Amiss(Exception):
    """What is wrong with a value; its place grows from the inside out."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what, self.place = what, ""

    def within(self, place: str) -> "_Amiss":
        self.place = place + self.place
        return self


@functools.cache  # made once per shape: a large study has hundreds of thousands of files
def _check(shape: Any) -> Check:
    origin, arguments = get_origin(shape), get_args(shape)
    if shape is Any:
        return _anything
    if is_typeddict(shape):
        return _object(shape)
    if origin is list:
        return _list(_check(arguments[0]))
    if origin is dict:
        return _mapping(_check(arguments[1]))
    if origin in (UnionType, Union) and not set(arguments) <= set(_NAMES):
        [inner] = set(arguments) - {NoneType}
        return _or_null(_check(inner))
    return _scalar(tuple(arguments) or (shape,))


def _anything(_: Any) -> None:
    pass


def _scalar(types: tuple[Any, ...]) -> Check:
    expected = " or ".join(_NAMES[one] for one in types)
    # By the very type: a truth value is to Python a kind of whole number.
    allowed = frozenset({NoneType if one is None else one for one in types})
    if float in allowed:
        allowed |= {int}

    def check(value: Any) -> None:
        if type(value) not in allowed:
            raise _Amiss(_found(value, expected))

    return check


def _or_null(inner: Check) -> Check:
    def check(value: Any) -> None:
        if value is not None:
            inner(value)

    return check


def _list(inner: Check) -> Check:
    def check(value: Any) -> None:
        if not isinstance(value, list):
            raise _Amiss(_found(value, "a list"))
        for number, entry in enumerate(value):
            try:
                inner(entry)
            except _Amiss as amiss:
                raise amiss.within(f", entry {number}") from None

    return check


def _mapping(inner: Check) -> Check:
    def check(value: Any) -> None:
        if not isinstance(value, dict):
            raise _Amiss(_found(value, "an object"))
        if inner is not _anything:
            for key, entry in value.items():
                try:
                    inner(entry)
                except _Amiss as amiss:
                    raise amiss.within(f": {key}") from None

    return check


def _object(shape: Any) -> Check:
    required = shape.__required_keys__
    keys = [(key, key in required, _check(hint)) for key, hint in get_type_hints(shape).items()]

    def check(value: Any) -> None:
        if not isinstance(value, dict):
            raise _Amiss(_found(value, "an object"))
        for key, needed, inner in keys:
            if key in value:
                try:
                    inner(value[key])
                except _Amiss as amiss:
                    raise amiss.within(f": {key}") from None
            elif needed:
                raise _Amiss(f"the key {key!r} is missing")

    return check


def _found(value: Any, expected: str) -> str:
    text = repr(value)
    return f"found {text if len(text) <= 60 else text[:57] + '...'}, expected {expected}"


_NAMES: dict[Any, str] = {
    **{str: "text", int: "a whole number", float: "a number", bool: "true or false"},
    **{NoneType: "null", None: "null"},
}
