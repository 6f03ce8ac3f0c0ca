"""Reading the raw sources' tabular files: which layout lies there, and rows that can be named."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sftstudy.errors import StudyError
from sftstudy.files.reading import read_text
from sftstudy.records.record import use

# CSV fields are whole documents in some sources; the csv module stops at 128 KiB by default.
_FIELD_LIMIT = 16 * 1024 * 1024


def first_match(raw: Path, patterns: Sequence[str]) -> list[Path]:
    """Return the sorted files of the first of `patterns` (globs below `raw`) that matches any.

    Raises `StudyError` naming everything that was looked for when none matches.
    """
    for pattern in patterns:
        if found := sorted(raw.glob(pattern)):
            return found
    raise StudyError(
        f"{raw}: none of the known layouts is there; looked for {', '.join(patterns)}; "
        "point the source at a snapshot of the hub's repository or at the publisher's files"
    )


def read_csv(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield ``("<path>, line <n>", record)`` for every record of a CSV file with a header.

    `columns` must be in the header. A record with too few or too many fields, or a quote that is
    never closed (a file cut in half), is a `StudyError`.
    """
    csv.field_size_limit(_FIELD_LIMIT)
    # newline="" keeps line ends inside quoted fields as they are.
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        header = next(reader, [])
        _require_columns(path, header, columns)
        for values in reader:
            where = f"{path}, line {reader.line_num}"
            if len(values) != len(header):
                raise StudyError(
                    f"{where}: found {len(values)} fields, expected {len(header)} "
                    f"({', '.join(header)}); the file is cut off or damaged: fetch it again"
                )
            yield where, dict(zip(header, values, strict=True))
    except csv.Error as error:
        raise StudyError(
            f"{path}, line {reader.line_num}: not valid CSV ({error}); "
            "the file is cut off or damaged: fetch it again"
        ) from None


def csv_header(path: Path) -> list[str]:
    """Return the column names in the first line of a CSV file."""
    return next(csv.reader(io.StringIO(read_text(path), newline="")), [])


def read_parquet(
    path: Path, columns: Sequence[str] | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield ``("<path>, row <n>", record)`` (rows counted from 1) with only `columns`, or all."""
    import pyarrow.parquet

    table = open_parquet(path)
    _require_columns(path, table.schema_arrow.names, columns or ())
    try:
        records = table.read(columns=columns and list(columns)).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise StudyError(f"{path}: cannot be decoded ({error}); fetch it again") from None
    for number, record in enumerate(records, start=1):
        yield f"{path}, row {number}", record


def open_parquet(path: Path) -> Any:
    """Return the `pyarrow.parquet.ParquetFile`; a cut or foreign file is a `StudyError`."""
    import pyarrow.parquet

    use(path)
    try:
        return pyarrow.parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise StudyError(
            f"{path}: not a readable parquet file ({error}); "
            "the file is cut off or damaged: fetch it again"
        ) from None


def require_text(where: str, record: dict[str, Any], column: str) -> str:
    """Return the record's text without surrounding blanks; empty or missing is a `StudyError`."""
    value = record.get(column)
    if not isinstance(value, str) or not value.strip():
        raise StudyError(
            f"{where}: {column!r} is {value!r}, expected text; mend the row or leave it out"
        )
    return value.strip()


def require_unique_ids(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Raise `StudyError` when two rows share their ``id``."""
    seen: set[str] = set()
    for number, row in enumerate(rows, start=1):
        if row["id"] in seen:
            raise StudyError(
                f"{path}, row {number}: id {row['id']!r} occurs twice; ids must be unique"
            )
        seen.add(row["id"])


def _require_columns(path: Path, found: Sequence[str], expected: Sequence[str]) -> None:
    if missing := [column for column in expected if column not in found]:
        raise StudyError(
            f"{path}: column {missing[0]!r} is missing; found {list(found)}, "
            f"expected {list(expected)}"
        )
