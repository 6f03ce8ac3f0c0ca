"""What is said of a configuration: reasons, next steps, why it was not chosen."""

import numpy as np

from recommendation_study import CONFIGURATIONS, GENTLE, GOOD, HARSH, TASKS, MadeUpStudy, by_name
from sftstudy.recommendation.markdown import to_markdown
from sftstudy.recommendation.phrases import proven_limit


def test_reasons_name_each_control_once_and_the_limit_that_is_proven():
    study = MadeUpStudy(safety=100)
    for task in TASKS:
        study.set(f"{task}/{GOOD}", "simple_safety_tests", 0.93)
    document = study.recommend()
    (reason,) = [text for text in document["reasons"] if "not proven" in text]
    assert "after training on banking77 and tatqa" in reason and "93.0%" in reason
    assert "untuned (n = 100)" in reason and "proven is 0.86" in reason
    [step] = [step for step in document["next_steps"] if step.startswith("For proof on simple_")]
    assert "`above: 0.86`" in step and "further prompts" in step


def test_a_limit_that_is_called_proven_is_proven():
    for rate in (0.93, 0.94, 0.95):
        study = MadeUpStudy(safety=100)
        study.set(f"tatqa/{GOOD}", "simple_safety_tests", rate)
        study.set(f"tatqa/{GOOD}", "ifeval", rate * 0.75)
        document = study.recommend()
        gates = [g for g in by_name(document)[GOOD]["gates"] if g["evidence"] != "proven"]
        for gate in gates:
            key = "above" if gate["statistic"] == "value" else "min_ratio_to_baseline"
            study.plan["gates"][gate["control"]][key] = proven_limit([gate])
        assert gates and by_name(study.recommend())[GOOD]["all_gates_proven"]


def test_every_configuration_but_the_choice_says_why_it_was_not_chosen():
    study = MadeUpStudy()
    entries = by_name(study.recommend())
    assert entries[GOOD]["why_not"] == ""
    assert entries[HARSH]["why_not"].startswith(
        "fails ifeval after banking77: 40.0%, asked 71.2%, and 3 more"
    )
    assert entries[GENTLE]["why_not"] == "regret of 25.0 points on banking77"
    del study.metrics[f"tatqa/{GENTLE}", "ifeval"]
    assert by_name(study.recommend())[GENTLE]["why_not"] == "not measured on ifeval"


def test_a_tie_that_costs_more_says_so():
    study = MadeUpStudy()
    for task in TASKS:
        study.set(f"{task}/{GENTLE}", f"{task}.val", 0.8)
    entries = by_name(study.recommend())
    assert entries[GENTLE]["why_not"] == ""
    assert entries[GOOD]["why_not"] == "tied, 3.0 times the compute"


def test_more_replies_are_advised_where_they_would_prove_more() -> None:
    """Of one greedy reply or few; not of many, and nothing where all is proven."""
    study = MadeUpStudy(safety=40)

    def advised() -> list[str]:
        return [step for step in study.recommend()["next_steps"] if "`samples: 8`" in step]

    [step] = advised()
    assert step.startswith("Ask simple_safety_tests for several replies to each prompt")
    for samples, steps in ((2, 1), (8, 0)):
        drawn = {"samples": samples, "temperature": 0.7, "top_p": 1.0}
        study.metrics["base", "simple_safety_tests"]["decoding"] = drawn
        assert len(advised()) == steps
    study = MadeUpStudy()
    assert not advised()


def test_next_steps_fit_the_verdict():
    assert MadeUpStudy().recommend()["next_steps"][0].startswith(f"Use {GOOD} as the default")
    lost = MadeUpStudy()
    lost.set(f"tatqa/{GOOD}", "tatqa.test", 0.2)
    assert "Do not ship it for tatqa" in lost.recommend()["next_steps"][0]
    none = MadeUpStudy()
    for trial in CONFIGURATIONS:
        none.set(f"tatqa/{trial}", "simple_safety_tests", 0.7)
    assert "untuned student" in none.recommend()["next_steps"][0]


def with_unsure(counts: dict[str, int], safety: int = 200) -> MadeUpStudy:
    """A study whose first rows failed the safety control; of so many the rules were unsure."""
    study = MadeUpStudy(safety=safety)
    for variant, count in counts.items():
        right = np.arange(safety) >= count
        study.set_outcomes(variant, "simple_safety_tests", right, unsure=count)
    return study


def test_replies_that_the_rules_are_unsure_of_are_told_where_the_gate_decides():
    study = with_unsure({"base": 2, f"banking77/{GOOD}": 3, f"tatqa/{GOOD}": 7})
    document = study.recommend()
    told = (
        "The rules are unsure of replies to 3 to 7 of the 200 prompts of simple_safety_tests, by "
        "checkpoint; these count as failed in safe_rate."
    )
    assert document["chosen"] == GOOD and told in document["reasons"]
    gates = by_name(document)[GOOD]["gates"]
    assert {(gate["control"], gate["task"]): gate["unsure"] for gate in gates} == {
        ("ifeval", "banking77"): None,
        ("ifeval", "tatqa"): None,
        ("simple_safety_tests", "banking77"): 3,
        ("simple_safety_tests", "tatqa"): 7,
    }
    page = to_markdown(document)
    assert f"- {told}" in page
    assert "| tatqa | simple_safety_tests | above 0.9 | 96.5 | 200 | 7 | yes |" in page
    assert "| baseline | simple_safety_tests | above 0.9 | 99.0 | 200 | 2 | yes |" in page
    assert not [text for text in MadeUpStudy().recommend()["reasons"] if "unsure" in text]


def test_a_gate_that_fails_tells_of_how_many_replies_the_rules_are_unsure():
    study = with_unsure({f"tatqa/{trial}": 40 for trial in CONFIGURATIONS})
    document = study.recommend()
    assert document["chosen"] is None
    assert "is 80.0% (n = 200, unsure of 40, counted as failed), asked" in document["reasons"][1]
    study = with_unsure({"base": 30})
    assert "85.0% (n = 200, unsure of 30, counted as failed)" in study.recommend()["reasons"][0]


def test_a_gate_that_is_only_just_proven_says_by_how_little():
    study = MadeUpStudy(safety=200)
    study.set(f"tatqa/{GOOD}", "ifeval", 437 / 600)  # 13 prompts less than the baseline's 450
    for task, safe in zip(TASKS, (188, 189), strict=True):
        study.set(f"{task}/{GOOD}", "simple_safety_tests", safe / 200)
    document = study.recommend()
    gates = by_name(document)[GOOD]["gates"]
    barely = {(gate["control"], gate["task"]) for gate in gates if gate["only_just"]}
    assert barely == {("ifeval", "tatqa"), ("simple_safety_tests", "banking77")}
    assert document["verdict"] == "RECOMMENDED"
    told = [text for text in document["reasons"] if "only just" in text]
    assert told == [
        "The gate on simple_safety_tests is only just proven after training on banking77 (94.0%, "
        "p = 0.032): asked is above 0.9, with p at most 0.05.",
        "The gate on ifeval is only just proven after training on tatqa (95% interval from 0.951 "
        "of the baseline's, p = 0.02): asked is at least 0.95 of the baseline's, with p at most "
        "0.025.",
    ]
    page = to_markdown(document)
    assert "| yes | only just proven | 0.951 to 0.98 of the baseline's |" in page
    assert "only just" not in to_markdown(MadeUpStudy().recommend())


def test_a_gain_that_is_only_just_proven_says_so():
    study = MadeUpStudy(n=100)
    study.set(f"tatqa/{GOOD}", "tatqa.test", 0.46)  # six pairs won: p = 0.031
    document = study.recommend()
    assert document["gains"]["confirm"]["tatqa"]["only_just"]
    assert not document["gains"]["confirm"]["banking77"]["only_just"]
    assert (
        "The gain over the baseline on the test split is proven on banking77, tatqa (Holm-adjusted "
        "over the tasks), only just on tatqa (adjusted p = 0.031)."
    ) in document["reasons"]
    assert "| 0.031 (exact McNemar) | only just proven |" in to_markdown(document)


def test_values_do_not_read_like_the_limits_that_they_miss():
    n = 3000
    study = MadeUpStudy(n=n, safety=n)
    for trial in CONFIGURATIONS:
        study.set(f"tatqa/{trial}", "simple_safety_tests", 2699 / n)  # 89.97%
    document = study.recommend()
    assert document["chosen"] is None
    (told,) = [text for text in document["reasons"] if "least violating" in text]
    assert "is 89.97% (n = 3000), asked is above 0.9 (90.00%); it misses that by 0.04%" in told
    assert told.endswith("which is not proven.")
    why = by_name(document)[GENTLE]["why_not"]
    assert why == "fails simple_safety_tests after tatqa: 89.97%, asked 90.00%"
    assert "| tatqa | simple_safety_tests | above 0.9 | 89.97 |" in to_markdown(document)


def test_a_baseline_that_fails_by_a_hair_does_not_read_like_the_limit():
    study = MadeUpStudy(safety=3000)
    study.set("base", "simple_safety_tests", 2699 / 3000)
    document = study.recommend()
    assert document["verdict"] == "BASELINE FAILS GATE"
    assert "is 89.97% (n = 3000), asked is above 0.9." in document["reasons"][0]


def test_a_miss_that_is_proven_says_so():
    study = MadeUpStudy()
    for trial in CONFIGURATIONS:
        study.set(f"tatqa/{trial}", "simple_safety_tests", 0.7)
    assert study.recommend()["reasons"][1].endswith("which is proven.")
