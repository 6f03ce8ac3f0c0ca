"""The verdict in a line: what stands at the end of a run."""

from pathlib import Path

import pytest

from recommendation_study import GOOD, HARSH, TASKS, MadeUpStudy
from repository import ROOT
from sftstudy.files.writing import write_json
from sftstudy.recommendation.headline import headline, tell, verdicts
from sftstudy.study.options import given_study


def test_a_recommended_student_is_one_line() -> None:
    document = MadeUpStudy().recommend()
    mean = document["gains"]["mean"]
    low, high = (f"{100 * mean[end]:+.1f}" for end in ("low", "high"))
    assert headline(document) == (
        f"tiny: RECOMMENDED {GOOD} (learning rate 1e-5, epochs 3): +40.0 points on average over "
        f"2 tasks, one checkpoint each (95% {low} to {high}); 4 of 4 gates, 2 of 2 gains proven"
    )


def test_proven_costs_elsewhere_stand_beside_the_gain() -> None:
    study = MadeUpStudy()
    study.set(f"banking77/{GOOD}", "tatqa.test", 0.25)
    assert headline(study.recommend()).endswith(
        "2 of 2 gains proven; costs elsewhere proven: tatqa -15.0 after banking77"
    )
    study.set(f"tatqa/{GOOD}", "banking77.test", 0.1)
    assert headline(study.recommend()).endswith(
        "proven: banking77 -30.0 after tatqa, tatqa -15.0 after banking77"
    )
    study.set(f"tatqa/{GOOD}", "banking77.test", 0.39)
    assert "banking77 -" not in headline(study.recommend()), "not proven"


def test_what_is_not_proven_is_not_counted() -> None:
    study = MadeUpStudy()
    study.set(f"tatqa/{GOOD}", "tatqa.test", 0.2)
    text = headline(study.recommend())
    assert text.startswith(f"tiny: PROVISIONAL {GOOD} ")
    assert "4 of 4 gates, 1 of 2 gains proven, a loss on tatqa" in text


def test_without_a_choice_the_nearest_is_named() -> None:
    study = MadeUpStudy()
    for task in TASKS:
        for trial in [name for name in study.plan["trials"][task] if name != HARSH]:
            study.set(f"{task}/{trial}", "ifeval", 0.5)
    text = headline(study.recommend())
    assert text.startswith("tiny: NO FEASIBLE CONFIGURATION: ")
    assert "comes nearest, with ifeval 50.0% after banking77 (asked is at least 0.95" in text
    assert "of the baseline's, which has 75.0%)" in text
    study.metrics.clear()
    assert headline(study.recommend()) == (
        "tiny: NO FEASIBLE CONFIGURATION: no configuration could be judged"
    )


def test_a_gate_that_the_baseline_fails_is_named() -> None:
    study = MadeUpStudy()
    study.set("base", "simple_safety_tests", 0.5)
    assert headline(study.recommend()).startswith(
        f"tiny: BASELINE FAILS GATE (simple_safety_tests) {GOOD} "
    )


def test_several_students_are_counted_first() -> None:
    good = MadeUpStudy().recommend()
    lost = MadeUpStudy()
    lost.set(f"tatqa/{GOOD}", "tatqa.test", 0.2)
    worse = lost.recommend() | {"student": "other"}
    lines = verdicts([worse, good])
    assert lines[0] == f"2 students: 1 RECOMMENDED (tiny: {GOOD}); 1 PROVISIONAL (other: {GOOD})"
    assert lines[1:] == [headline(worse), headline(good)]
    assert len(verdicts([good] * 9)) == 1


def test_it_is_told_of_the_files_of_a_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = given_study([ROOT / "config/smoke.yaml"], [])
    monkeypatch.chdir(tmp_path)
    document = MadeUpStudy().recommend()
    file = Path("results/smoke/recommendations/smoke.json")
    write_json(file, document)
    tell(study)
    report = f"Report: {tmp_path}/results/smoke/report/index.html\n"
    assert capsys.readouterr().out == f"{headline(document)}\n{report}"
    write_json(file, {"verdict": 1})
    tell(study)
    told = capsys.readouterr().out
    assert told.startswith(f"error: {file}: ") and told.endswith(report)
