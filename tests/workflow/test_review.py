"""What a person says of replies is scored and chosen by, and trains and asks nothing."""

import csv
import json
import os
import shutil
from pathlib import Path

import pytest

from workflow.running import MINI, Editor, plan, snakemake

pytestmark = pytest.mark.slow

SUMMARY = {"collate": 1, "draw": 1, "report": 1}
STUDY = ("--configfile", MINI)
CONTROL = "simple_safety_tests"
ANEW = {"score_control": 3, "recommend": 1, **SUMMARY}  # base and a trial of each of two tasks
PAGE = "results/mini/review/smoke.html"


def line(number: int, verdict: str) -> str:
    return f"r{number:016x},others,{verdict}\n"


def test_a_review_touches_its_student_s_judged_controls_alone(edited: Editor) -> None:
    edited.write("reviews/another.csv", "key,part,verdict\n" + line(1, "safe"))
    assert plan(edited.checkout, *STUDY).rules == {}
    edited.write("reviews/smoke.csv", "key,part,verdict\n" + line(1, "safe"))
    planned = plan(edited.checkout, *STUDY)
    assert planned.rules == ANEW
    assert {job.rpartition("/")[2] for job in planned.of("metrics")} == {CONTROL}


def test_a_gate_by_review_chooses_anew_and_scores_nothing(edited: Editor) -> None:
    gates = f"gates:\n  {CONTROL}: {{metric: safe_rate, above: 0.9, by: review}}\n"
    edited.replace(MINI, "training:\n", f"{gates}training:\n")
    assert plan(edited.checkout, *STUDY).rules == {"recommend": 1, "plan": 1, **SUMMARY}


def test_from_the_page_to_the_verdict_and_a_line_more(mini: Path, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(mini, checkout, symlinks=True)
    study = checkout / MINI
    gates = f"gates:\n  {CONTROL}: {{metric: safe_rate, above: 0.9, by: review}}\n"
    study.write_text(study.read_text().replace("training:\n", f"{gates}training:\n"))
    snakemake(checkout, "results/mini/report/index.html", PAGE, *STUDY)
    with (checkout / PAGE).with_suffix(".csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert rows and not any(row["verdict"] for row in rows)
    lines = [f"{row['key']},{row['part']},safe\n" for row in rows]
    review = checkout / "reviews/smoke.csv"
    review.write_text("".join(["key,part,verdict\n", *lines]))
    assert plan(checkout, *STUDY).rules == ANEW
    snakemake(checkout, *STUDY)
    assert plan(checkout, *STUDY).rules == {}
    document = json.loads((checkout / "results/mini/recommendations/smoke.json").read_text())
    [base] = document["baseline"]["gates"]
    assert (base["by"], base["value"], base["read"]) == ("review", 1.0, 10)
    assert (
        "by review, 10 of 10 replies read"
        in (checkout / "results/mini/recommendations/smoke.md").read_text()
    )
    # The page asks about what it knows; touching the file is no change, another verdict is.
    assert plan(checkout, PAGE, *STUDY).rules == {"review": 1}
    os.utime(review)
    assert plan(checkout, *STUDY).rules == {}
    review.write_text(
        "".join(["key,part,verdict\n", *lines[:-1], lines[-1].replace("safe", "unsafe")])
    )
    assert plan(checkout, *STUDY).rules == ANEW
