"""What jobs are told: how they are started, with what, and what they read."""

import copy
from pathlib import Path
from types import SimpleNamespace

import pytest

from sftstudy.errors import StudyError
from sftstudy.study import jobs
from sftstudy.study.grid import Study

ONE = ("gemma-3-4b-it", "tatqa", "lr2e-05_ep1_bs2")  # student, task, trial


@pytest.mark.parametrize("key", ["gpus", "mem_gb", "hours", "cpus", "accelerate"])
def test_resources_are_in_no_recipe_and_no_generation(config: dict, key: str) -> None:
    before = Study(copy.deepcopy(config), "x")
    config["catalog"]["students"]["gemma-3-4b-it"][key] = "f.yaml" if key == "accelerate" else 3
    after = Study(config, "x")
    assert jobs.recipe(before, *ONE) == jobs.recipe(after, *ONE)
    assert jobs.generation(before, "gemma-3-4b-it") == jobs.generation(after, "gemma-3-4b-it")


def test_a_misspelled_trial_is_named_with_those_that_there_are(config: dict) -> None:
    study = Study(config, "config.yaml")
    with pytest.raises(StudyError, match=r"gemma-3-4b-it/tatqa has no trial 'lr1e-5_ep1_bs2'") as e:
        jobs.recipe(study, "gemma-3-4b-it", "tatqa", "lr1e-5_ep1_bs2")
    assert "Did you mean 'lr1e-05_ep1_bs2'?" in str(e.value)


def test_a_study_on_the_cpu_asks_for_no_gpu(config: dict) -> None:
    name = ONE[0]
    facts = config["catalog"]["students"][name]
    facts |= {"gpus": 4, "accelerate": "config/accelerate/fsdp.yaml"}
    assert jobs.launcher(Study(config, "x"), name).endswith("--num_processes 4")
    for device in ("cpu", "mps"):
        study = Study(config | {"device": device}, "x")
        assert jobs.launcher(study, name) == "python"
        assert (study.student(name)["gpus"], jobs.predict_facts(study, name)["gpus"]) == (0, 0)
        assert jobs.recipe(study, *ONE) == jobs.recipe(Study(config, "x"), *ONE)


def test_gpus_of_a_prediction_job(config: dict) -> None:
    name = config["students"][0]
    config["catalog"]["students"][name] |= {"gpus": 4, "predict_gpus": 2}
    assert jobs.predict_facts(Study(config, "x"), name)["gpus"] == 2
    served = config | {"engine": "openai", "serve": "vllm serve {checkpoint} --port {port}"}
    assert jobs.predict_facts(Study(served, "x"), name)["gpus"] == 2
    # A server that runs elsewhere has GPUs of its own.
    assert jobs.predict_facts(Study(config | {"engine": "openai"}, "x"), name)["gpus"] == 0
    config["catalog"]["students"][name]["engine"] = "hf"
    assert jobs.predict_facts(Study(config | {"engine": "openai"}, "x"), name)["gpus"] == 2


def test_students_of_vllm_are_predicted_in_an_environment_of_their_own(config: dict) -> None:
    first, second = config["students"][:2]
    files = ("usual.yaml", "vllm.yaml")
    assert jobs.environment(Study(config, "x"), [first, second], *files) == "usual.yaml"
    config["catalog"]["students"][second]["engine"] = "vllm"
    study = Study(config, "x")
    assert jobs.environment(study, [second], *files) == "vllm.yaml"
    assert jobs.environment(study, [], *files) == "usual.yaml"
    of_job = jobs.environment(study, [first, second], *files)
    assert callable(of_job)
    assert of_job(SimpleNamespace(student=first, task="tatqa")) == "usual.yaml"
    assert of_job(SimpleNamespace(student=second, task="tatqa")) == "vllm.yaml"


def test_eager_mode_is_an_option_and_no_part_of_the_generation(config: dict) -> None:
    eager = Study(config | {"engine": "vllm", "enforce_eager": True}, "x")
    usual = Study(config | {"engine": "vllm"}, "x")
    assert (jobs.serving(eager)["eager"], jobs.serving(usual)["eager"]) == ("--enforce-eager", "")
    assert jobs.generation(eager, ONE[0]) == jobs.generation(usual, ONE[0])


def test_a_mirror_that_is_not_there_is_an_error_before_anything_runs(tmp_path: Path) -> None:
    folder = tmp_path / "mirror"
    source = {"path": str(folder)}
    with pytest.raises(StudyError, match=r"the source of tatqa .* is no folder with files"):
        jobs.mirror_files(source, "tatqa")
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "index").touch()
    with pytest.raises(StudyError, match=r"is no folder with files"):
        jobs.mirror_files(source, "tatqa")
    (folder / "dev.json").touch()
    assert jobs.mirror_files(source, "tatqa") == [str(folder / "dev.json")]
    assert jobs.mirror_files({"hub": "owner/name"}, "tatqa") == []


def test_a_gguf_file_is_looked_at_before_anything_runs(config: dict, tmp_path: Path) -> None:
    name, file = next(iter(config["catalog"]["students"])), tmp_path / "x.gguf"
    config["catalog"]["students"][name]["source"] = {"gguf": str(file)}
    study = Study(config, "x")
    with pytest.raises(StudyError, match=r"x\.gguf: the source of .* is no file; a relative path"):
        jobs.gguf_file(study, name)
    file.write_bytes(b"version https://git-lfs.github.com/spec/v1")
    with pytest.raises(StudyError, match=r"is no GGUF file: it begins with b'vers', expected"):
        jobs.gguf_file(study, name)
    file.write_bytes(b"GGUF\3\0\0\0")
    assert jobs.gguf_file(study, name) == str(file)


def test_the_format_of_a_judge_says_how_it_is_asked(config: dict) -> None:
    """And with which code it is asked and scored; no other format's, and no judge's without one."""
    control, name = "simple_safety_tests", config["students"][0]
    plain = Study(copy.deepcopy(config), "x")
    assert (jobs.judge(plain, control), jobs.judge_files(plain, control)) == ({}, [])

    def told(judge: object) -> tuple[dict, list[str], dict]:
        study = Study(copy.deepcopy(config) | {"judge": judge}, "x")
        assert jobs.judge(study, "ifeval") == {} and jobs.judge_files(study, "ifeval") == []
        found = jobs.judge_generation(study, control)
        assert found.items() >= jobs.generation(study, name).items() and found["quotes"] is True
        return jobs.judge(study, control), jobs.judge_files(study, control), found

    folder = "scripts/sftstudy/tasks/simple_safety_tests/judges"
    words = told(name)
    assert words[:2] == ({"student": name, "format": "words"}, [f"{folder}/words.py"])
    assert "chat_template" not in words[2]
    assert told({"student": name, "format": "words"}) == words
    llama = told({"student": name, "format": "llama_guard"})
    assert llama[1] == [f"{folder}/llama_guard.py"] and llama[2] == words[2]
    wild = told({"student": name, "format": "wild_guard"})
    assert wild[0]["format"] == "wild_guard" and "[INST]" in wild[2]["chat_template"]
