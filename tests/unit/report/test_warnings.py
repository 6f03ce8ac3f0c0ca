"""What the report says first: weights near the published ones only, rows left out, what a template
teaches, trainings that are short."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from made_documents import source
from sftstudy.files.writing import write_json
from synthetic_study import Study, write_report, write_study

TASKS = ("banking77", "tatqa")
SPACE = {"learning_rate": [1e-5], "num_train_epochs": [1, 3], "per_device_train_batch_size": [4]}


def edit(files: list[Path], change: Callable[[Any], None]) -> None:
    assert files
    for file in files:
        document = json.loads(file.read_text())
        change(document)
        file.write_text(json.dumps(document))


@pytest.fixture
def study(tmp_path: Path) -> Study:
    study = Study(tmp_path, ("tiny", "small"), TASKS, space=SPACE, rows=10)
    write_study(study)
    return study


def test_no_warning_without_a_reason(study: Study) -> None:
    page = write_report(study).read_text()
    assert 'id="warnings"' not in page and "dropped)" not in page


def test_dropped_rows_stand_beside_n(study: Study) -> None:
    for evalset, count in (("tatqa.test", 3), ("ifeval", 2)):
        files = sorted(study.results.glob(f"metrics/tiny/**/{evalset}.json"))
        edit(files, lambda document, count=count: document.update(dropped=count))
    edit(
        [study.results / "data/tatqa/card.json"],
        lambda card: card["lengths"]["tiny"].update(dropped={"train": ["a", "b", "c", "d"]}),
    )
    page = write_report(study).read_text()
    warning = page[page.index('id="warnings"') : page.index("</aside>")]
    assert "<b>tiny</b>" in warning and "<b>small</b>" not in warning
    assert "4 of tatqa.train, 2 of ifeval, 3 of tatqa.test" in warning
    assert page.count("n = 10 (3 dropped)") >= 2, "of the gain, and of the scores"
    assert page.count("n = 10 (2 dropped)") >= 2, "of the gate, and of the scores"
    rows = json.loads((study.results / "tables/metrics.json").read_text())
    assert {(row["student"], row["evalset"], row["dropped"]) for row in rows if row["dropped"]} == {
        ("tiny", "tatqa.test", 3),
        ("tiny", "ifeval", 2),
    }


def test_template_that_teaches_more_than_the_completion(study: Study) -> None:
    def hybrid(card: Any) -> None:
        card["lengths"]["small"] = card["lengths"]["small"] | {"before_reply": "<think>\n\n"}

    edit([study.results / f"data/{task}/card.json" for task in TASKS], hybrid)
    page = write_report(study).read_text()
    warning = page[page.index('id="warnings"') : page.index("</aside>")]
    assert "1 thing to know" in warning and "<b>small</b>" in warning
    assert "banking77, tatqa" in warning and "&lt;think&gt;" in warning
    assert "enable_thinking: false" in warning


def test_weights_that_were_computed_back_are_not_the_published_ones(study: Study) -> None:
    gguf = source(kind="gguf", id="small.Q4_1.gguf", dequantised=["Q4_1", "Q8_0"])
    write_json(study.results / "checkpoints/small/base/SOURCE.json", gguf)
    page = write_report(study).read_text()
    warning = page[page.index('id="warnings"') : page.index("</aside>")]
    assert "<b>small</b>" in warning and "<b>tiny</b>" not in warning
    assert "(dequantised) from the Q4_1, Q8_0 of small.Q4_1.gguf: near the published" in warning
    gguf = source(kind="gguf", id="small.F16.gguf")
    write_json(study.results / "checkpoints/small/base/SOURCE.json", gguf)
    page = write_report(study).read_text()
    assert 'id="warnings"' not in page and "small.F16.gguf" in page


def test_short_trainings_are_named(study: Study) -> None:
    files = sorted(study.results.glob("checkpoints/tiny/*/lr1e-05_ep1_bs4/provenance.json"))
    edit(files, lambda document: document.update(rows=8, steps=2))
    page = write_report(study).read_text()
    warning = page[page.index('id="warnings"') : page.index("</aside>")]
    assert "banking77/lr1e-05_ep1_bs4, tatqa/lr1e-05_ep1_bs4" in warning
    assert "2 optimizer steps on 8 rows, 1 of them warm-up (50%)" in warning
    assert "ep3" not in warning and "<b>small</b>" not in warning
