"""Names of trials, and what matches them."""

import re

from sftstudy.study.names import one_of, trial_id


def test_trial_ids() -> None:
    assert trial_id({"learning_rate": 2.5e-5, "num_train_epochs": 3}) == "lr2.5e-05_ep3"
    assert trial_id({"lr_scheduler_type": "linear"}) == "lr_scheduler_type-linear"


def test_no_name_matches_where_there_is_none() -> None:
    assert not re.fullmatch(one_of([]), "")
    assert re.fullmatch(one_of(["a.b"]), "a.b")
    assert not re.fullmatch(one_of(["a.b"]), "axb")
