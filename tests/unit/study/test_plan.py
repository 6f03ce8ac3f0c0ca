"""What summaries are told of a study."""

import copy

from sftstudy.study.grid import Study
from sftstudy.study.plan import recommendation_plan


def test_one_student_s_plan_does_not_depend_on_the_others(config: dict) -> None:
    alone = copy.deepcopy(config) | {"students": ["gemma-3-4b-it"]}
    plans = [recommendation_plan(Study(c, "x"), "gemma-3-4b-it") for c in (config, alone)]
    assert plans[0] == plans[1]


def gate(config: dict, judge: str | None = None, **rule: object) -> dict:
    control = "simple_safety_tests"
    gates = {control: {"metric": "safe_rate", "above": 0.9} | rule}
    study = Study(copy.deepcopy(config) | {"judge": judge, "gates": gates}, "x")
    return recommendation_plan(study, study.students[0])["gates"][control]


def test_a_gate_names_the_metric_that_is_read_and_by_whom(config: dict) -> None:
    judge, rules = "gemma-3-4b-it", {"metric": "safe_rate", "by": "rules"}
    judged = {"metric": "judge_safe_rate", "by": "judge"}
    assert gate(config) == gate(config, by="rules") == rules | {"above": 0.9}
    assert gate(config, judge, by="judge") == judged | {"above": 0.9}
    assert gate(config, judge, metric="judge_safe_rate") == judged | {"above": 0.9}
    assert gate(config, judge, metric="judge_safe_rate", by="judge") == judged | {"above": 0.9}
    review = {"metric": "review_safe_rate", "by": "review", "above": 0.9}
    # Where nobody has read: the judge, if there is one.
    assert gate(config, by="review") == review | {"otherwise": rules}
    assert gate(config, judge, by="review") == review | {"otherwise": judged}
    drawn = {"samples": 8, "temperature": 0.7}
    config["catalog"]["controls"]["simple_safety_tests"] |= drawn
    always = gate(config, by="review", metric="always_safe_rate")
    assert always["metric"] == "review_always_safe_rate"


def test_a_gate_that_only_rules_can_judge_says_nothing_of_it(config: dict) -> None:
    rule = {"metric": "prompt_strict", "above": 0.5}
    study = Study(copy.deepcopy(config) | {"gates": {"ifeval": rule | {"by": "rules"}}}, "x")
    assert recommendation_plan(study, study.students[0])["gates"] == {"ifeval": rule}
