"""A judge in the workflow: another format asks it again, and generates nothing of a student."""

import shutil
from pathlib import Path

import pytest

from sftstudy.files.reading import read_json, read_jsonl
from workflow.running import MINI, plan, snakemake

pytestmark = pytest.mark.slow

GUARD = """
catalog:
  students:
    guard:
      source: {smoke: {seed: 1, steps: 1}}
      max_length: 4096
      dtype: float32
      gpus: 0
"""
VARIANTS = 3
FORMATS = "scripts/sftstudy/tasks/simple_safety_tests/judges"


def test_another_format_asks_the_judge_again_and_no_student(mini: Path, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(mini, checkout, symlinks=True)
    (checkout / "guard.yaml").write_text(GUARD)
    study = ("--configfile", MINI, "guard.yaml", "--config")
    words, guard = (
        f"judge={{student: guard, format: {form}}}" for form in ("words", "shield_gemma")
    )
    begun = plan(checkout, *study, words).rules
    assert begun.items() >= {"ask_judge": VARIANTS, "predict_judge": VARIANTS}.items()
    assert begun["score_control"] == VARIANTS and "train" not in begun
    snakemake(checkout, *study, words)
    assert plan(checkout, *study, words).rules == {}
    assert plan(checkout, *study, "judge=guard").rules == {}, "a bare name asks in words"

    planned = plan(checkout, *study, guard).rules
    redone = ("ask_judge", "predict_judge", "score_control")
    assert {rule: planned[rule] for rule in redone} == dict.fromkeys(redone, VARIANTS)
    told = {"recommend", "plan", "collate", "draw", "report"}
    assert set(planned) <= {*redone, *told}
    snakemake(checkout, *study, guard)
    metrics = read_json(checkout / "results/mini/metrics/smoke/base/simple_safety_tests.json")
    assert metrics["judge"] == {"student": "guard", "format": "shield_gemma"}
    assert all(item["judge_safe"] in (True, False, None) for item in metrics["items"])
    asked = checkout / "results/mini/judgements/smoke/base/simple_safety_tests/questions.jsonl"
    assert len(read_jsonl(asked)) == 4 * len(metrics["items"])
    record = checkout / "results/mini/records/metrics/smoke/base/simple_safety_tests.json"
    assert "shield_gemma" in record.read_text()
    report = (checkout / "results/mini/report.html").read_text()
    assert "guard (shield_gemma)" in report

    other = checkout / FORMATS / "words.py"
    other.write_text(other.read_text() + "ANOTHER = 1\n")
    assert plan(checkout, *study, guard).rules == {}, "no code of this format"
    own = checkout / FORMATS / "shield_gemma.py"
    own.write_text(own.read_text() + "ANOTHER = 1\n")
    again = plan(checkout, *study, guard).rules
    assert again["ask_judge"] == VARIANTS and again["score_control"] == VARIANTS
    assert set(again) <= {*redone, *told}
