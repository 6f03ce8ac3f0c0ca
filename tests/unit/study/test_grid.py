"""The grid: trials, overrides, recipes, and what a change of the study file leaves alone."""

import copy
from pathlib import Path

import pytest
import yaml

from repository import ROOT
from sftstudy.errors import StudyError
from sftstudy.study.grid import Study, as_json, one_of, trial_id
from sftstudy.study.options import origin


@pytest.fixture
def config() -> dict:
    return yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))


def recipes(study: Study) -> dict[tuple[str, str, str], str]:
    return {
        (student, task, trial): as_json(study.recipe(student, task, trial))
        for student in study.students
        for task in study.tasks
        for trial in study.trials(student, task)
    }


def test_grid_of_the_original_study(config: dict) -> None:
    study = Study(config, "config.yaml")
    assert len(recipes(study)) == 5 * 4 * 12
    assert "lr1e-05_ep3_bs4" in study.trials("Llama-3.2-1B-Instruct", "tatqa")
    assert len(study.metrics_files("gemma-3-4b-it")) == (4 + 2 + 4) + 48 * (1 + 2 + 4)


def test_trial_ids() -> None:
    assert trial_id({"learning_rate": 2.5e-5, "num_train_epochs": 3}) == "lr2.5e-05_ep3"
    assert trial_id({"lr_scheduler_type": "linear"}) == "lr_scheduler_type-linear"


def test_lora_trials_stand_beside_the_others_and_change_none_of_them(config: dict) -> None:
    before = recipes(Study(copy.deepcopy(config), "x"))
    config["lora_space"] = {"learning_rate": [1e-4, 2e-4], "num_train_epochs": [2]}
    study = Study(config, "x")
    after = recipes(study)
    assert {key: after[key] for key in before} == before
    added = {trial for _, _, trial in after.keys() - before.keys()}
    assert added == {"lora16_lr0.0001_ep2", "lora16_lr0.0002_ep2"}
    training = study.recipe("gemma-3-4b-it", "tatqa", "lora16_lr0.0002_ep2")["training"]
    lora = {"method": "lora", "lora_r": 16, "lora_alpha": 32, "lora_dropout": 0.0}
    assert {key: training[key] for key in lora} == lora
    assert training["learning_rate"] == 2e-4 and training["gradient_accumulation_steps"] == 4
    full = study.recipe("gemma-3-4b-it", "tatqa", "lr2e-05_ep1_bs2")["training"]
    assert not set(lora) & set(full)


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
    recipe = study.recipe("Llama-3.2-1B-Instruct", "tatqa", "lora4_alpha16_lr0.0003")["training"]
    assert (recipe["lora_r"], recipe["lora_alpha"], recipe["learning_rate"]) == (4, 16, 3e-4)


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
    recipe = study.recipe("Llama-3.2-1B-Instruct", "tatqa", "lr1e-06_ep2_bs4")["training"]
    assert (recipe["weight_decay"], recipe["seed"], recipe["num_train_epochs"]) == (0.5, 7, 2)
    other = study.recipe("Llama-3.2-1B-Instruct", "nl2sql", "lr1e-06_ep1_bs2")["training"]
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


@pytest.mark.parametrize("key", ["gpus", "mem_gb", "hours", "cpus", "accelerate"])
def test_resources_are_in_no_recipe_and_no_generation(config: dict, key: str) -> None:
    before = Study(copy.deepcopy(config), "x")
    config["catalog"]["students"]["gemma-3-4b-it"][key] = "f.yaml" if key == "accelerate" else 3
    after = Study(config, "x")
    assert recipes(before) == recipes(after)
    assert before.generation("gemma-3-4b-it") == after.generation("gemma-3-4b-it")


def test_a_misspelled_trial_is_named_with_those_that_there_are(config: dict) -> None:
    study = Study(config, "config.yaml")
    with pytest.raises(StudyError, match=r"gemma-3-4b-it/tatqa has no trial 'lr1e-5_ep1_bs2'") as e:
        study.recipe("gemma-3-4b-it", "tatqa", "lr1e-5_ep1_bs2")
    assert "Did you mean 'lr1e-05_ep1_bs2'?" in str(e.value)


def test_a_mirror_that_is_not_there_is_an_error_before_anything_runs(
    config: dict, tmp_path: Path
) -> None:
    folder = tmp_path / "mirror"
    config["catalog"]["tasks"]["tatqa"]["source"] = {"path": str(folder)}
    study = Study(config, "config.yaml")
    with pytest.raises(StudyError, match=r"the source of tatqa .* is no folder with files"):
        study.mirror_files("tatqa")
    folder.mkdir()
    (folder / "dev.json").touch()
    assert study.mirror_files("tatqa") == [str(folder / "dev.json")]
    assert study.mirror_files("pubmedqa") == []


def test_errors_call_a_configuration_by_its_files_and_the_keys_of_the_command_line() -> None:
    files = [Path.cwd() / "config/config.yaml", Path("/elsewhere/mine.yaml")]
    assert origin(files, {"limit": 20, "device": "cpu"}) == (
        "config/config.yaml + /elsewhere/mine.yaml + --config limit device"
    )
    assert origin(files[:1], []) == "config/config.yaml"


def test_order_of_keys_does_not_matter(config: dict) -> None:
    before = recipes(Study(copy.deepcopy(config), "x"))
    config["training"] = dict(reversed(config["training"].items()))
    assert recipes(Study(config, "x")) == before


def test_settings_that_change_results_have_folders_of_their_own(config: dict) -> None:
    study = Study(config | {"limit": 20, "dtype": "float32", "max_length": 2048}, "x")
    assert study.root == "results/limit-20_dtype-float32_max_length-2048"
    student = study.student(study.students[0])
    assert (student["dtype"], student["max_length"]) == ("float32", 2048)
    assert study.recipe(study.students[0], *_first_trial(study))["model"]["max_length"] == 2048
    assert Study(config | {"device": "cpu", "batch_size": 4}, "x").root == "results"


def test_a_study_on_the_cpu_asks_for_no_gpu(config: dict) -> None:
    facts = config["catalog"]["students"][config["students"][0]]
    facts |= {"gpus": 4, "accelerate": "config/accelerate/fsdp.yaml"}
    name = config["students"][0]
    assert Study(config, "x").launcher(name).endswith("--num_processes 4")
    for device in ("cpu", "mps"):
        study = Study(config | {"device": device}, "x")
        assert study.launcher(name) == "python"
        assert (study.student(name)["gpus"], study.predict_gpus(name)) == (0, 0)
        recipe = study.recipe(name, *_first_trial(study))
        assert recipe == Study(config, "x").recipe(name, *_first_trial(study))


def test_gpus_of_a_prediction_job(config: dict) -> None:
    name = config["students"][0]
    config["catalog"]["students"][name] |= {"gpus": 4, "predict_gpus": 2}
    assert Study(config, "x").predict_facts(name)["gpus"] == 2
    served = config | {"engine": "openai", "serve": "vllm serve {checkpoint} --port {port}"}
    assert Study(served, "x").predict_facts(name)["gpus"] == 2
    # A server that runs elsewhere has GPUs of its own.
    assert Study(config | {"engine": "openai"}, "x").predict_facts(name)["gpus"] == 0
    config["catalog"]["students"][name]["engine"] = "hf"
    assert Study(config | {"engine": "openai"}, "x").predict_facts(name)["gpus"] == 2


def _first_trial(study: Study) -> tuple[str, str]:
    task = study.tasks[0]
    return task, next(iter(study.trials(study.students[0], task)))


def test_limited_and_unlimited_studies_have_different_roots(config: dict) -> None:
    roots = {Study(config | {"limit": limit}, "x").root for limit in (None, 20, 21)}
    assert roots == {"results", "results/limit-20", "results/limit-21"}


def test_one_student_s_plan_does_not_depend_on_the_others(config: dict) -> None:
    alone = copy.deepcopy(config) | {"students": ["gemma-3-4b-it"]}
    plans = [Study(c, "x").recommendation_plan("gemma-3-4b-it") for c in (config, alone)]
    assert plans[0] == plans[1]


def test_no_name_matches_where_there_is_none() -> None:
    import re

    assert not re.fullmatch(one_of([]), "")
    assert re.fullmatch(one_of(["a.b"]), "a.b")
    assert not re.fullmatch(one_of(["a.b"]), "axb")
