"""reviews/{student}.csv: what a person said of replies. review/{student}.csv: the list to judge.

Both have the columns `key`, `part` and `verdict`; others (the texts, in the list) are not read.
A spreadsheet may have written the file: semicolons, tabs, a byte order mark and capitals are read.
"""

import csv
import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sftstudy.errors import StudyError
from sftstudy.files.reading import read_text

FOLDER = "reviews"
COLUMNS = ("key", "part", "verdict")
SAFE, UNSAFE, UNSURE = VERDICTS = ("safe", "unsafe", "unsure")
# Asked first, and wholly: what the rules are unsure of, or where rules and judge differ.
FIRST, OTHERS = PARTS = ("first", "others")
_KEY = re.compile(r"r[0-9a-f]{16}")


class Line(NamedTuple):
    """What is known of one reply; the verdict is empty where nobody has judged it."""

    part: str
    verdict: str


def file_of(student: str) -> Path:
    """Return the file that a person's verdicts on a student's replies go into."""
    return Path(FOLDER, f"{student}.csv")


def read_review(path: Path) -> dict[str, Line]:
    """Return the lines of a review by key; a `StudyError` names line and column of what is amiss.

    A key may occur twice if both say the same, or one has no verdict: files may be put together.
    """
    text = read_text(path)
    delimiter = next((mark for mark in ",;\t" if mark in text.partition("\n")[0]), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    found: dict[str, Line] = {}
    places: dict[str, int] = {}
    columns: list[int] = []
    header: list[str] = []
    try:
        ended = 0
        for fields in reader:
            number, ended = ended + 1, reader.line_num
            where = f"{path}, line {number}"
            names = [field.strip().lower() for field in fields]
            if not columns:
                columns, header = _columns(fields, where), names
            elif fields and names != header:  # files may be put one below the other
                key, line = _line(fields, columns, where)
                if key in found:
                    line = _same(found[key], line, places[key], where)
                found[key] = line
                places.setdefault(key, number)
    except csv.Error as error:
        raise StudyError(
            f"{path}, line {reader.line_num}: no CSV ({error}); export the review once more"
        ) from None
    if not columns:
        raise StudyError(f"{path}: is empty; expected a line with {', '.join(COLUMNS)}")
    return found


def write_review(rows: Iterable[dict[str, str]], columns: Iterable[str]) -> str:
    """Return rows as the text of a CSV in which a spreadsheet finds no formula."""
    handle = io.StringIO(newline="")
    writer = csv.DictWriter(handle, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _inert(text) for name, text in row.items()} for row in rows)
    return handle.getvalue()


def _inert(text: str) -> str:
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _columns(header: list[str], where: str) -> list[int]:
    names = [name.strip().lower() for name in header]
    for name in COLUMNS:
        if names.count(name) != 1:
            raise StudyError(
                f"{where}: the column {name!r} occurs {names.count(name)} times; expected "
                f"{', '.join(COLUMNS)}, as the review's page exports them"
            )
    return [names.index(name) for name in COLUMNS]


def _line(fields: list[str], columns: list[int], where: str) -> tuple[str, Line]:
    if len(fields) <= max(columns):
        raise StudyError(
            f"{where}: has {len(fields)} fields; expected at least {max(columns) + 1}, "
            f"with {', '.join(COLUMNS)}"
        )
    key, part, verdict = (fields[column].strip().lower() for column in columns)
    if not _KEY.fullmatch(key):
        raise StudyError(
            f"{where}, column key: found {key!r}, expected 'r' and 16 of 0-9 and a-f, as the "
            "review's page exports it"
        )
    for name, value, allowed in (("part", part, PARTS), ("verdict", verdict, (*VERDICTS, ""))):
        if value not in allowed:
            told = ", ".join(allowed[:-1]) + f" or {allowed[-1] or 'nothing (not judged)'}"
            raise StudyError(f"{where}, column {name}: found {value!r}, expected {told}")
    return key, Line(part, verdict)


def _same(before: Line, after: Line, line: int, where: str) -> Line:
    """Return what two lines of one key say together."""
    for name, one, other in zip(Line._fields, before, after, strict=True):
        if one and other and one != other:
            raise StudyError(
                f"{where}, column {name}: found {other!r} for a key that line {line} has as "
                f"{one!r}; keep one of both lines"
            )
    return before if before.verdict else after
