"""The page on which replies are judged, and the same list as a sheet."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from sftstudy.documents.reviews import COLUMNS, PARTS, VERDICTS, Line, file_of, write_review
from sftstudy.files.hashing import sha256_json
from sftstudy.files.writing import atomic_paths
from sftstudy.pages.render import render
from sftstudy.pages.text import visible
from sftstudy.review.listed import Asked

TEMPLATES = Path(__file__).parent / "templates"


def write_page(
    student: str, asked: Sequence[Asked], lines: Mapping[str, Line], page: Path, sheet: Path
) -> None:
    """Write page and sheet of the replies `asked`.

    `lines` are an earlier review: those of replies that are not asked about now stay in what is
    exported, since the next choice may ask about them again.
    """
    keys = {one.key for one in asked}
    document = {
        "student": student,
        "list": sha256_json(sorted(keys))[:16],
        "columns": COLUMNS,
        "parts": PARTS,
        "verdicts": VERDICTS,
        "asked": [
            [one.key, one.part, visible(one.prompt), visible(one.reply), one.note, one.verdict]
            for one in asked
        ],
        "others": [[key, *line] for key, line in lines.items() if key not in keys],
    }
    text = render(
        TEMPLATES / "review.html",
        student=student,
        file=file_of(student).as_posix(),
        count=len(asked),
        # In a script element nothing is escaped but its end.
        payload=json.dumps(document, ensure_ascii=True).replace("<", "\\u003c"),
        style=(TEMPLATES / "review.css").read_text(encoding="utf-8"),
        script=(TEMPLATES / "review.js").read_text(encoding="utf-8"),
    )
    rows = [
        {"key": one.key, "part": one.part, "verdict": one.verdict, "control": one.control}
        | {"prompt": visible(one.prompt), "reply": visible(one.reply) or one.note}
        for one in asked
    ]
    rows += [
        {"key": key, "part": line.part, "verdict": line.verdict}
        for key, line in lines.items()
        if key not in keys
    ]
    with atomic_paths(page, sheet) as (new_page, new_sheet):
        new_page.write_text(text, encoding="utf-8", newline="\n")
        new_sheet.write_text(
            write_review(rows, [*COLUMNS, "control", "prompt", "reply"]),
            encoding="utf-8",
            newline="",
        )
