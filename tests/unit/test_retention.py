"""Weights that need not stay: which go, and what is said where they are missed."""

from pathlib import Path

import pytest

from made_documents import provenance
from sftstudy.documents.removed import REMOVED
from sftstudy.errors import StudyError
from sftstudy.files.hashing import sha256_file
from sftstudy.files.writing import write_json, write_jsonl
from sftstudy.records.content import folder_sha256
from sftstudy.retention import kept_configurations, retain
from sftstudy.students.checkpoints import require_weights
from sftstudy.study.layout import Layout
from tiny_student import save_student

DOCUMENT = {
    "chosen": "b",
    "least_violating": None,
    "configurations": [
        {"configuration": "a", "status": "feasible"},
        {"configuration": "b", "status": "feasible"},
        {"configuration": "c", "status": "infeasible"},
        {"configuration": "d", "status": "incomplete"},
    ],
}


def test_which_configurations_are_kept() -> None:
    assert kept_configurations(DOCUMENT, "feasible") == {"a", "b", "d"}
    assert kept_configurations(DOCUMENT, "recommended") == {"b"}
    nothing = DOCUMENT | {"chosen": None, "least_violating": {"configuration": "c"}}
    assert kept_configurations(nothing, "recommended") == {"c"}
    assert kept_configurations(nothing | {"least_violating": None}, "recommended") == set()


@pytest.fixture
def results(tmp_path: Path) -> Layout:
    results = Layout(tmp_path)
    for variant in ("t/a", "t/b", "u/a"):
        folder = save_student(results.checkpoint("s", variant))
        hashes = {"model.safetensors": sha256_file(folder / "model.safetensors")}
        write_json(folder / "provenance.json", provenance(weights_sha256=hashes, identity="0" * 64))
        (folder / "adapter").mkdir()
        (folder / "adapter" / "adapter_model.safetensors").write_bytes(b"small")
    return results


def test_weights_go_and_all_else_stays(results: Layout) -> None:
    folder = results.checkpoint("s", "t/b")
    files = {file.name for file in folder.rglob("*")}
    size = (folder / "model.safetensors").stat().st_size
    before = folder_sha256(folder)
    assert retain(results, "s", ["t/a", "t/b", "u/a"], {"a"}) == {"t/b": size}
    assert {file.name for file in folder.rglob("*")} == files - {"model.safetensors"} | {REMOVED}
    assert (results.checkpoint("s", "t/a") / "model.safetensors").exists()
    assert folder_sha256(folder) == before
    # Once more: nothing is left to do, and the same is said.
    assert retain(results, "s", ["t/a", "t/b", "u/a"], {"a"}) == {"t/b": size}
    (folder / "config.json").write_text("{}")
    assert folder_sha256(folder) != before


def test_kept_checkpoint_that_lost_its_weights_is_an_error(results: Layout) -> None:
    retain(results, "s", ["t/a", "t/b"], {"a"})
    with pytest.raises(StudyError, match=r"removed before: t/b; train them again with: snakemake"):
        retain(results, "s", ["t/a", "t/b"], {"b"})
    assert (results.checkpoint("s", "t/a") / "model.safetensors").exists()


def test_weights_of_unknown_origin_are_not_removed(results: Layout) -> None:
    (results.checkpoint("s", "u/a") / "other.safetensors").write_bytes(b"")
    with pytest.raises(StudyError, match=r"other\.safetensors: not in the weights_sha256"):
        retain(results, "s", ["t/b", "u/a"], set())
    assert (results.checkpoint("s", "t/b") / "model.safetensors").exists()


def test_known_replies_need_no_weights_and_new_ones_say_what_to_do(
    results: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from sftstudy.prediction.suite import EvalSet, predict

    folder = results.checkpoint("s", "t/a")
    generation = {"chat_template_kwargs": {}, "dtype": "float32", "attention": "sdpa"}
    generation["max_length"] = 100

    def reply(*contents: str) -> None:
        rows = [{"id": c, "prompt": [{"role": "user", "content": c}]} for c in contents]
        write_jsonl(tmp_path / "data.jsonl", rows)
        predict(folder, [EvalSet(tmp_path / "data.jsonl", 3, tmp_path / "out.jsonl")], generation)

    reply("one", "two")
    retain(results, "s", ["t/a"], set())
    reply("two")
    assert "1 replies, 1 known before" in capsys.readouterr().out
    with pytest.raises(StudyError, match=r"weights were removed.*snakemake --force .*t/a "):
        reply("two", "three")
    with pytest.raises(StudyError, match="weights were removed"):
        require_weights(folder)
