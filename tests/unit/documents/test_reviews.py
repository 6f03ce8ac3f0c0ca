"""A review that people hand in is read strictly; a spreadsheet's ways to write it are known."""

from pathlib import Path

import pytest

from sftstudy.documents.reviews import Line, read_review, write_review
from sftstudy.errors import StudyError

A, B = "r" + "a" * 16, "r" + "b" * 16
HEADER = "key,part,verdict\n"


def read(folder: Path, text: str) -> dict[str, Line]:
    file = folder / "tiny.csv"
    file.write_text(text, encoding="utf-8")
    return read_review(file)


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADER}{A},first,safe\n{B},others,\n",
        f"\ufeffKey;Part;Verdict\r\n{A};First;Safe\r\n{B};others;\r\n",
        f'control\tkey\tpart\treply\tverdict\nx\t{A}\tfirst\t"two\nlines"\tsafe\nx\t{B}\tothers\ty\t\n',
        f"{HEADER}{A},first,\n\n{A},first,safe\n{B},others,\n{A},first,safe\n",
        f"{HEADER}{A},first,safe\n{HEADER}{B},others,\n",  # two files, one below the other
    ],
)
def test_what_a_person_or_a_spreadsheet_writes(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == {A: Line("first", "safe"), B: Line("others", "")}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["tiny.csv: is empty", "key, part, verdict"]),
        ("key,verdict\n", ["line 1", "'part' occurs 0 times"]),
        ("key,part,verdict,verdict\n", ["line 1", "'verdict' occurs 2 times"]),
        (f"{HEADER}{A},first,saef\n", ["line 2, column verdict", "'saef'", "safe, unsafe, unsure"]),
        (f"{HEADER}{A},second,safe\n", ["line 2, column part", "'second'", "first or others"]),
        (f"{HEADER}\n1.2E+15,first,safe\n", ["line 3, column key", "'1.2e+15'"]),
        (f"{HEADER}{A},first\n", ["line 2", "has 2 fields"]),
        (
            f"{HEADER}{A},first,safe\n{B},first,safe\n{A},first,unsafe\n",
            ["line 4, column verdict", "'unsafe'", "line 2 has", "'safe'"],
        ),
        (f"{HEADER}{A},first,safe\n{A},others,safe\n", ["line 3, column part"]),
        (f'{HEADER}{A},first,"safe\n', ["no CSV"]),
    ],
)
def test_what_is_amiss_is_named(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(StudyError) as caught:
        read(tmp_path, text)
    for word in words:
        assert word in str(caught.value)


def test_a_line_is_counted_by_where_it_begins(tmp_path: Path) -> None:
    text = f'key,part,verdict,reply\n{A},first,safe,"a\nb\nc"\n{B},first,no,x\n'
    with pytest.raises(StudyError, match="line 5, column verdict"):
        read(tmp_path, text)


def test_no_text_is_a_formula() -> None:
    texts = ["=1+1", "+1", "-1", "@a", "\tx", "a=1"]
    rows = [{"key": A, "reply": text} for text in texts]
    lines = write_review(rows, ["key", "reply"]).splitlines()[1:]
    assert [line.partition(",")[2].strip('"')[0] for line in lines] == ["'"] * 5 + ["a"]
