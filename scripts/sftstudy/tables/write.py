"""Writing the tables as CSV, JSON and HTML, and reading them back."""

import csv
import io
import json
from pathlib import Path

from sftstudy.files.reading import read_json
from sftstudy.files.writing import write_text
from sftstudy.pages.render import render
from sftstudy.tables.schema import COLUMNS, NAMES, Tables

# More rows than this make a browser slow; the CSV beside it has all of them.
HTML_ROWS = 3000
TEMPLATE = Path(__file__).parent / "templates/table.html"


def write(tables: Tables, folder: Path) -> None:
    """Write every table into `folder` in each format of `schema.FORMATS`."""
    for name in NAMES:
        columns = list(COLUMNS[name])
        rows = [{column: row.get(column) for column in columns} for row in tables[name]]
        handle = io.StringIO(newline="")
        writer = csv.DictWriter(handle, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(folder / f"{name}.csv", handle.getvalue())
        lines = ",\n".join(json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows)
        write_text(folder / f"{name}.json", f"[\n{lines}\n]\n")
        # A metrics file has a metric per class and type: people want the primary ones first.
        shown = sorted(rows, key=lambda row: not row["primary"]) if name == "metrics" else rows
        page = render(
            TEMPLATE,
            name=name,
            columns=COLUMNS[name],
            rows=shown[:HTML_ROWS],
            total=len(rows),
        )
        write_text(folder / f"{name}.html", page)


def read(folder: Path) -> Tables:
    """Return the tables that `write` wrote into `folder`."""
    return {name: read_json(folder / f"{name}.json") for name in NAMES}
