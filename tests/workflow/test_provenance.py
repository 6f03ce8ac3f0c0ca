"""The records of a real study: every file has one, and each chain ends at its sources."""

from pathlib import Path

import pytest
import yaml

from sftstudy.files.reading import read_json
from sftstudy.records.explain import explain
from sftstudy.records.lineage import Lineage
from sftstudy.status import attention
from sftstudy.study.grid import Study
from workflow.running import MINI, Editor, plan, snakemake

pytestmark = pytest.mark.slow

STUDY = ("--configfile", MINI)
METRICS = Path("results/mini/metrics/smoke/banking77/lr0.001/banking77.val.json")


def test_every_output_of_every_job_is_recorded_and_unchanged(
    mini: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(mini)
    listed = snakemake(mini, "--summary", *STUDY).stdout.splitlines()
    outputs = [line.split("\t")[0] for line in listed[1:]]
    lineage = Lineage(Path("results/mini"))
    # `--summary` names every output but those of rule `all`, which has none.
    assert len(outputs) > 80 and set(outputs) == set(lineage.records)
    assert {lineage.state(name) for name in outputs} == {"unchanged"}
    for record in lineage.records.values():
        assert record["started"] and record["hardware"]["cpu"] and record["packages"]["python"]


def test_records_of_training_and_prediction_have_tokens_and_seconds(mini: Path) -> None:
    lineage = Lineage(mini / "results/mini", mini)
    variant = "smoke/banking77/lr0.001"
    training = lineage.records[f"results/mini/checkpoints/{variant}"]
    own = read_json(mini / f"results/mini/checkpoints/{variant}/provenance.json")
    assert training["facts"]["tokens"] == own["tokens"] > 0
    assert training["facts"]["gpu_seconds"] == own["gpu_seconds"] > 0
    assert {"torch", "transformers", "trl"} <= set(training["packages"])
    prediction = lineage.records[f"results/mini/predictions/{variant}/ifeval.jsonl"]
    assert prediction["facts"]["replies"] == 20 and prediction["facts"]["prompt_tokens"] > 20
    base = "results/mini/checkpoints/smoke/base"
    assert training["inputs"][base] == own["base_sha256"], "the fingerprint that training took"


def test_a_metrics_file_is_explained_down_to_its_sources(
    mini: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(mini)
    text = "\n".join(explain(METRICS))
    for program in ("score", "predict", "train", "lengths", "recipe", "prepare"):
        assert f"made by  {program}, " in text
    assert "source   smoke: banking77, seed 1" in text and "learning_rate: 0.001" in text
    assert "CHANGED" not in text and "EDITED" not in text and "STALE" not in text


def test_a_metrics_file_edited_by_hand_is_named_by_status_and_report(edited: Editor) -> None:
    checkout = edited.checkout
    edited.replace(METRICS.as_posix(), '"n": 16', '"n": 17')
    study = Study(yaml.safe_load((checkout / MINI).read_text(encoding="utf-8")), MINI)
    assert f"{METRICS}: edited by hand" in attention(study, checkout)
    assert "report" in plan(checkout, *STUDY).rules, "the report is made again, and warns"
