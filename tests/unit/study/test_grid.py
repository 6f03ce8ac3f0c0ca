"""The grid: trials, overrides, recipes, and what a change of the study file leaves alone."""

import copy

import pytest

from sftstudy.errors import StudyError
from sftstudy.study import jobs, targets
from sftstudy.study.grid import Study
from sftstudy.study.jobs import as_json

ONE = ("gemma-3-4b-it", "tatqa", "lr2e-05_ep1_bs2")  # student, task, trial


def recipes(study: Study) -> dict[tuple[str, str, str], str]:
    return {
        (student, task, trial): as_json(jobs.recipe(study, student, task, trial))
        for student in study.students
        for task in study.tasks
        for trial in study.trials(student, task)
    }


def test_grid_of_the_original_study(config: dict) -> None:
    study = Study(config, "config.yaml")
    assert len(recipes(study)) == 5 * 4 * 12
    assert "lr1e-05_ep3_bs4" in study.trials("Llama-3.2-1B-Instruct", "tatqa")
    assert len(targets.metrics_files(study, "gemma-3-4b-it")) == (4 + 2 + 4) + 48 * (1 + 2 + 4)


def test_lora_trials_stand_beside_the_others_and_change_none_of_them(config: dict) -> None:
    before = recipes(Study(copy.deepcopy(config), "x"))
    config["lora_space"] = {"learning_rate": [1e-4, 2e-4], "num_train_epochs": [2]}
    study = Study(config, "x")
    after = recipes(study)
    assert {key: after[key] for key in before} == before
    added = {trial for _, _, trial in after.keys() - before.keys()}
    assert added == {"lora16_lr0.0001_ep2", "lora16_lr0.0002_ep2"}
    training = jobs.recipe(study, "gemma-3-4b-it", "tatqa", "lora16_lr0.0002_ep2")["training"]
    lora = {"method": "lora", "lora_r": 16, "lora_alpha": 32, "lora_dropout": 0.0}
    assert {key: training[key] for key in lora} == lora
    assert training["learning_rate"] == 2e-4 and training["gradient_accumulation_steps"] == 4
    full = jobs.recipe(study, "gemma-3-4b-it", "tatqa", "lr2e-05_ep1_bs2")["training"]
    assert not set(lora) & set(full)


def test_while_nothing_is_chosen_any_configuration_may_have_the_replicates(config: dict) -> None:
    config["replicates"] = 2
    study = Study(config, "x")
    found = study.possible_replicates("gemma-3-4b-it")
    assert len(found) == len(set(found)) == 2 * 48
    assert set(study.replicates_of("lr2e-05_ep1_bs2")) <= set(found)


def test_lora_axes_and_overrides(config: dict) -> None:
    config["lora_space"] = {"lora_r": [8, 64], "lora_alpha": [16], "learning_rate": [1e-4]}
    facts = config["catalog"]["students"]["Llama-3.2-1B-Instruct"]
    facts["lora_space"] = {"learning_rate": [3e-4]}
    facts["tasks"] = {"tatqa": {"lora_space": {"lora_r": [4]}}}
    del config["space"]
    study = Study(config, "x")
    names = [f"lora{rank}_alpha16_lr0.0001" for rank in (8, 64)]
    assert list(study.trials("gemma-3-4b-it", "tatqa")) == names
    assert list(study.trials("Llama-3.2-1B-Instruct", "tatqa")) == ["lora4_alpha16_lr0.0003"]
    recipe = jobs.recipe(study, "Llama-3.2-1B-Instruct", "tatqa", "lora4_alpha16_lr0.0003")
    training = recipe["training"]
    assert (training["lora_r"], training["lora_alpha"], training["learning_rate"]) == (4, 16, 3e-4)


def test_the_rank_of_all_lora_trials_can_be_set_for_a_student(config: dict) -> None:
    config["lora_space"] = {"learning_rate": [1e-4]}
    config["catalog"]["students"]["gemma-3-4b-it"]["training"] = {"lora_r": 32}
    study = Study(config, "x")
    assert "lora32_lr0.0001" in study.trials("gemma-3-4b-it", "tatqa")
    assert "lora16_lr0.0001" in study.trials("Llama-3.2-1B-Instruct", "tatqa")


def test_overrides_of_student_and_pair(config: dict) -> None:
    facts = config["catalog"]["students"]["Llama-3.2-1B-Instruct"]
    facts["space"] = {"learning_rate": [1e-6]}
    facts["training"] = {"weight_decay": 0.5}
    facts["tasks"] = {"tatqa": {"space": {"num_train_epochs": [2]}, "training": {"seed": 7}}}
    study = Study(config, "config.yaml")
    trials = study.trials("Llama-3.2-1B-Instruct", "tatqa")
    assert list(trials) == ["lr1e-06_ep2_bs2", "lr1e-06_ep2_bs4"]
    recipe = jobs.recipe(study, "Llama-3.2-1B-Instruct", "tatqa", "lr1e-06_ep2_bs4")["training"]
    assert (recipe["weight_decay"], recipe["seed"], recipe["num_train_epochs"]) == (0.5, 7, 2)
    other = jobs.recipe(study, "Llama-3.2-1B-Instruct", "nl2sql", "lr1e-06_ep1_bs2")["training"]
    assert (other["weight_decay"], other["seed"]) == (0.5, 42)
    assert len(study.trials("gemma-3-4b-it", "tatqa")) == 12


def test_new_learning_rate_changes_no_recipe_that_was_there(config: dict) -> None:
    before = recipes(Study(config, "x"))
    config["space"]["learning_rate"].append(1e-4)
    after = recipes(Study(config, "x"))
    assert len(after) == len(before) * 4 / 3
    assert all(after[key] == value for key, value in before.items())


def test_changed_value_changes_exactly_the_recipes_that_hold_it(config: dict) -> None:
    before = recipes(Study(config, "x"))
    facts = config["catalog"]["students"]["gemma-3-4b-it"]
    facts["tasks"] = {"tatqa": {"training": {"max_grad_norm": 0.5}}}
    after = recipes(Study(config, "x"))
    changed = {key[:2] for key in before if before[key] != after[key]}
    assert changed == {("gemma-3-4b-it", "tatqa")}


def test_order_of_keys_does_not_matter(config: dict) -> None:
    before = recipes(Study(copy.deepcopy(config), "x"))
    config["training"] = dict(reversed(config["training"].items()))
    assert recipes(Study(config, "x")) == before


def test_settings_that_change_results_have_folders_of_their_own(config: dict) -> None:
    study = Study(config | {"limit": 20, "dtype": "float32", "max_length": 2048}, "x")
    assert study.root == "results/limit-20_dtype-float32_max_length-2048"
    student = study.student(study.students[0])
    assert (student["dtype"], student["max_length"]) == ("float32", 2048)
    assert jobs.recipe(study, *ONE)["model"]["max_length"] == 2048
    assert Study(config | {"device": "cpu", "batch_size": 4}, "x").root == "results"


def test_limited_and_unlimited_studies_have_different_roots(config: dict) -> None:
    roots = {Study(config | {"limit": limit}, "x").root for limit in (None, 20, 21)}
    assert roots == {"results", "results/limit-20", "results/limit-21"}


def test_values_that_agree_in_six_digits_are_two_trials(config: dict) -> None:
    config["space"] = {"learning_rate": [1.0000001e-5, 1.0000002e-5]}
    trials = Study(config, "x").trials("gemma-3-4b-it", "tatqa")
    assert [values["learning_rate"] for values in trials.values()] == [1.0000001e-5, 1.0000002e-5]


def test_trials_that_would_share_a_name_are_an_error_that_shows_both(config: dict) -> None:
    alike = 0.1 + 0.2
    config["space"] = {"weight_decay": [0.3, alike], "num_train_epochs": [1]}
    with pytest.raises(StudyError) as caught:
        Study(config, "my/study.yaml")
    message = str(caught.value)
    assert message.startswith("my/study.yaml: ")
    assert all(word in message for word in ("weight_decay 0.3 ", f"weight_decay {alike!r} "))
    assert "'weight_decay-0.3_ep1'" in message


def test_a_name_stands_for_one_configuration_on_all_tasks(config: dict) -> None:
    config["lora_space"] = {"learning_rate": [0.3]}
    facts = config["catalog"]["students"]["gemma-3-4b-it"]
    facts["tasks"] = {"tatqa": {"lora_space": {"learning_rate": [0.1 + 0.2]}}}
    with pytest.raises(StudyError, match=r"gemma-3-4b-it, .*learning_rate 0\.3.*lora16_lr0\.3'"):
        Study(config, "x")
