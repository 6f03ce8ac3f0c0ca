"""YAML that people write: what would be taken in silence is an error with line and key."""

from pathlib import Path

import pytest

from sftstudy.cluster.site import read_site
from sftstudy.documents.recipe_file import read_recipe
from sftstudy.errors import StudyError
from sftstudy.files.strict_yaml import parse_yaml, read_yaml
from sftstudy.sources import lock


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", ["line 3: a: ", "line 1 too"]),
        ("a:\n  - {b: {c: 1}}\n  - b: {c: 1,\n        c: 2}\n", ["line 4: a.1.b.c: ", "line 3"]),
        ("a: .inf", ["line 1: a: found .inf", "finite"]),
        ("a: [1, -.INF]", ["line 1: a.1: found -.INF", "finite"]),
        ("a: {b: .NaN}", ["line 1: a.b: found .NaN", "finite"]),
        ("a: 1.0e+400", ["line 1: a: found 1.0e+400", "finite"]),
        ("\non: 1", ["line 2", "the key on is no text to YAML (bool)", "'on'"]),
        ("a: {7: x}", ["line 1: a: the key 7 ", "(int)", "'7'"]),
        ("null: x", ["the key null ", "quotes"]),
        ("? [a]\n: 1", ["a list or mapping as a key"]),
        ("a: 010", ["a: 010 is octal in YAML and means 8; write 10 or 8"]),
        ("a: 1:30", ["a: 1:30 is in YAML a number to the base 60"]),
        ("a: &x [*x]", ["a.0: holds itself"]),
        ("a: b: c", ["not valid YAML on line 1", "mend the file"]),
        ("a: 1\n\tb: 2", ["not valid YAML on line 2"]),
        ("a: 1\n---\nb: 2", ["not valid YAML on line 2", "another document"]),
        ("a: !!python/object:os.system {}", ["not valid YAML on line 1"]),
        ("[" * 5_000, ["not valid YAML"]),
        ("a: \0", ["not valid YAML on line 1", "special characters"]),
        ("a: 1\nb: \7", ["not valid YAML on line 2", "special characters"]),
        ("a: " + "9" * 5_000, ["not valid YAML"]),
    ],
)
def test_what_is_refused(text: str, words: list[str]) -> None:
    with pytest.raises(StudyError) as caught:
        parse_yaml(text, "x.yaml")
    message = str(caught.value)
    assert message.startswith("x.yaml") and "\n" not in message
    assert all(word in message for word in words), message


def test_what_is_read_as_it_is_written() -> None:
    text = "a: 2024-01-01\nb: =\nc: 1_000\nd: 0\ne: 0x1F\nf: '010'\ng: [off, 1.5, ~]\n"
    assert parse_yaml(text, "x").value == {
        **{"a": "2024-01-01", "b": "=", "c": 1000, "d": 0, "e": 31, "f": "010"},
        "g": [False, 1.5, None],
    }
    assert parse_yaml("", "x").value is None


def test_keys_of_a_merge_may_be_replaced() -> None:
    found = parse_yaml("b: &b {x: 1, y: 2}\nc:\n  <<: *b\n  x: 3\n", "x")
    assert found.value["c"] == {"x": 3, "y": 2}
    assert found.lines["c", "x"] == 4 and found.lines["c", "y"] == 1


def test_every_key_and_item_has_its_line() -> None:
    lines = parse_yaml("a:\n  b: 1\n  c:\n    - 1\n    - {d: 2}\n", "x").lines
    assert lines == {
        **{("a",): 1, ("a", "b"): 2, ("a", "c"): 3},
        **{("a", "c", 0): 4, ("a", "c", 1): 5, ("a", "c", 1, "d"): 5},
    }


def test_another_encoding_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_bytes(b"study: mine\n# caf\xe9\n")
    with pytest.raises(StudyError, match=r"study\.yaml, line 2: byte 0xe9 is not UTF-8"):
        read_yaml(file)


@pytest.mark.parametrize(
    ("read", "text", "advice"),
    [
        (lock.read, "datasets: {}\nstudents: {}\ndatasets: {}\n", "line 3: datasets: "),
        (read_site, "jobs: 1\njobs: 2\n", "line 2: jobs: "),
        (read_recipe, "task: a\ntask: b\n", "line 2: task: "),
        (read_recipe, "a: [", "make it again"),
    ],
)
def test_every_yaml_that_the_workflow_reads_is_read_so(
    tmp_path: Path, read: object, text: str, advice: str
) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(text)
    with pytest.raises(StudyError, match=advice):
        read(file)
