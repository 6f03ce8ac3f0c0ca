"""What summaries are told of a study."""

import copy

from sftstudy.study.grid import Study
from sftstudy.study.plan import recommendation_plan


def test_one_student_s_plan_does_not_depend_on_the_others(config: dict) -> None:
    alone = copy.deepcopy(config) | {"students": ["gemma-3-4b-it"]}
    plans = [recommendation_plan(Study(c, "x"), "gemma-3-4b-it") for c in (config, alone)]
    assert plans[0] == plans[1]
