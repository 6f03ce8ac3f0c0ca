"""What jobs are told: how they are started, with what, and what they read."""

import copy
from pathlib import Path
from types import SimpleNamespace

import pytest

from sftstudy.errors import StudyError
from sftstudy.study import jobs, targets
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


def test_a_replicate_differs_from_its_trial_in_name_and_seed_alone(config: dict) -> None:
    student, task, trial = ONE
    alone = Study(copy.deepcopy(config), "x")
    study = Study(config | {"replicates": 2}, "x")
    own = jobs.recipe(study, *ONE)
    assert own == jobs.recipe(alone, *ONE)
    for number, seed in ((1, 1042), (2, 2042)):
        replicate = jobs.recipe(study, student, task, f"{trial}_rep{number}")
        assert replicate["trial"] == f"{trial}_rep{number}"
        training = own["training"] | {"seed": seed}
        assert replicate == own | {"trial": f"{trial}_rep{number}", "training": training}
    more = Study(config | {"replicates": 5}, "x")
    assert jobs.recipe(more, student, task, f"{trial}_rep2") == replicate, "whatever R is"


def test_a_replicate_has_a_seed_that_no_trial_of_the_student_has(config: dict) -> None:
    student, task, trial = ONE
    pairs = config["catalog"]["students"][student].setdefault("tasks", {})
    pairs["banking77"] = {"training": {"seed": 1042}}
    pairs[task] = {"training": {"seed": 2**32 - 1}}
    study = Study(config | {"replicates": 3}, "x")
    seeds = {
        name: [
            jobs.recipe(study, student, name, f"{trial}_rep{number}")["training"]["seed"]
            for number in (1, 2, 3)
        ]
        for name in ("pubmedqa", task)
    }
    assert seeds == {"pubmedqa": [2042, 3042, 4042], task: [999, 1999, 2999]}


def test_a_replicate_that_is_not_asked_for_is_named_with_what_to_say(config: dict) -> None:
    student, task, trial = ONE
    for count in (0, 2):
        study = Study(copy.deepcopy(config) | {"replicates": count}, "x")
        with pytest.raises(
            StudyError,
            match=rf"{student}/{task} has no replicate '{trial}_rep3'; the study file says "
            rf"replicates: {count}\. To have it, say replicates: 3 there",
        ):
            jobs.recipe(study, student, task, f"{trial}_rep3")
    with pytest.raises(StudyError, match=r"has no trial 'lr9_rep1'; the study file spans"):
        jobs.recipe(study, student, task, "lr9_rep1")


def test_files_of_replicates_are_those_of_the_choice_on_controls_and_test(config: dict) -> None:
    study = Study(config | {"replicates": 2, "tasks": ["tatqa", "nl2sql"]}, "x")
    student, _, trial = ONE
    files = targets.replicate_files(study, student, trial)
    assert f"<results>/checkpoints/{student}/nl2sql/{trial}_rep2" in files
    metrics = f"<results>/metrics/{student}/tatqa/{trial}_rep1"
    assert {f for f in files if f.startswith(f"{metrics}/")} == {
        f"{metrics}/{name}.json" for name in (*study.controls, "tatqa.test", "nl2sql.test")
    }
    assert len(files) == 2 * 2 * (1 + 4)
    assert targets.replicate_files(study, student, None) == []
    without = Study(copy.deepcopy(config) | {"replicates": 0}, "x")
    assert targets.replicate_files(without, student, trial) == []


def test_a_choice_rests_on_no_test_split(config: dict) -> None:
    study = Study(config, "x")
    files = targets.choice_metrics_files(study, ONE[0])
    assert not [file for file in files if ".test." in file]
    assert len(files) == 4 * 12 * (1 + 2) + 4 + 2
    assert set(files) < set(targets.metrics_files(study, ONE[0]))


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
