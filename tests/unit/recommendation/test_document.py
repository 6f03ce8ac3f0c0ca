"""The recommendation on made-up studies whose right answer is known."""

import json

import numpy as np
import pytest

from recommendation_study import CONFIGURATIONS, GENTLE, GOOD, HARSH, TASKS, MadeUpStudy, by_name
from repository import ROOT
from sftstudy.errors import StudyError
from sftstudy.recommendation.markdown import to_markdown


def test_the_best_configuration_that_breaks_nothing_is_recommended():
    document = MadeUpStudy().recommend()
    assert (document["verdict"], document["chosen"]) == ("RECOMMENDED", GOOD)
    entries = by_name(document)
    assert entries[HARSH]["status"] == "infeasible"
    assert entries[HARSH]["mean_gain"] > entries[GOOD]["mean_gain"]  # and yet
    assert entries[GOOD]["all_gates_proven"]
    assert entries[GOOD]["max_regret"] == pytest.approx(0.0)
    assert entries[GENTLE]["max_regret"] == pytest.approx(0.25)
    assert entries[GOOD]["selection_probability"] == pytest.approx(1.0)
    for gain in document["gains"]["confirm"].values():
        assert gain["value"] == pytest.approx(0.4) and gain["evidence"] == "proven"
        assert gain["p_holm"] >= gain["p"]
    assert document["pareto"] == [GOOD, HARSH]
    assert document["config"]["learning_rate"] == 1e-5 and "task" not in document["config"]
    assert document["costs"]["train_flops_chosen"] == 600.0
    assert document["missing"] == []
    json.dumps(document, allow_nan=False)


def test_every_number_of_the_document_is_on_the_page():
    page = to_markdown(MadeUpStudy().recommend())
    for text in ("**RECOMMENDED**: `lr1e-05_ep3_bs4`", "exact McNemar", "learning_rate", "97.0"):
        assert text in page


def test_rows_that_were_too_long_are_told_beside_n():
    study = MadeUpStudy()
    for (_, evalset), made in study.metrics.items():
        made["dropped"] = {"tatqa.test": 3, "ifeval": 1}.get(evalset, 0)
    document = study.recommend()
    assert document["dropped"] == {"ifeval": 1, "tatqa.test": 3}
    assert "(not in n): 1 of ifeval, 3 of tatqa.test." in to_markdown(document)
    assert "not in n" not in to_markdown(MadeUpStudy().recommend())


def test_permuting_all_confirm_scores_changes_no_choice():
    study = MadeUpStudy()
    before = study.recommend()
    tests = [key for key in study.metrics if key[1].endswith(".test")]
    shuffled = np.random.default_rng(0).permutation(len(tests))
    files = [study.metrics[key] for key in tests]
    for key, index in zip(tests, shuffled, strict=True):
        study.metrics[key] = files[index]
    after = study.recommend()
    assert after["gains"]["confirm"] != before["gains"]["confirm"]
    for field in (
        "chosen",
        "configurations",
        "selection",
        "leave_one_task_out",
        "pareto",
        "effects",
    ):
        assert after[field] == before[field]


def test_confirm_is_read_once_after_the_choice_and_for_the_chosen_alone():
    study = MadeUpStudy()
    document = study.recommend()
    tests = [key for key in study.read if key[1].endswith(".test")]
    assert tests == study.read[-len(tests) :]
    allowed = {"base", *(f"{task}/{document['chosen']}" for task in TASKS)}
    assert {variant for variant, _ in tests} == allowed
    assert len(tests) == len(set(tests))


def test_gates_passed_by_point_estimate_alone_are_provisional():
    study = MadeUpStudy(safety=100)
    for task in TASKS:
        study.set(f"{task}/{GOOD}", "simple_safety_tests", 0.93)
    document = study.recommend()
    assert (document["verdict"], document["chosen"]) == ("PROVISIONAL", GOOD)
    unproven = next(reason for reason in document["reasons"] if "not proven" in reason)
    assert "further samples would decide" in unproven and "96 of 100" in unproven


def test_tiny_evaluations_are_provisional():
    document = MadeUpStudy(n=8, safety=8).recommend()
    assert document["verdict"] == "PROVISIONAL"
    assert all(gate["more_samples"] for gate in by_name(document)[document["chosen"]]["gates"])


def test_a_gain_that_the_test_split_does_not_prove_is_provisional():
    study = MadeUpStudy()
    study.set(f"tatqa/{GOOD}", "tatqa.test", 0.405)
    document = study.recommend()
    assert (document["verdict"], document["chosen"]) == ("PROVISIONAL", GOOD)
    assert document["gains"]["confirm"]["tatqa"]["evidence"] == "not proven"
    assert any("gain on tatqa is not proven" in reason for reason in document["reasons"])


def test_a_proven_loss_is_never_recommended():
    study = MadeUpStudy()
    study.set(f"tatqa/{GOOD}", "tatqa.test", 0.2)
    document = study.recommend()
    assert document["verdict"] == "PROVISIONAL"
    assert document["gains"]["confirm"]["tatqa"]["evidence"] == "violated"
    assert any("worse than the baseline" in reason for reason in document["reasons"])


def test_no_feasible_configuration_names_the_gate_and_the_least_violating():
    study = MadeUpStudy()
    for trial, safe in ((GENTLE, 0.89), (GOOD, 0.7), (HARSH, 0.6)):
        study.set(f"tatqa/{trial}", "simple_safety_tests", safe)
    document = study.recommend()
    assert (document["verdict"], document["chosen"]) == ("NO FEASIBLE CONFIGURATION", None)
    assert document["least_violating"]["configuration"] == GENTLE
    assert document["least_violating"]["gate"]["task"] == "tatqa"
    assert document["least_violating"]["violation"] == pytest.approx(0.01 / 0.9, abs=1e-3)
    assert "binding gate is simple_safety_tests" in document["reasons"][0]
    json.dumps(document, allow_nan=False)


def test_exactly_90_percent_is_not_above_90_percent():
    study = MadeUpStudy(safety=100)
    for task in TASKS:
        for trial in CONFIGURATIONS:
            study.set(f"{task}/{trial}", "simple_safety_tests", 0.90)
    assert study.recommend()["verdict"] == "NO FEASIBLE CONFIGURATION"


def test_a_baseline_that_fails_is_reported_and_trials_are_held_to_it():
    study = MadeUpStudy()
    study.set("base", "simple_safety_tests", 0.80)
    for task in TASKS:
        study.set(f"{task}/{GENTLE}", "simple_safety_tests", 0.80)
        study.set(f"{task}/{GOOD}", "simple_safety_tests", 0.80)
    document = study.recommend()
    assert (document["verdict"], document["chosen"]) == ("BASELINE FAILS GATE", GOOD)
    gates = [g for g in by_name(document)[GOOD]["gates"] if g["control"] == "simple_safety_tests"]
    assert all(gate["fallback"] and gate["passes"] for gate in gates)
    assert "baseline itself fails" in document["reasons"][0]
    assert by_name(document)[HARSH]["status"] == "infeasible"


def test_a_baseline_of_zero_protects_nothing():
    study = MadeUpStudy()
    study.set("base", "ifeval", 0.0)
    document = study.recommend()
    assert document["verdict"] == "BASELINE FAILS GATE"
    assert "protects nothing" in document["baseline"]["gates"][0]["note"]


@pytest.mark.parametrize("evalset", ["tatqa.val", "ifeval", "simple_safety_tests"])
def test_a_configuration_with_a_missing_cell_is_not_chosen_and_has_no_zero(evalset):
    study = MadeUpStudy()
    del study.metrics[f"tatqa/{GOOD}", evalset]
    document = study.recommend()
    assert document["chosen"] == GENTLE
    entry = by_name(document)[GOOD]
    assert entry["status"] == "incomplete" and entry["selection_probability"] == 0.0
    assert entry["max_regret"] is None
    assert [(m["variant"], m["evalset"]) for m in document["missing"]] == [
        (f"tatqa/{GOOD}", evalset)
    ]
    assert "although there is a checkpoint" in document["missing"][0]["reason"]
    assert any(GOOD in reason and "missing" in reason for reason in document["reasons"])


def test_a_failed_training_is_named_as_the_reason():
    study = MadeUpStudy()
    for key in [key for key in study.metrics if key[0] == f"tatqa/{GOOD}"]:
        del study.metrics[key]
    del study.provenance[f"tatqa/{GOOD}"]
    document = study.recommend()
    assert {entry["reason"] for entry in document["missing"]} == {
        "no checkpoint: training failed or has not run"
    }
    assert document["costs"]["train_flops_unknown"] == [f"tatqa/{GOOD}"]
    assert document["chosen"] == GENTLE


def test_an_empty_evaluation_is_never_a_pass():
    study = MadeUpStudy()
    entry = study.metrics[f"tatqa/{GOOD}", "simple_safety_tests"]["metrics"]["safe_rate"]
    entry |= {"n": 0, "value": None}
    document = study.recommend()
    assert by_name(document)[GOOD]["status"] == "incomplete"
    gates = by_name(document)[GOOD]["gates"]
    assert [gate["evidence"] for gate in gates].count("missing") == 1
    assert "n = 0" in document["missing"][0]["reason"]


def test_without_the_baseline_nothing_is_feasible():
    study = MadeUpStudy()
    for evalset in ("ifeval", "simple_safety_tests"):
        del study.metrics["base", evalset]
    document = study.recommend()
    assert document["verdict"] == "NO FEASIBLE CONFIGURATION"
    assert {entry["status"] for entry in document["configurations"]} == {"incomplete"}
    json.dumps(document, allow_nan=False)


def test_without_any_file_there_is_still_a_document():
    study = MadeUpStudy()
    study.metrics, study.provenance = {}, {}
    document = study.recommend()
    assert document["verdict"] == "NO FEASIBLE CONFIGURATION"
    assert document["least_violating"] is None
    assert to_markdown(document)
    json.dumps(document, allow_nan=False)


def test_a_configuration_that_one_task_does_not_have_is_incomplete():
    study = MadeUpStudy()
    study.plan["trials"]["tatqa"] = [GENTLE, HARSH]
    document = study.recommend()
    assert document["chosen"] == GENTLE
    assert document["missing"][0]["reason"] == "the search space of tatqa has no such trial"


def test_files_of_different_eval_sets_are_an_error():
    study = MadeUpStudy()
    for item in study.metrics["tatqa/" + GOOD, "tatqa.val"]["items"]:
        item["id"] = "other-" + item["id"]
    with pytest.raises(StudyError, match=r"tatqa\.val: only 0 rows have the same id"):
        study.recommend()


def test_an_unknown_gate_metric_is_an_error_that_lists_the_known_ones():
    study = MadeUpStudy()
    study.plan["gates"]["ifeval"]["metric"] = "prompt_strikt"
    with pytest.raises(StudyError, match="no metric 'prompt_strikt'; it has prompt_strict"):
        study.recommend()


def test_the_same_files_give_the_same_document():
    assert MadeUpStudy().recommend() == MadeUpStudy().recommend()


def test_leave_one_task_out_regret_is_what_the_choice_costs_on_the_unseen_task():
    study = MadeUpStudy()
    study.set(f"tatqa/{GENTLE}", "tatqa.val", 0.90)
    rows = {row["left_out"]: row for row in study.recommend()["leave_one_task_out"]}
    assert rows["tatqa"]["chosen"] == GOOD  # by banking77 alone
    assert rows["tatqa"]["regret"] == pytest.approx(0.1)
    assert rows["banking77"]["chosen"] == GENTLE
    assert rows["banking77"]["regret"] == pytest.approx(0.25)


def test_modules_of_this_stage_do_not_import_torch():
    import subprocess
    import sys

    scripts = ROOT / "scripts"
    code = (
        f"import sys; sys.path.insert(0, {str(scripts)!r});"
        "import sftstudy.recommendation.document, sftstudy.recommendation.run_files;"
        "import sftstudy.recommendation.markdown, sftstudy.statistics.estimate;"
        "print(sorted({'torch', 'scipy', 'pandas', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_sensitivity_agrees_with_a_study_of_the_other_limit():
    study = MadeUpStudy(safety=100)
    study.set(f"tatqa/{GOOD}", "simple_safety_tests", 0.94)
    study.set(f"banking77/{GENTLE}", "ifeval", 0.72)
    lines = study.recommend()["sensitivity"]
    assert [line["limit"] for line in lines if line["configured"]] == [0.95, 0.9]
    assert {line["chosen"] for line in lines} >= {None, GOOD, GENTLE}
    for line in lines:
        key = "above" if line["statistic"] == "value" else "min_ratio_to_baseline"
        gates = dict(study.plan["gates"])
        gates[line["control"]] = gates[line["control"]] | {key: line["limit"]}
        other = MadeUpStudy(safety=100)
        other.metrics, other.plan["gates"] = study.metrics, gates
        document = other.recommend()
        if document["verdict"] == "BASELINE FAILS GATE":
            continue  # a limit that the baseline fails is replaced; here it is only asked for
        assert document["chosen"] == line["chosen"]
        entries = document["configurations"]
        assert sum(entry["status"] == "feasible" for entry in entries) == line["feasible"]
        if line["chosen"]:
            assert by_name(document)[line["chosen"]]["all_gates_proven"] == line["proven"]


def test_the_mean_gain_has_an_interval_that_holds_all_tasks():
    document = MadeUpStudy().recommend()
    mean = document["gains"]["mean"]
    gains = document["gains"]["confirm"].values()
    assert mean["value"] == pytest.approx(np.mean([gain["value"] for gain in gains]))
    assert mean["n"] == sum(gain["n"] for gain in gains)
    widest = max(gain["high"] - gain["low"] for gain in gains)
    assert mean["low"] < mean["value"] < mean["high"] and mean["high"] - mean["low"] < widest
