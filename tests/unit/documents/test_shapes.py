"""What a shape asks of a document, and what is said where it is not met."""

from pathlib import Path
from typing import Any, NotRequired, TypedDict

import pytest

from made_documents import measured, metrics, provenance
from sftstudy.documents.metrics import read_metrics
from sftstudy.documents.provenance import read_provenance
from sftstudy.documents.recipe_file import read_recipe
from sftstudy.documents.shapes import read_lines, require
from sftstudy.errors import StudyError
from sftstudy.files.writing import write_json, write_jsonl


class Inner(TypedDict):
    name: str


class Outer(TypedDict):
    number: int
    share: float | None
    flag: bool
    names: list[str]
    inner: Inner | None
    by_name: dict[str, Inner]
    free: dict[str, Any]
    later: NotRequired[str]


GOOD = {
    **{"number": 1, "share": 2, "flag": True, "names": ["a"], "inner": {"name": "x"}},
    **{"by_name": {"k": {"name": "y", "beside": 1}}, "free": {"any": [None]}},
}


@pytest.mark.parametrize(
    "keys", [{}, {"share": None}, {"share": 0.5}, {"inner": None}, {"later": "x"}, {"beside": []}]
)
def test_documents_of_the_shape(keys: dict[str, Any]) -> None:
    require(GOOD | keys, Outer, "f.json")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"number": True}, "f.json: number: found True, expected a whole number"),
        ({"number": 1.5}, "f.json: number: found 1.5, expected a whole number"),
        ({"share": "much"}, "f.json: share: found 'much', expected a number or null"),
        ({"flag": 1}, "f.json: flag: found 1, expected true or false"),
        ({"names": {}}, "f.json: names: found {}, expected a list"),
        ({"names": ["a", 1]}, "f.json: names, entry 1: found 1, expected text"),
        ({"inner": []}, r"f.json: inner: found \[\], expected an object"),
        ({"by_name": {"k": {}}}, "f.json: by_name: k: the key 'name' is missing"),
        ({"free": []}, r"f.json: free: found \[\], expected an object"),
        ({"later": None}, "f.json: later: found None, expected text"),
        ({"number": "x" * 99}, r"found 'x{56}\.\.\., expected a whole number"),
    ],
)
def test_what_is_amiss_is_said_with_its_place(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(StudyError, match=f"{said}; the file was edited or damaged: delete it"):
        require(GOOD | keys, Outer, "f.json")


def test_a_missing_key(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "f.jsonl", [GOOD, {"number": 1}])
    with pytest.raises(StudyError, match=r"f\.jsonl, line 2: the key 'share' is missing"):
        read_lines(tmp_path / "f.jsonl", Outer)


def test_a_recipe_names_its_missing_key(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("student: x\n", encoding="utf-8")
    with pytest.raises(StudyError, match=r"recipe\.yaml: the key 'task' is missing"):
        read_recipe(tmp_path / "recipe.yaml")


ITEM = {"id": "a", "group": "g", "correct": True}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (metrics("em", measured(), [{"group": "g"}]), "items, entry 0: the key 'id' is missing"),
        (metrics("em", measured(), [ITEM | {"correct": "yes"}]), "item 'a': correct, the outcome"),
        (metrics("em", measured(), []), "items: found .*, expected those that em was measured on"),
        (
            metrics("em", measured(), [ITEM]) | {"primary": "f1"},
            "primary: found 'f1', expected a name",
        ),
    ],
)
def test_metrics_and_items_that_do_not_agree(
    tmp_path: Path, document: dict[str, Any], said: str
) -> None:
    write_json(tmp_path / "f.json", document)
    with pytest.raises(StudyError, match=rf"f\.json: {said}"):
        read_metrics(tmp_path / "f.json")


def test_hyperparameters_that_are_computed_with_are_numbers(tmp_path: Path) -> None:
    write_json(tmp_path / "f.json", provenance({"learning_rate": 1e-5, "optim": "adam"}))
    assert read_provenance(tmp_path / "f.json")["device"]
    write_json(tmp_path / "f.json", provenance({"learning_rate": "low"}))
    with pytest.raises(StudyError, match="recipe: training: learning_rate: found 'low'"):
        read_provenance(tmp_path / "f.json")
