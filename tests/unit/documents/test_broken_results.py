"""Files of a finished study that were edited by hand, key by key: an error or a result, no crash.

Every program that reads results is run on every kind of file that it reads, with a key taken away
or a value of another type in its place, and must say which file is amiss or succeed; where it
says so, it must have written nothing.
"""

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from made_documents import record
from programs import call
from sftstudy.files.hashing import sha256_file
from sftstudy.files.writing import write_json, write_jsonl
from sftstudy.tasks.registry import data_module, smoke_module
from synthetic_study import Study, write_report, write_study

pytestmark = pytest.mark.slow

TASKS = ("banking77", "tatqa")
SPACE = {"learning_rate": [1e-5], "num_train_epochs": [1], "per_device_train_batch_size": [2]}
TRIAL = "banking77/lr1e-05_ep1_bs2"
DELETED = "deleted"
OTHER_VALUES = (None, 7, "text", [], {})

Place = tuple[str | int, ...]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with records of the files that jobs have made; its folder is the working one."""
    study = Study(tmp_path_factory.mktemp("broken"), ("s",), TASKS, space=SPACE, rows=8)
    write_study(study)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(study.root)
        (study.root / "plan.json").rename("results/plan.json")
        (study.root / "plan.json").symlink_to("results/plan.json")
        write_report(study)
        names = [path.relative_to(study.root) for path in study.results.rglob("*.json*")]
        made = [name for name in names if name.name not in ("provenance.json", "SOURCE.json")]
        for number, name in enumerate(made):
            made_by = record({str(name): sha256_file(name)})
            write_json(Path(f"results/records/{number}.json"), made_by)
    return study.root


RESULTS = ("--plan", "results/plan.json", "--results", "results")
REPORT = (
    *("report.py", *RESULTS, "--tables", "results/tables", "--figures", "results/figures"),
    *("--output", "out/index.html", "--record", "out/record.json"),
)
COLLATE = ("collate.py", *RESULTS, "--output-dir", "out/tables", "--record", "out/record.json")
PLAN = {
    "student": "s",
    "source": "example/s",
    "tasks": TASKS,
    "controls": ("ifeval", "simple_safety_tests"),
    "trials": {task: [TRIAL.partition("/")[2]] for task in TASKS},
    "gates": {"ifeval": {"metric": "prompt_strict", "min_ratio_to_baseline": 0.95}},
    "resamples": 100,
}
RECOMMEND = (
    *("recommend.py", "--student", "s", "--plan", json.dumps(PLAN)),
    *("--metrics-root", "results/metrics/s", "--checkpoints-root", "results/checkpoints/s"),
    *("--duplicates", "results/data/banking77/duplicates.json"),
    *("--output", "out/s.json", "--markdown", "out/s.md", "--trl", "out/trl.yaml"),
    *("--oumi", "out/oumi.yaml", "--axolotl", "out/axolotl.yaml", "--record", "out/record.json"),
)
READERS = {
    "results/plan.json": (COLLATE, REPORT),
    f"results/metrics/s/{TRIAL}/banking77.val.json": (COLLATE, RECOMMEND, REPORT),
    "results/metrics/s/base/ifeval.json": (COLLATE, RECOMMEND),
    f"results/checkpoints/s/{TRIAL}/provenance.json": (COLLATE, RECOMMEND, REPORT),
    "results/checkpoints/s/base/SOURCE.json": (REPORT,),
    "results/recommendations/s.json": (COLLATE, REPORT),
    "results/records/0.json": (REPORT,),
    "results/data/banking77/card.json": (REPORT,),
    "results/data/banking77/duplicates.json": (RECOMMEND,),
    "results/data/banking77/val.jsonl": (REPORT,),
    f"results/predictions/s/{TRIAL}/banking77.val.jsonl": (REPORT,),
    **{
        f"results/tables/{name}.json": (REPORT,)
        for name in ("configurations", "forgetting", "gates", "metrics", "trials")
    },
}


@pytest.mark.parametrize("name", READERS)
def test_edited_results(
    finished: Path,
    name: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(finished)
    edits(Path(name), READERS[name], 40, capsys, monkeypatch)


@pytest.mark.parametrize("task", ["banking77", "tatqa", "nl2sql", "ifeval"])
@pytest.mark.parametrize("name", ["rows.jsonl", "replies.jsonl"])
def test_edited_inputs_of_scoring(
    tmp_path: Path,
    task: str,
    name: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    smoke_module(task).write(Path("raw"), 1, 8, 6)
    rows = list(data_module(task).read(Path("raw")).values())[-1]
    write_jsonl(Path("results/rows.jsonl"), rows)
    reply = {"text": "1", "finish_reason": "stop"}
    write_jsonl(Path("results/replies.jsonl"), ({"id": row["id"]} | reply for row in rows))
    for file in ("rows.jsonl", "replies.jsonl"):
        made_by = record({f"results/{file}": sha256_file(Path("results", file))})
        write_json(Path(f"results/records/{file}.json"), made_by)
    score = (
        *("score.py", "--predictions", "results/replies.jsonl", "--data", "results/rows.jsonl"),
        *("--student", "s", "--variant", "base", "--task", task),
        *("--output", "out/metrics.json", "--record", "out/record.json"),
    )
    edits(Path("results", name), (score,), 60, capsys, monkeypatch)


def edits(
    file: Path,
    readers: tuple[tuple[str, ...], ...],
    count: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Edit a file in up to `count` ways, and run its readers after each."""
    before = file.read_bytes()
    lines = file.suffix == ".jsonl"
    text = before.decode()
    document = list(map(json.loads, text.splitlines())) if lines else json.loads(text)
    mutations = [
        (place, value)
        for place in places(document)
        if not (lines and len(place) == 1)
        for value in (DELETED, *OTHER_VALUES)
    ]
    chosen = random.Random(0).sample(mutations, min(count, len(mutations)))
    errors = 0
    try:
        for place, value in chosen:
            changed = edited(document, place, value)
            (write_jsonl if lines else write_json)(file, changed)
            for reader in readers:
                status, output = call(capsys, monkeypatch, *reader)
                assert status in (0, 1), output
                assert "Traceback" not in output
                left = [path for path in Path("out").rglob("*") if path.is_file()]
                if status:
                    errors += 1
                    assert output.startswith("error: "), output
                    assert file.name in output or "row" in output, output
                    assert not left, f"{place} = {value!r}: written in spite of an error"
                for path in left:
                    path.unlink()
    finally:
        file.write_bytes(before)
    assert errors, "no edit was noticed"


def places(document: Any, above: Place = ()) -> Iterator[Place]:
    """Yield the place of every value of a document; of a list the first entry stands for all."""
    if isinstance(document, dict):
        entries = list(document.items())
    else:
        entries = list(enumerate(document))[:1] if isinstance(document, list) else []
    for key, value in entries:
        yield (*above, key)
        yield from places(value, (*above, key))


def edited(document: Any, place: Place, value: Any) -> Any:
    """Return a copy of a document in which one value is another, or gone."""
    changed = copy.deepcopy(document)
    parent = changed
    for key in place[:-1]:
        parent = parent[key]
    if value == DELETED:
        del parent[place[-1]]
    else:
        parent[place[-1]] = value
    return changed
