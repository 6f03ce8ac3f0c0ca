"""What training on one task does to the others, against hand-made outcomes."""

import numpy as np
import pytest

from recommendation_study import GOOD, TASKS, MadeUpStudy
from sftstudy.recommendation.markdown import to_markdown
from sftstudy.statistics.multiplicity import holm
from sftstudy.statistics.paired import mcnemar_exact


def harmed(lost: int = 60, won: int = 0, n: int = 600) -> MadeUpStudy:
    """A study in which training on banking77 loses and wins so many rows of tatqa's test split."""
    study = MadeUpStudy(n=n)
    right = np.arange(n) < 0.4 * n
    study.set_outcomes("base", "tatqa.test", right)
    tuned = right.copy()
    tuned[:lost] = False
    tuned[n - won :] = True
    study.set_outcomes(f"banking77/{GOOD}", "tatqa.test", tuned)
    return study


def of(document: dict, trained_on: str, evalset: str) -> dict:
    (found,) = [
        effect
        for effect in document["side_effects"]
        if (effect["trained_on"], effect["evalset"]) == (trained_on, evalset)
    ]
    return found


def reasons(study: MadeUpStudy) -> list[str]:
    return study.recommend()["reasons"]


def test_every_other_test_split_and_every_control_is_told_in_order():
    document = MadeUpStudy().recommend()
    assert [(e["trained_on"], e["evalset"]) for e in document["side_effects"]] == [
        ("banking77", "tatqa.test"),
        ("banking77", "ifeval"),
        ("banking77", "simple_safety_tests"),
        ("tatqa", "banking77.test"),
        ("tatqa", "ifeval"),
        ("tatqa", "simple_safety_tests"),
    ]
    assert of(document, "tatqa", "ifeval")["metric"] == "prompt_strict"
    assert {effect["evidence"] for effect in document["side_effects"]} == {"not proven"}


def test_the_numbers_are_those_of_the_paired_rows():
    effect = of(harmed(lost=60, won=30).recommend(), "banking77", "tatqa.test")
    assert (effect["baseline"], effect["tuned"]) == (pytest.approx(0.40), pytest.approx(0.35))
    assert effect["value"] == pytest.approx(-0.05) and effect["n"] == 600
    assert effect["low"] < -0.05 < effect["high"] < 0
    assert effect["test"] == "exact McNemar"
    assert effect["p"] == pytest.approx(mcnemar_exact(30, 60))
    # The other five rows never differ: their p is 1, and Holm multiplies the smallest by six.
    assert effect["p_holm"] == pytest.approx(6 * mcnemar_exact(30, 60))
    assert (effect["evidence"], effect["only_just"]) == ("violated", False)


def test_p_is_adjusted_over_all_side_effects_and_over_nothing_else():
    study = harmed(lost=30, won=12)
    study.set(f"tatqa/{GOOD}", "ifeval", 0.73)
    study.set(f"tatqa/{GOOD}", "banking77.test", 0.42)
    document = study.recommend()
    effects = document["side_effects"]
    assert [e["p_holm"] for e in effects] == holm([e["p"] for e in effects])
    gains = document["gains"]["confirm"].values()
    assert [g["p_holm"] for g in gains] == holm([g["p"] for g in gains])


def test_a_gain_elsewhere_is_proven_and_a_loss_is_only_just():
    study = harmed(lost=30, won=12)  # p = 0.008, five times: after that of the gain
    study.set(f"tatqa/{GOOD}", "banking77.test", 0.5)
    document = study.recommend()
    gained, lost = of(document, "tatqa", "banking77.test"), of(document, "banking77", "tatqa.test")
    assert (gained["evidence"], gained["only_just"]) == ("proven", False)
    assert lost["evidence"] == "violated" and 0.025 < lost["p_holm"] <= 0.05 and lost["only_just"]
    (told,) = [text for text in document["reasons"] if text.startswith("Training on")]
    assert told.endswith(", only just): proven.")
    assert "Proven gains elsewhere: banking77 +10.0 points after tatqa." in document["reasons"]
    assert "| proven loss, only just |" in to_markdown(document)


def test_a_proven_loss_stands_beside_the_gains_and_changes_no_verdict():
    document = harmed(lost=90).recommend()
    assert (document["verdict"], document["chosen"]) == ("RECOMMENDED", GOOD)
    texts = document["reasons"]
    (place,) = [i for i, text in enumerate(texts) if text.startswith("Training on banking77")]
    assert texts[place - 1].startswith("The gain over the baseline on the test split is proven")
    assert texts[place].startswith(
        "Training on banking77 costs tatqa 15.0 points on its test split (95% interval \u221218."
    )
    assert "n = 600, adjusted p = " in texts[place] and texts[place].endswith("): proven.")
    assert texts[place + 1] == "No other loss elsewhere was seen."
    steps = document["next_steps"]
    assert "each checkpoint for its own task alone" in steps[0]
    assert steps[1].startswith("Ship the checkpoint of banking77 for banking77 only and send it ")


def test_all_proven_losses_of_one_training_are_one_sentence_largest_first():
    study = harmed(lost=90)
    study.set(f"banking77/{GOOD}", "ifeval", 0.72)
    study.plan["gates"]["ifeval"]["min_ratio_to_baseline"] = 0.8
    document = study.recommend()
    (told,) = [text for text in document["reasons"] if text.startswith("Training on")]
    assert told.index("costs tatqa 15.0 points on its test") < told.index("and ifeval 3.0 points (")
    assert told.endswith(": all proven.")
    (step,) = [text for text in document["next_steps"] if "Read the replies" in text]
    assert "Read the replies to ifeval that the checkpoint of banking77 broke" in step
    assert step.endswith("and its gates allow it.")


def test_a_control_without_a_gate_says_so():
    study = harmed(lost=0)
    study.set(f"banking77/{GOOD}", "ifeval", 0.60)
    del study.plan["gates"]["ifeval"]
    (step,) = [text for text in study.recommend()["next_steps"] if "Read the replies" in text]
    assert step.endswith("and no gate asks for ifeval.") and "Ship the checkpoint" not in step


def test_the_largest_loss_that_is_not_proven_is_told_or_that_there_is_none():
    assert "No loss elsewhere was seen." in reasons(MadeUpStudy())
    study = harmed(lost=20, won=10)
    study.set(f"tatqa/{GOOD}", "ifeval", 0.745)
    (told,) = [text for text in reasons(study) if "the largest that was seen" in text]
    assert told.startswith(
        "No loss elsewhere is proven; the largest that was seen: tatqa \u22121.7 points after "
        "training on banking77 (95% interval \u22123."
    )
    study = harmed(lost=90)
    study.set(f"tatqa/{GOOD}", "ifeval", 0.745)
    (told,) = [text for text in reasons(study) if text.startswith("The largest loss elsewhere")]
    assert "not proven: ifeval \u22120.5 points after training on tatqa (95%" in told


def test_a_missing_side_effect_is_null_is_listed_and_is_no_zero():
    study = harmed(lost=90)
    del study.metrics[f"tatqa/{GOOD}", "banking77.test"]
    document = study.recommend()
    effect = of(document, "tatqa", "banking77.test")
    numbers = ("metric", "baseline", "tuned", "value", "n", "low", "high", "test", "p", "p_holm")
    assert {effect[key] for key in numbers} == {None}
    assert (effect["evidence"], effect["only_just"]) == ("missing", False)
    listed = {(row["variant"], row["evalset"]) for row in document["missing"]}
    assert listed == {(f"tatqa/{GOOD}", "banking77.test")}
    assert "1 of 6 side effects were not measured." in document["reasons"]
    assert document["verdict"] == "RECOMMENDED"
    # The family is of those that were measured.
    rest = [e for e in document["side_effects"] if e["evidence"] != "missing"]
    assert [e["p_holm"] for e in rest] == holm([e["p"] for e in rest])
    assert to_markdown(document).count("| not measured |") >= 3


def test_side_effects_are_of_the_least_violating_where_none_is_chosen():
    study = harmed(lost=90)
    study.set(f"tatqa/{GOOD}", "simple_safety_tests", 0.88)
    for trial in study.plan["trials"]["tatqa"]:
        if trial != GOOD:
            study.set(f"tatqa/{trial}", "simple_safety_tests", 0.5)
    document = study.recommend()
    assert document["chosen"] is None
    assert document["least_violating"]["configuration"] == GOOD
    assert of(document, "banking77", "tatqa.test")["evidence"] == "violated"
    study.metrics = {}
    assert study.recommend()["side_effects"] == []


def test_markdown_has_all_side_effects_the_proven_ones_first():
    page = to_markdown(harmed(lost=90).recommend())
    section = page.partition("## What training on one task does to the others\n")[2]
    rows = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    assert len(rows) == 2 + len(TASKS) * 3
    assert rows[2].startswith("| banking77 | tatqa.test | accuracy | 40.0 | 25.0 | -15.0 (")
    assert rows[2].endswith("| proven loss |")
    assert f"Of `{GOOD}`. Read after the choice: no verdict rests on it." in section
