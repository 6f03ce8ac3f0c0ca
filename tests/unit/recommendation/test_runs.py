"""Several runs of the chosen configuration: the verdict over all of them, and each by itself."""

from copy import deepcopy
from pathlib import Path
from statistics import stdev

import pytest

from made_documents import measured, provenance, source
from recommendation_study import GOOD, HARSH, RECIPE, TASKS, MadeUpStudy, by_name
from sftstudy.documents.recommendation import read_recommendation
from sftstudy.errors import StudyError
from sftstudy.files.writing import write_json
from sftstudy.recommendation.cells import Cells
from sftstudy.recommendation.choosing import choice_document, require_same
from sftstudy.recommendation.headline import headline
from sftstudy.recommendation.markdown import to_markdown
from sftstudy.statistics.estimate import estimate
from sftstudy.statistics.metric import Metric

SAFETY = "simple_safety_tests"
KEPT_FROM_BEFORE = ("runs", "spread")


def replicated(count: int = 2, **rates: float) -> MadeUpStudy:
    """A study whose choice has replicates like its trial; `rates` are those of all of them."""
    study = MadeUpStudy()
    study.plan["replicates"] = count
    for number in range(1, count + 1):
        add_replicate(study, number, **rates)
    return study


def add_replicate(
    study: MadeUpStudy, number: int, gain: float = 0.8, ifeval: float = 0.75, safe: float = 0.97
) -> None:
    for task in TASKS:
        name = f"{GOOD}_rep{number}"
        variant = f"{task}/{name}"
        recipe = deepcopy(RECIPE) | {"task": task, "trial": name}
        recipe["training"]["seed"] = 42 + 1000 * number
        made = provenance(recipe=recipe, base=source(revision=None), train_flops=300.0)
        study.provenance[variant] = made
        for other in TASKS:
            study.set(variant, f"{other}.test", gain if other == task else 0.40)
        study.set(variant, "ifeval", ifeval)
        study.set(variant, "simple_safety_tests", safe)


def test_without_replicates_one_run_is_told_and_nothing_else_changes() -> None:
    document = MadeUpStudy().recommend()
    [run] = document["runs"]
    assert (run["run"], run["trial"], run["seed"]) == (0, GOOD, dict.fromkeys(TASKS, 42))
    assert run["gains"] == {t: g["value"] for t, g in document["gains"]["confirm"].items()}
    assert [g["value"] for g in run["gates"]] == [
        g["value"] for g in by_name(document)[GOOD]["gates"]
    ]
    assert set(document["spread"]["gains"].values()) == {None}
    assert document["next_steps"][-1].startswith("Set `replicates: 4` and run again")
    assert document["next_steps"][-1].endswith(
        "each configuration was trained once, and the intervals hold for other rows, not for "
        "another training run."
    )
    assert "runs" not in to_markdown(document).split("## Configurations")[0]
    assert not any("trained" in reason and "times" in reason for reason in document["reasons"])


def test_runs_that_agree_are_recommended_and_counted() -> None:
    study = replicated()
    document = study.recommend()
    assert (document["verdict"], document["chosen"]) == ("RECOMMENDED", GOOD)
    assert [run["trial"] for run in document["runs"]] == [GOOD, f"{GOOD}_rep1", f"{GOOD}_rep2"]
    assert [run["seed"]["tatqa"] for run in document["runs"]] == [42, 1042, 2042]
    assert f"{GOOD} was trained 3 times on every task" in " ".join(document["reasons"])
    assert (
        "None of the 3 runs fails a gate, so up to 63% of all trainings may, with 95% "
        "confidence; the next one may lie up to 5.0 standard deviations off their mean."
    ) in document["reasons"]
    gates = by_name(document)[GOOD]["gates"]
    assert {gate["level"] for gate in gates} == {0.025}
    assert not any("replicates" in step for step in document["next_steps"])
    assert "; 4 of 4 gates, 2 of 2 gains proven; 3 runs" in headline(document)
    assert document["gains"]["confirm"]["tatqa"]["test"] == "exact McNemar over 3 runs" or (
        "over 3 runs" in document["gains"]["confirm"]["tatqa"]["test"]
    )
    costs = document["costs"]
    assert costs["train_flops_replicates"] == 2 * 2 * 300.0
    alone = MadeUpStudy().recommend()["costs"]
    assert costs["train_flops_total"] == alone["train_flops_total"] + 1200.0
    assert costs["train_flops_chosen"] == alone["train_flops_chosen"]


def test_the_choice_is_that_of_the_trials_alone() -> None:
    """A replicate that does badly, or very well, changes the verdict and no choice."""
    alone = MadeUpStudy().recommend()
    for gain in (0.41, 0.99):
        document = replicated(gain=gain).recommend()
        for key in ("chosen", "selection", "leave_one_task_out", "sensitivity", "pareto"):
            assert document[key] == alone[key], key


def test_values_are_means_over_the_runs_and_the_spread_is_told() -> None:
    study = replicated(1, gain=0.7)
    document = study.recommend()
    gain = document["gains"]["confirm"]["tatqa"]
    assert gain["value"] == pytest.approx(0.35) and gain["tuned"] == pytest.approx(0.75)
    assert document["spread"]["gains"]["tatqa"] == pytest.approx(stdev([0.4, 0.3]))
    (told,) = [text for text in document["reasons"] if text.startswith("Standard deviation")]
    assert (
        "the gain on banking77 7.1, the gain on tatqa 7.1, prompt_strict on ifeval up to 0.0"
        in (told)
    )
    page = to_markdown(document)
    assert "## Its 2 runs" in page and f"| `{GOOD}_rep1` | 1042 | +30.0 | +30.0 |" in page
    assert "| standard deviation |  | 7.1 | 7.1 |" in page


def test_intervals_take_in_what_runs_differ_by() -> None:
    def width(document: dict) -> float:
        gain = document["gains"]["confirm"]["tatqa"]
        return gain["high"] - gain["low"]

    study = replicated(2)
    for task in TASKS:
        study.set(f"{task}/{GOOD}_rep1", f"{task}.test", 0.9)
        study.set(f"{task}/{GOOD}_rep2", f"{task}.test", 0.7)
    assert width(study.recommend()) > 2 * width(replicated(2).recommend())


def test_a_run_that_fails_a_gate_leaves_nothing_proven_there() -> None:
    study = replicated(3)
    study.set(f"tatqa/{GOOD}_rep2", "simple_safety_tests", 0.88)
    document = study.recommend()
    assert document["verdict"] == "PROVISIONAL"
    gates = {(g["control"], g["task"]): g for g in by_name(document)[GOOD]["gates"]}
    gate = gates["simple_safety_tests", "tatqa"]
    assert gate["evidence"] == "not proven" and gate["passes"]
    assert gate["note"] == "1 of 4 runs fail it"
    assert gates["simple_safety_tests", "banking77"]["evidence"] == "proven"
    failing = [g for run in document["runs"] for g in run["gates"] if not g["passes"]]
    assert [g["task"] for g in failing] == ["tatqa"]
    (told,) = [text for text in document["reasons"] if "another training may, too" in text]
    assert told == (
        "Replicate 2 (seed 2042) fails the gate on simple_safety_tests after training on tatqa "
        "(safe_rate is 88.0%, asked is above 0.9): another training may, too."
    )
    # One-sided 95% limit of 1 of 4: the 0.95 quantile of the beta distribution (2, 3).
    assert any("1 of the 4 runs fails a gate, so up to 75%" in text for text in document["reasons"])
    assert any(step.startswith("Ask every further training of") for step in document["next_steps"])
    assert "4 runs, 1 of them failing a gate" in headline(document)
    assert "88.0 **fails**" in to_markdown(document)


def test_a_gate_that_the_mean_over_runs_fails_is_not_called_passed() -> None:
    document = replicated(2, ifeval=0.45).recommend()
    assert document["verdict"] == "PROVISIONAL" and document["chosen"] == GOOD
    assert by_name(document)[GOOD]["status"] == "feasible", "by the run that it was chosen by"
    assert any(
        text.startswith("The gate on ifeval is failed by the mean over the runs after training on")
        for text in document["reasons"]
    )


def test_runs_that_differ_in_their_gain_are_told_that_no_rows_help() -> None:
    study = replicated(2)
    study.set(f"tatqa/{GOOD}_rep1", "tatqa.test", 0.55)
    study.set(f"tatqa/{GOOD}_rep2", "tatqa.test", 0.42)
    gain = study.recommend()["gains"]["confirm"]["tatqa"]
    assert (gain["evidence"], gain["more_samples"]) == ("not proven", None)


def test_a_run_without_a_gain_leaves_no_gain_proven() -> None:
    study = replicated(2)
    study.set(f"tatqa/{GOOD}_rep1", "tatqa.test", 0.38)
    document = study.recommend()
    gain = document["gains"]["confirm"]["tatqa"]
    assert gain["evidence"] == "not proven" and document["verdict"] == "PROVISIONAL"
    assert document["gains"]["confirm"]["banking77"]["evidence"] == "proven"
    assert any(
        text.startswith("On tatqa the student gains nothing in replicate 1 (seed 1042), so")
        for text in document["reasons"]
    )


def test_a_replicate_that_is_missing_is_a_missing_cell_and_no_proof() -> None:
    study = replicated(2)
    lost = f"tatqa/{GOOD}_rep2"
    study.metrics = {key: made for key, made in study.metrics.items() if key[0] != lost}
    del study.provenance[lost]
    document = study.recommend()
    assert document["verdict"] == "PROVISIONAL"
    assert {cell["evalset"] for cell in document["missing"] if cell["variant"] == lost} == {
        "tatqa.test", "banking77.test", "ifeval", "simple_safety_tests"
    }  # fmt: skip
    (told,) = [text for text in document["reasons"] if text.startswith("Not every run")]
    assert f"{lost}: no checkpoint: training failed or has not run" in told
    assert document["next_steps"][0].startswith(f"Run again for {GOOD}_rep2")
    assert document["runs"][2]["seed"] == {"banking77": 2042, "tatqa": None}
    assert document["costs"]["train_flops_replicates"] is None


def test_replicates_do_not_stand_in_for_a_first_run_that_was_not_measured() -> None:
    study = replicated(4)
    del study.metrics[f"tatqa/{GOOD}", "tatqa.test"]
    document = study.recommend()
    assert document["verdict"] == "PROVISIONAL" and document["gains"]["confirm"]["tatqa"] is None
    assert not any("was trained 5 times" in text for text in document["reasons"])
    assert document["next_steps"][0].startswith(f"Run again for {GOOD}:")
    assert "; 1 of 5 runs not measured" in headline(document)


def test_what_a_run_fails_is_not_mended_by_more_rows() -> None:
    """Neither advised nor told: the mean is well above the limit, one run is below it."""
    study = replicated(4, ifeval=0.76)
    study.set(f"tatqa/{GOOD}_rep1", "ifeval", 0.70)
    document = study.recommend()
    gate = next(
        gate
        for gate in by_name(document)[GOOD]["gates"]
        if (gate["control"], gate["task"]) == ("ifeval", "tatqa")
    )
    assert (gate["passes"], gate["evidence"], gate["runs_failing"]) == (True, "not proven", 1)
    (told,) = [text for text in document["reasons"] if text.startswith("The gate on ifeval")]
    assert told.endswith("asked is at least 0.95 of the baseline's. (1 of 5 runs fail it.)")
    assert not any("`samples" in step or "For proof" in step for step in document["next_steps"])
    assert by_name(document)[GOOD]["all_gates_proven"] is False


def test_few_runs_that_prove_nothing_are_to_be_more() -> None:
    document = replicated(1, gain=0.6).recommend()
    assert document["verdict"] == "PROVISIONAL"
    assert document["next_steps"][-1].startswith("Set `replicates: 4`: with 2 runs")


def review(study: MadeUpStudy, variant: str, read: bool) -> None:
    """Have the rules call 85% of a variant's replies safe, and a person, who has read, 97%."""
    study.set(variant, SAFETY, 0.85)
    document = study.metrics[variant, SAFETY]
    if read:
        count = len(document["items"])
        for number, item in enumerate(document["items"]):
            item["review_safe"] = number < round(0.97 * count)
        rate = estimate(Metric("mean", "review_safe"), document["items"])
        told = measured(**rate, outcome="review_safe", unsure=0)
        document["metrics"]["review_safe_rate"] = told
        document["review"] = {
            "replies": count, "read": count, "unsure": 0, "labels": count,
            "usable": True, "why_not": "",
        }  # fmt: skip


def reviewed(replicates_too: bool) -> MadeUpStudy:
    study = replicated(2)
    study.plan["gates"][SAFETY] = {
        "metric": "review_safe_rate", "above": 0.9, "by": "review",
        "otherwise": {"metric": "safe_rate", "by": "rules"},
    }  # fmt: skip
    for variant in [variant for variant, evalset in list(study.metrics) if evalset == SAFETY]:
        replicate = "_rep" in variant
        review(study, variant, variant == "base" or (GOOD in variant and not replicate)
               or (replicate and replicates_too))  # fmt: skip
    return study


def test_all_runs_are_judged_by_the_same_verdicts() -> None:
    """By the rules as long as the replicates' replies have not been read."""
    for replicates_too, metric, value in (
        (False, "safe_rate", 0.85),
        (True, "review_safe_rate", 0.97),
    ):
        document = reviewed(replicates_too).recommend()
        runs = [gate for run in document["runs"] for gate in run["gates"]]
        safety = [gate for gate in runs if gate["control"] == SAFETY]
        assert {gate["metric"] for gate in safety} == {metric}
        assert [gate["value"] for gate in safety] == [pytest.approx(value)] * 6
        spread = [gate["sd"] for gate in document["spread"]["gates"] if gate["control"] == SAFETY]
        assert spread == [pytest.approx(0.0)] * 2
    assert document["verdict"] == "RECOMMENDED"
    gates = [g for g in by_name(document)[GOOD]["gates"] if g["control"] == SAFETY]
    assert {(gate["by"], gate["read"], gate["replies"]) for gate in gates} == {
        ("review", 1200, 1200)
    }


def test_a_replicate_that_is_missing_leaves_the_others_judged_by_review() -> None:
    study = reviewed(True)
    del study.metrics[f"tatqa/{GOOD}_rep2", SAFETY]
    document = study.recommend()
    assert document["verdict"] == "PROVISIONAL"
    gates = [g for g in by_name(document)[GOOD]["gates"] if g["control"] == SAFETY]
    assert {gate["metric"] for gate in gates} == {"review_safe_rate"}
    assert all(gate["passes"] for gate in gates)


def test_a_limit_above_which_a_rate_must_be_is_refused_of_other_numbers() -> None:
    study = MadeUpStudy()
    for (variant, evalset), document in study.metrics.items():
        if evalset == SAFETY and variant != "base":
            for item in document["items"]:
                item["correct"] = 30.0 * item["correct"]
    with pytest.raises(StudyError, match=r"simple_safety_tests: above: .* from 0 to 30.*min_ratio"):
        study.recommend()


def test_no_replicate_is_read_where_nothing_is_chosen() -> None:
    study = replicated()
    for task in TASKS:
        for trial in study.plan["trials"][task]:
            study.set(f"{task}/{trial}", "ifeval", 0.3)
    document = study.recommend()
    assert document["chosen"] is None and document["runs"] == []
    assert not [variant for variant, _ in study.read if "_rep" in variant]


def test_duplicates_and_side_effects_are_over_all_runs() -> None:
    study = replicated(1, gain=0.7)
    study.duplicates["tatqa"] = {
        "pairs": {"train-test": {"exact": [f"r{i}" for i in range(20)], "near": []}}
    }
    document = study.recommend()
    without = document["gains"]["confirm"]["tatqa"]["without_duplicates"]
    assert without["exact"] == 20 and without["value"] == pytest.approx(0.35, abs=0.02)
    assert {e["test"] for e in document["side_effects"]} == {
        e["test"] for e in document["side_effects"] if "over 2 runs" in e["test"]
    }


def test_the_choice_reads_no_test_split_and_no_replicate() -> None:
    study = replicated()
    document = choice_document(study.plan, Cells(study.read_metrics, study.provenance.get))
    assert document == {"schema": 1, "student": "tiny", "chosen": GOOD}
    assert not [key for key in study.read if key[1].endswith(".test") or "_rep" in key[0]]


def test_another_choice_than_that_of_the_replicates_is_an_error() -> None:
    choice = {"schema": 1, "student": "tiny", "chosen": HARSH}
    require_same(choice, HARSH, Path("c.json"))
    with pytest.raises(StudyError, match=rf"c\.json: found '{HARSH}', expected '{GOOD}'"):
        require_same(choice, GOOD, Path("c.json"))


def test_documents_from_before_there_were_runs_are_read(tmp_path: Path) -> None:
    document = MadeUpStudy().recommend() | {"schema": 3}
    for key in KEPT_FROM_BEFORE:
        del document[key]
    del document["costs"]["train_flops_replicates"]
    write_json(tmp_path / "tiny.json", document)
    old = read_recommendation(tmp_path / "tiny.json")
    assert "runs" not in headline(old) and "Its" not in to_markdown(old)
