"""Files are read strictly: what is damaged is said with its place."""

from pathlib import Path

import pytest

from sftstudy.errors import StudyError
from sftstudy.files.reading import read_json, read_jsonl
from sftstudy.files.writing import write_jsonl


def test_jsonl_keeps_every_character_that_json_allows(tmp_path: Path) -> None:
    rows = [{"text": 'line\u2028separator \x85 \\ " \n \t \U0001f600'}, {"text": ""}]
    write_jsonl(tmp_path / "a.jsonl", rows)
    assert read_jsonl(tmp_path / "a.jsonl") == rows


def test_jsonl_accepts_byte_order_mark_crlf_and_empty_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\r\n{"a": 2}\r\n')
    assert read_jsonl(path) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1}\n{"a": ', "line 2: not valid JSON"),
        (b'{"a": 1}\n[1]\n', "line 2: expected a JSON object, found list"),
        (b'{"a": 1}\n{"a": "\0"}\n', "line 2: contains a NUL byte"),
        (b'{"a": 1}\n{"a": "\xff"}\n', "line 2: byte 0xff is not UTF-8"),
    ],
)
def test_damaged_jsonl_names_file_and_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(StudyError) as error:
        read_jsonl(path)
    assert f"{path}, {message}" in str(error.value)


def test_cut_json_missing_file_and_folder_are_readable_errors(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a": [1,\n 2')
    with pytest.raises(StudyError, match=r"a\.json, line 2, column 3: not valid JSON"):
        read_json(path)
    with pytest.raises(StudyError, match="no such file"):
        read_json(tmp_path / "b.json")
    with pytest.raises(StudyError, match="is a folder"):
        read_json(tmp_path)
