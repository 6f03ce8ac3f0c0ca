"""Names of trials, and what matches them."""

import re

from sftstudy.study.names import TRIAL, one_of, replicate_id, trial_and_number, trial_id


def test_trial_ids() -> None:
    assert trial_id({"learning_rate": 2.5e-5, "num_train_epochs": 3}) == "lr2.5e-05_ep3"
    assert trial_id({"lr_scheduler_type": "linear"}) == "lr_scheduler_type-linear"


def test_names_of_up_to_six_digits_are_what_they_were() -> None:
    values = {1e-05: "1e-05", 2.5e-5: "2.5e-05", 0.0002: "0.0002", 1.23456e-5: "1.23456e-05"}
    values |= {
        3: "3",
        1.0: "1",
        0.5: "0.5",
        1_000_000: "1e+06",
        0.1 + 0.2: "0.3",
        3 * 1e-6: "3e-06",
    }
    for value, text in values.items():
        assert trial_id({"learning_rate": value}) == f"lr{text}"


def test_names_hold_all_digits_that_are_written() -> None:
    for value, text in {
        **{1.0000001e-5: "1.0000001e-05", 1.0000002e-5: "1.0000002e-05", 1234567: "1234567"},
        **{0.033333333: "0.033333333", 123456.75: "123456.75", 1 / 3: "0.333333333333333"},
    }.items():
        assert trial_id({"learning_rate": value}) == f"lr{text}"


def test_no_name_matches_where_there_is_none() -> None:
    assert not re.fullmatch(one_of([]), "")
    assert re.fullmatch(one_of(["a.b"]), "a.b")
    assert not re.fullmatch(one_of(["a.b"]), "axb")


def test_replicates_are_named_by_their_trial_and_number() -> None:
    assert replicate_id("lr2.5e-05_ep3", 2) == "lr2.5e-05_ep3_rep2"
    assert trial_and_number("lr2.5e-05_ep3_rep12") == ("lr2.5e-05_ep3", 12)
    for trial in ("lr1e-05_ep3", "lr1e-05_rep0", "lr1e-05_rep", "_rep1", "base"):
        assert trial_and_number(trial) == (trial, 0)
    assert re.fullmatch(TRIAL, replicate_id("lr1e-05_ep3_bs4", 1))
