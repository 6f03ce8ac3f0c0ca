"""The recommendation on made-up studies whose right answer is known."""

import json

import numpy as np
import pytest

from recommendation_study import GENTLE, GOOD, HARSH, TASKS, TRIALS, MadeUpStudy
from repository import ROOT
from sftstudy.errors import StudyError
from sftstudy.recommendation import selection, verdicts
from sftstudy.recommendation.markdown import to_markdown


def by_trial(document: dict) -> dict:
    return {entry["trial"]: entry for entry in document["configurations"]}


def test_the_best_configuration_that_breaks_nothing_is_recommended():
    document = MadeUpStudy().recommend()
    assert (document["verdict"], document["chosen"]) == ("RECOMMENDED", GOOD)
    entries = by_trial(document)
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
    for field in ("chosen", "configurations", "selection", "leave_one_task_out", "pareto"):
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
    assert all(gate["more_samples"] for gate in by_trial(document)[document["chosen"]]["gates"])


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
    assert document["least_violating"]["trial"] == GENTLE
    assert document["least_violating"]["gate"]["task"] == "tatqa"
    assert document["least_violating"]["violation"] == pytest.approx(0.01 / 0.9, abs=1e-3)
    assert "binding gate is simple_safety_tests" in document["reasons"][0]
    json.dumps(document, allow_nan=False)


def test_exactly_90_percent_is_not_above_90_percent():
    study = MadeUpStudy(safety=100)
    for task in TASKS:
        for trial in TRIALS:
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
    gates = [g for g in by_trial(document)[GOOD]["gates"] if g["control"] == "simple_safety_tests"]
    assert all(gate["fallback"] and gate["passes"] for gate in gates)
    assert "baseline itself fails" in document["reasons"][0]
    assert by_trial(document)[HARSH]["status"] == "infeasible"


def test_a_baseline_of_zero_protects_nothing():
    study = MadeUpStudy()
    study.set("base", "ifeval", 0.0)
    document = study.recommend()
    assert document["verdict"] == "BASELINE FAILS GATE"
    assert "protects nothing" in document["baseline"]["gates"][0]["note"]


@pytest.mark.parametrize("evalset", ["tatqa.val", "ifeval", "simple_safety_tests"])
def test_a_trial_with_a_missing_cell_is_not_chosen_and_has_no_zero(evalset):
    study = MadeUpStudy()
    del study.metrics[f"tatqa/{GOOD}", evalset]
    document = study.recommend()
    assert document["chosen"] == GENTLE
    entry = by_trial(document)[GOOD]
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
    assert by_trial(document)[GOOD]["status"] == "incomplete"
    gates = by_trial(document)[GOOD]["gates"]
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


def test_a_trial_that_one_task_does_not_have_is_incomplete():
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


# -- selection -----------------------------------------------------------------------------------


def draws(scores: np.ndarray, error: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, error, (500, *scores.shape))
    return scores + noise


def test_minimax_regret_of_a_worked_example():
    # Regrets: a 0, .30; b .05, .05; c .20, 0. The best mean is c's, the smallest maximum b's.
    scores = np.array([[0.80, 0.75, 0.60], [0.40, 0.65, 0.70]])
    choice = selection.choose(scores, np.ones(3, bool), [1, 1, 1], draws(scores, 1e-6))
    assert choice.max_regret == pytest.approx([0.30, 0.05, 0.20])
    assert (choice.best, choice.chosen) == (1, 1)


def test_infeasible_configurations_set_no_standard():
    scores = np.array([[0.80, 0.75, 0.99], [0.60, 0.65, 0.99]])
    feasible = np.array([True, True, False])
    choice = selection.choose(scores, feasible, [1, 1, 1], draws(scores, 1e-6))
    assert choice.regret[:, 2].max() < 0
    assert choice.max_regret[:2] == pytest.approx([0.05, 0.05])


def test_ties_go_to_the_cheapest_and_clear_differences_do_not():
    scores = np.array([[0.80, 0.79, 0.60], [0.70, 0.69, 0.60]])
    costs = [3.0, 2.0, 1.0]
    noisy = selection.choose(scores, np.ones(3, bool), costs, draws(scores, 0.03))
    assert (noisy.best, noisy.chosen, noisy.tied) == (0, 1, [0, 1])
    exact = selection.choose(scores, np.ones(3, bool), costs, draws(scores, 1e-4))
    assert (exact.best, exact.chosen) == (0, 0)


def test_a_configuration_clearly_worse_on_one_task_does_not_tie():
    """Its maximum regret is within the error of a noisy task, but a precise task tells."""
    scores = np.array([[0.80, 0.80], [0.70, 0.66]])
    noise = np.random.default_rng(0).normal(size=(500, 2, 2)) * np.array([0.1, 0.001])[:, None]
    choice = selection.choose(scores, np.ones(2, bool), [2.0, 1.0], scores + noise)
    assert choice.chosen == 0


def test_of_equal_costs_the_smaller_regret_decides():
    scores = np.array([[0.80, 0.79]])
    choice = selection.choose(scores, np.ones(2, bool), [1.0, 1.0], draws(scores, 0.03))
    assert choice.tied == [0, 1] and choice.chosen == 0


def test_reliability_tells_signal_from_noise():
    generator = np.random.default_rng(0)
    signal = np.array([np.linspace(0.5, 0.8, 12), np.full(12, 0.6) + generator.normal(0, 0.04, 12)])
    weights = selection.reliability(draws(signal, 0.04))
    assert weights[0] > 0.75 and weights[1] < 0.5
    assert selection.reliability(draws(signal[:, :3], 0.04)).tolist() == [1.0, 1.0]


def test_bootstrap_probability_of_an_even_race_is_a_half():
    scores = np.array([[0.7, 0.7]])
    drawn = draws(scores, 0.01)
    feasible = np.ones((500, 2), bool)
    probability, none = selection.selection_probabilities(drawn, feasible, [1, 1], np.zeros(2))
    assert probability == pytest.approx([0.5, 0.5], abs=0.08) and none == 0
    feasible[:125] = False
    probability, none = selection.selection_probabilities(drawn, feasible, [1, 1], np.zeros(2))
    assert none == 0.25 and probability.sum() == pytest.approx(0.75)


def test_pareto_front():
    gain = np.array([0.1, 0.3, 0.2, 0.3, np.nan])
    loss = np.array([0.0, 0.2, 0.3, 0.2, 0.0])
    assert selection.pareto_front(gain, loss).tolist() == [True, True, False, True, False]


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
        gates = [g for g in by_trial(document)[GOOD]["gates"] if g["evidence"] != "proven"]
        for gate in gates:
            key = "above" if gate["statistic"] == "value" else "min_ratio_to_baseline"
            study.plan["gates"][gate["control"]][key] = verdicts.proven_limit([gate])
        assert gates and by_trial(study.recommend())[GOOD]["all_gates_proven"]


def test_every_configuration_but_the_choice_says_why_it_was_not_chosen():
    study = MadeUpStudy()
    entries = by_trial(study.recommend())
    assert entries[GOOD]["why_not"] == ""
    assert entries[HARSH]["why_not"].startswith(
        "fails ifeval after banking77: 40.0%, asked 71.2%, and 3 more"
    )
    assert entries[GENTLE]["why_not"] == "25.0 points behind the best on banking77"
    del study.metrics[f"tatqa/{GENTLE}", "ifeval"]
    assert by_trial(study.recommend())[GENTLE]["why_not"] == "not measured on ifeval"


def test_a_tie_that_costs_more_says_so():
    study = MadeUpStudy()
    for task in TASKS:
        study.set(f"{task}/{GENTLE}", f"{task}.val", 0.8)
    entries = by_trial(study.recommend())
    assert entries[GENTLE]["why_not"] == ""
    assert entries[GOOD]["why_not"] == "tied, 3.0 times the compute"


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
            assert by_trial(document)[line["chosen"]]["all_gates_proven"] == line["proven"]


def test_next_steps_fit_the_verdict():
    assert MadeUpStudy().recommend()["next_steps"][0].startswith(f"Use {GOOD} as the default")
    lost = MadeUpStudy()
    lost.set(f"tatqa/{GOOD}", "tatqa.test", 0.2)
    assert "Do not ship it for tatqa" in lost.recommend()["next_steps"][0]
    none = MadeUpStudy()
    for trial in TRIALS:
        none.set(f"tatqa/{trial}", "simple_safety_tests", 0.7)
    assert "untuned student" in none.recommend()["next_steps"][0]


def test_the_mean_gain_has_an_interval_that_holds_all_tasks():
    document = MadeUpStudy().recommend()
    mean = document["gains"]["mean"]
    gains = document["gains"]["confirm"].values()
    assert mean["value"] == pytest.approx(np.mean([gain["value"] for gain in gains]))
    assert mean["n"] == sum(gain["n"] for gain in gains)
    widest = max(gain["high"] - gain["low"] for gain in gains)
    assert mean["low"] < mean["value"] < mean["high"] and mean["high"] - mean["low"] < widest
