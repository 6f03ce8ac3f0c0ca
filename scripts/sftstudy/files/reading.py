"""Reading of the study's files: strict, with errors that name file, line and key."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sftstudy.errors import StudyError
from sftstudy.files.ledger import LEDGER


class MissingKey(StudyError, KeyError):
    """An object of a JSON file lacks a key; to templates it is a `KeyError`, as of any object."""

    __str__ = Exception.__str__


class Document(dict[str, Any]):
    """An object of a JSON file: a key that it lacks is an error that names the file and the key."""

    __slots__ = ("_where",)

    def __init__(self, pairs: Iterable[tuple[str, Any]], where: str) -> None:
        super().__init__(pairs)
        self._where = where

    def __missing__(self, key: str) -> Any:
        found = ", ".join(map(repr, list(self)[:8])) or "nothing"
        raise MissingKey(
            f"{self._where}: the key {key!r} is missing from an object that holds {found}; the "
            "file was edited or damaged: delete it and make it again"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)  # a copy is an object of no file


def place(document: Document) -> str:
    """Return the file, and for JSONL the line, that an object was read from."""
    return document._where


def read_text(path: Path, enter: bool = True) -> str:
    """Return the file's text; a `StudyError` names the file and the byte that is not UTF-8.

    The file is entered in the `LEDGER` as an input of this job, unless `enter` says otherwise.
    """
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise StudyError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise StudyError(f"{path}: is a folder, expected a file") from None
    if enter:
        LEDGER.read(path, data)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise StudyError(
            f"{path}, line {line}: byte {data[error.start]:#04x} is not UTF-8; "
            "the file is damaged or has another encoding: fetch it again or convert it to UTF-8"
        ) from None


def read_json(path: Path, enter: bool = True) -> Any:
    """Return the parsed JSON document; a cut or malformed file is a `StudyError` with its line."""
    try:
        return _parsed(read_text(path, enter), str(path))
    except json.JSONDecodeError as error:
        raise StudyError(
            f"{path}, line {error.lineno}, column {error.colno}: not valid JSON ({error.msg}); "
            "the file is cut off or damaged: delete it and make it again"
        ) from None


def read_jsonl(path: Path) -> list[Document]:
    """Return one object per non-empty line.

    A byte-order mark and CRLF line ends are accepted. A line that is not a JSON object, or holds a
    NUL byte, or what JSON or UTF-8 do not have, is a `StudyError` that names file and line.
    """
    rows = []
    # Not str.splitlines: it would also break at U+2028 and U+0085, which JSON strings may contain.
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        line = line.rstrip("\r")
        if not line.strip():
            continue
        if "\0" in line:
            raise StudyError(f"{path}, line {number}: contains a NUL byte; the file is damaged")
        try:
            row = _parsed(line, f"{path}, line {number}")
        except json.JSONDecodeError as error:
            raise StudyError(
                f"{path}, line {number}: not valid JSON ({error.msg} at column {error.colno}); "
                "the file is cut off or damaged"
            ) from None
        if not isinstance(row, Document):
            raise StudyError(
                f"{path}, line {number}: expected a JSON object, found {type(row).__name__}"
            )
        rows.append(row)
    return rows


def _parsed(text: str, where: str) -> Any:
    """Return a JSON document; `StudyError` for what Python's parser takes or chokes on.

    That is: NaN and infinity, one key twice in an object, half a surrogate pair (which no UTF-8
    file can hold), a depth or a number of digits that is an attack and no data.
    """

    def refuse(constant: str) -> None:
        raise StudyError(f"{where}: holds {constant}, which is no JSON; write null or a number")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        document = Document(pairs, where)
        if len(document) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise StudyError(f"{where}: the key {twice!r} occurs twice in one object; keep one")
        return document

    try:
        document = json.loads(text, parse_constant=refuse, object_pairs_hook=unique)
        if "\\u" in text:
            json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise StudyError(
            f"{where}: holds half a surrogate pair (\\ud800 to \\udfff), which is no character; "
            "the text was cut inside a character: mend or leave out the row"
        ) from None
    except json.JSONDecodeError:
        raise
    except (RecursionError, ValueError) as error:
        raise StudyError(f"{where}: cannot be read as JSON ({error}); leave out the row") from None
    return document
