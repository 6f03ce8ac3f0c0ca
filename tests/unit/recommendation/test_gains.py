"""Gains without the test rows that are in train too, against hand-made outcomes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from made_documents import duplicates
from programs import call
from recommendation_study import GOOD, MadeUpStudy
from sftstudy.files.writing import write_json
from sftstudy.recommendation.markdown import to_markdown
from sftstudy.statistics.multiplicity import holm
from sftstudy.statistics.paired import mcnemar_exact

N = 100


def study_with(
    exact: list[str], near: list[str], fresh: int, task: str = "banking77"
) -> MadeUpStudy:
    """A study whose baseline is always wrong on a test split; tuned is right on r0 to r19 and on
    `fresh` rows from r20 on."""
    study = MadeUpStudy(n=N)
    study.set_outcomes("base", f"{task}.test", np.zeros(N, dtype=bool))
    study.set_outcomes(f"{task}/{GOOD}", f"{task}.test", np.arange(N) < 20 + fresh)
    pairs = {"train-test": {"exact": exact, "near": near}}
    study.duplicates[task] = duplicates(task=task, pairs=pairs)
    return study


def names(first: int, last: int) -> list[str]:
    return [f"r{number}" for number in range(first, last)]


def told(study: MadeUpStudy, task: str = "banking77") -> dict[str, Any]:
    return study.recommend()["gains"]["confirm"][task]


def test_rows_with_a_duplicate_are_left_out_of_both_sides():
    # r4 has both kinds of duplicates and is counted once; "other" is no row of the split.
    study = study_with(names(0, 5), [*names(4, 20), "other"], fresh=40)
    gain = told(study)
    assert (gain["value"], gain["n"]) == (pytest.approx(0.6), N)
    without = gain["without_duplicates"]
    assert (without["exact"], without["near"], without["n"]) == (5, 15, 80)
    assert without["value"] == pytest.approx(40 / 80)
    assert without["low"] < 0.5 < without["high"]
    assert without["p"] == pytest.approx(mcnemar_exact(40, 0))
    other = told(study, "tatqa")
    assert other["without_duplicates"] is None
    assert without["p_holm"] == pytest.approx(holm([without["p"], other["p"]])[0])


def test_a_gain_that_keeps_four_fifths_of_itself_is_not_weaker():
    # 60 of 100 against 48 of 100 and less: exactly four fifths, and a little less.
    twenty = names(0, 20)
    kept = told(study_with([], twenty, fresh=40))["without_duplicates"]
    assert kept["value"] == pytest.approx(0.5) and not kept["weaker"]
    shrunk = told(study_with([], twenty, fresh=20))["without_duplicates"]
    assert shrunk["value"] == pytest.approx(0.25) and shrunk["weaker"]  # of 0.40


def test_a_gain_that_loses_its_proof_is_weaker_and_says_so():
    study = study_with(names(0, 3), names(3, 20), fresh=4)
    document = study.recommend()
    gain = document["gains"]["confirm"]["banking77"]
    assert gain["evidence"] == "proven" and gain["without_duplicates"]["weaker"]
    (reason,) = [text for text in document["reasons"] if "among its train rows" in text]
    assert reason.startswith(
        "Warning: 20 of the 100 test rows of banking77 have a duplicate among its train rows "
        "(3 exact, 17 near); without them the gain is +5.0 points instead of +24.0 (95% interval "
    )
    assert reason.endswith("n = 80, adjusted p = 0.12), and not proven any more.")
    assert any(step.startswith("Claim for banking77 the gain") for step in document["next_steps"])
    page = to_markdown(document)
    assert "| **weaker**: n = 80, +5.0 (" in page
    # The verdict rests on the whole split, as before.
    before = study_with([], [], fresh=4).recommend()
    assert document["verdict"] == before["verdict"]


def test_a_gain_that_holds_is_told_without_a_warning():
    document = study_with([], ["r0"], fresh=40).recommend()
    (reason,) = [text for text in document["reasons"] if "among its train rows" in text]
    assert reason.startswith(
        "1 of the 100 test rows of banking77 has a duplicate among its train rows (0 exact, 1 near)"
    )
    assert "not proven any more" not in reason
    assert not [step for step in document["next_steps"] if step.startswith("Claim")]
    assert "| n = 99, +59.6 (" in to_markdown(document)


def test_too_few_rows_that_remain_are_not_compared():
    document = study_with(names(0, 91), [], fresh=40).recommend()
    without = document["gains"]["confirm"]["banking77"]["without_duplicates"]
    assert (without["exact"], without["n"], without["weaker"]) == (91, 9, True)
    assert {without[key] for key in ("value", "low", "high", "p", "p_holm")} == {None}
    (reason,) = [text for text in document["reasons"] if "among its train rows" in text]
    assert reason.endswith("and too few are left without them for a comparison (n = 9).")
    assert "| **weaker**: n = 9, too few |" in to_markdown(document)


@pytest.mark.parametrize("unknown", [True, False])
def test_no_duplicates_and_an_unknown_file_are_null(unknown: bool):
    study = study_with([], [], fresh=40)
    if unknown:
        study.duplicates = {}
    document = study.recommend()
    for split in ("select", "confirm"):
        gains = document["gains"][split].values()
        assert {gain["without_duplicates"] for gain in gains} == {None}
    assert not [text for text in document["reasons"] if "among its train rows" in text]


def test_a_page_says_of_how_many_checkpoints_the_mean_is():
    document = MadeUpStudy().recommend()
    mean = document["gains"]["mean"]
    interval = f"{100 * mean['low']:+.1f} to {100 * mean['high']:+.1f}"
    told = f"their mean, over 2 checkpoints, is +40.0 ({interval}) points."
    assert told in to_markdown(document)
    document["gains"]["mean"] = None
    assert "There is one checkpoint per task" in to_markdown(document)


@pytest.mark.parametrize("named", ["the file", "no such file", "nothing"])
def test_the_program_needs_no_duplicates(named: str, capsys, monkeypatch, tmp_path: Path):
    study = study_with(["r0"], [], fresh=40)
    for (variant, evalset), file in study.metrics.items():
        write_json(tmp_path / "metrics" / variant / f"{evalset}.json", file)
    for variant, file in study.provenance.items():
        write_json(tmp_path / "checkpoints" / variant / "provenance.json", file)
    write_json(tmp_path / "duplicates.json", study.duplicates["banking77"])
    options = {
        "the file": ["--duplicates", tmp_path / "duplicates.json"],
        "no such file": ["--duplicates", tmp_path / "none.json"],
        "nothing": [],
    }
    outputs = {"output": "a.json", "markdown": "a.md", "trl": "t", "oumi": "o", "axolotl": "x"}
    arguments = ["--student", "tiny", "--plan", json.dumps(study.plan), *options[named]]
    arguments += ["--metrics-root", tmp_path / "metrics"]
    arguments += ["--checkpoints-root", tmp_path / "checkpoints"]
    for option, name in outputs.items():
        arguments += [f"--{option}", tmp_path / name]
    status, output = call(capsys, monkeypatch, "recommend.py", *arguments)
    assert status == 0, output
    gain = json.loads((tmp_path / "a.json").read_text())["gains"]["confirm"]["banking77"]
    assert (gain["without_duplicates"] is not None) == (named == "the file")
