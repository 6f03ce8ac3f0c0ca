"""What is said of a configuration: reasons, next steps, why it was not chosen."""

from recommendation_study import CONFIGURATIONS, GENTLE, GOOD, HARSH, TASKS, MadeUpStudy, by_name
from sftstudy.recommendation.phrases import proven_limit


def test_reasons_name_each_control_once_and_the_limit_that_is_proven():
    study = MadeUpStudy(safety=100)
    for task in TASKS:
        study.set(f"{task}/{GOOD}", "simple_safety_tests", 0.93)
    document = study.recommend()
    (reason,) = [text for text in document["reasons"] if "not proven" in text]
    assert "after training on banking77 and tatqa" in reason and "93.0%" in reason
    assert "untuned (n = 100)" in reason and "proven is 0.86" in reason
    step = next(step for step in document["next_steps"] if "simple_safety_tests" in step)
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
    assert entries[GENTLE]["why_not"] == "25.0 points behind the best on banking77"
    del study.metrics[f"tatqa/{GENTLE}", "ifeval"]
    assert by_name(study.recommend())[GENTLE]["why_not"] == "not measured on ifeval"


def test_a_tie_that_costs_more_says_so():
    study = MadeUpStudy()
    for task in TASKS:
        study.set(f"{task}/{GENTLE}", f"{task}.val", 0.8)
    entries = by_name(study.recommend())
    assert entries[GENTLE]["why_not"] == ""
    assert entries[GOOD]["why_not"] == "tied, 3.0 times the compute"


def test_next_steps_fit_the_verdict():
    assert MadeUpStudy().recommend()["next_steps"][0].startswith(f"Use {GOOD} as the default")
    lost = MadeUpStudy()
    lost.set(f"tatqa/{GOOD}", "tatqa.test", 0.2)
    assert "Do not ship it for tatqa" in lost.recommend()["next_steps"][0]
    none = MadeUpStudy()
    for trial in CONFIGURATIONS:
        none.set(f"tatqa/{trial}", "simple_safety_tests", 0.7)
    assert "untuned student" in none.recommend()["next_steps"][0]
