"""The study file: defaults, overrides, and errors that name file, key, found and allowed."""

import copy
import sys
from pathlib import Path

import pytest
import yaml

from repository import ROOT
from sftstudy.errors import StudyError
from sftstudy.study.validation import validate

sys.path.insert(0, str(ROOT / "tools"))
import document_config


def read(name: str) -> dict:
    return yaml.safe_load((ROOT / "config" / name).read_text(encoding="utf-8"))


@pytest.fixture
def config() -> dict:
    return read("smoke.yaml")


def change(config: dict, path: str, value: object) -> dict:
    """Return a copy with the dotted key set (or, for `...`, removed)."""
    changed = node = copy.deepcopy(config)
    *parents, last = path.split(".")
    for part in parents:
        node = node[part]
    if value is ...:
        del node[last]
    else:
        node[last] = value
    return changed


@pytest.mark.parametrize("name", ["config.yaml", "smoke.yaml", "example.yaml"])
def test_shipped_studies_are_valid(name: str) -> None:
    validated = validate(read(name), name)
    assert validated["training"]["optim"] == "adamw_torch_fused"
    for student in validated["catalog"]["students"].values():
        assert student["attention"] == "sdpa"


def test_config_yaml_is_what_the_original_study_did() -> None:
    config = validate(read("config.yaml"), "config.yaml")
    assert config["space"] == {
        "learning_rate": [1e-5, 2e-5, 5e-5],
        "num_train_epochs": [1, 3],
        "per_device_train_batch_size": [2, 4],
    }
    fixed = {
        "gradient_accumulation_steps": 4,
        "optim": "adamw_torch_fused",
        "lr_scheduler_type": "cosine",
        "warmup_ratio": 0.03,
        "weight_decay": 0.01,
    }
    assert {key: config["training"][key] for key in fixed} == fixed
    assert config["gates"]["ifeval"]["min_ratio_to_baseline"] == 0.95
    assert config["gates"]["simple_safety_tests"]["above"] == 0.9


PROMPTS = {"source": {"path": "x"}, "max_new_tokens": 1}
SQL = PROMPTS | {"split": {"strategy": "grouped", "val": 1, "test": 1}}
ERRORS = [
    ("studnets", ["smoke"], ["unknown key 'studnets'", "Did you mean 'students'?"]),
    ("study", ..., ["'study' is missing"]),
    ("space.learning_rate", [-1.0], ["space.learning_rate", "found -1.0", "more than 0"]),
    ("space.learning_rate", ["fast"], ["space.learning_rate", "found 'fast'", "number"]),
    ("space.learnign_rate", [1.0], ["learnign_rate"]),
    ("lora_space", {"lora_r": [0]}, ["lora_space.lora_r", "found 0", "at least 1"]),
    ("lora_space", {"lora_rank": [8]}, ["lora_rank"]),
    ("space", {"lora_r": [8]}, ["lora_r"]),
    ("space", ..., ["no search space", "'lora_space'"]),
    ("training.optim", "adam", ["training.optim", "found 'adam'", "adamw_torch_fused"]),
    ("training.learning_rates", 1.0, ["unknown key 'learning_rates'", "'learning_rate'?"]),
    ("limit", 0, ["limit", "found 0", "at least 2"]),
    ("students", ["nobody"], ["students", "'nobody'", "catalog.students", "smoke", "take it out"]),
    ("students", ["smokey"], ["'smokey'", "Did you mean 'smoke'?"]),
    ("students", "smoke", ["students", "found 'smoke'", "a list"]),
    ("controls", ["ifevall"], ["'ifevall'", "Did you mean 'ifeval'?", "`controls: []`"]),
    ("tasks", ["banking"], ["tasks", "'banking'", "Did you mean 'banking77'?"]),
    ("results", "../elsewhere", ["results", "'../elsewhere'"]),
    ("results", "a/../../b", ["results", "'..'"]),
    ("catalog.students.smoke.dtype", "int4", ["catalog.students.smoke.dtype", "'int4'"]),
    ("catalog.students.smoke.source", {}, ["catalog.students.smoke.source", "hub", "path"]),
    (
        "catalog.students.smoke.source",
        {"hub": "a/b", "path": "c"},
        ["catalog.students.smoke.source", "exactly one of"],
    ),
    ("catalog.students.smoke.training", {"lr": 1}, ["catalog.students.smoke.training", "'lr'"]),
    ("catalog.students.a b; rm", {"source": {"path": "x"}, "max_length": 99}, ["'a b; rm'"]),
    ("catalog.tasks.banking77.split.strategy", "random", ["split.strategy", "stratified"]),
    (
        "catalog.tasks.banking77.databases",
        "folder",
        ["unknown key 'databases' in catalog.tasks.banking77", "samples, source, split"],
    ),
    ("catalog.tasks.nl2sql", SQL | {"databases": 3}, ["nl2sql.databases", "found 3", "text or"]),
    ("catalog.tasks.nl2sql", SQL | {"database": "x"}, ["Did you mean 'databases'?"]),
    ("catalog.tasks.newtask", {}, ["catalog.tasks.newtask", "'source' is missing"]),
    ("catalog.controls.newone", PROMPTS, ["catalog.controls.newone", "docs/adding_a_task.md"]),
    ("judge", "smokey", ["judge", "'smokey'", "Did you mean 'smoke'?"]),
    ("judge", {"student": "smokey"}, ["judge", "'smokey'", "Did you mean 'smoke'?"]),
    ("judge", {"format": "words"}, ["judge: the key 'student' is missing"]),
    (
        "judge",
        {"student": "smoke", "format": "llamaguard"},
        ["judge.format: found 'llamaguard'; allowed are 'words', 'llama_guard', 'qwen3_guard'"],
    ),
    ("judge", {"student": "smoke", "template": "x"}, ["unknown key 'template' in judge"]),
    ("judge", {"student": 3}, ["judge.student: found 3", "text"]),
    ("judge", 3, ["judge: found 3", "text or a mapping of keys to values or null"]),
    ("catalog.controls.ifeval.samples", 0, ["ifeval.samples", "found 0", "at least 1"]),
    ("catalog.controls.ifeval.samples", 4, ["ifeval.samples", "found 4 at temperature 0", "0.7"]),
    ("catalog.tasks.banking77.samples", 2, ["tasks.banking77.samples", "found 2 at temperature 0"]),
    ("catalog.tasks.banking77.top_p", 0.9, ["banking77.top_p", "found 0.9 at temperature 0"]),
    ("catalog.tasks.banking77.top_p", 1.1, ["banking77.top_p", "found 1.1", "at most 1"]),
    ("catalog.controls.ifeval.temperature", 0.001, ["found 0.001", "0 (greedy) or at least 0.01"]),
    ("limit", 4096.0, ["limit: found 4096.0", "an integer or null: write 4096"]),
    ("catalog.students.smoke.max_length", 4096.0, ["max_length: found 4096.0", ": write 4096"]),
    ("training.per_device_train_batch_size", 2.5, ["found 2.5", "expected an integer"]),
    ("space.per_device_train_batch_size", [2, 4.0], ["found 4.0", "an integer: write 4"]),
    ("catalog.tasks.banking77.split.val", 80.0, ["split.val: found 80.0", "write 80"]),
    ("catalog.tasks.banking77.split.test", 80.0, ["'published' or an integer: write 80"]),
    ("catalog.tasks.banking77.split.test", "5", ["found '5'; expected 'published' or an integer"]),
    ("space", {}, ["space: found {}; expected at least 1 key(s)"]),
    ("limit", True, ["limit: found True", "an integer"]),
    ("space.learning_rate", [float("inf")], ["learning_rate: found inf", "finite"]),
    ("space.learning_rate", ["1e400"], ["learning_rate: found inf", "finite"]),
    ("catalog.students.smoke.hours", float("nan"), ["hours: found nan", "finite"]),
    ("catalog.students.smoke.hours", "1e1", ["hours: found '1e1'", "write 10.0"]),
    ("catalog.students.smoke.hours", "1e-5", ["found '1e-5'", "write 1.0e-05)"]),
    ("limit", "1e3", ["limit: found '1e3'", "write 1000)"]),
    ("limit", "1e400", ["limit: found '1e400'", "want of a dot or sign)"]),
    ("limit", 10**30, ["limit: found 1000", "at most 9223372036854775807"]),
    ("students", [False], ["found False", "text", "on, yes, off and no", "quotes"]),
    ("students", [7], ["found 7", "text: put it in quotes, '7'"]),
    ("study", 1.0, ["study: found 1.0", "'1.0'"]),
    ("keep", False, ["keep: found False", "text", "quotes"]),
    ("gates", {"mmlu": {"metric": "x", "above": 0.5}}, ["gates.mmlu", "ifeval"]),
    (
        "gates",
        {"ifeval": {"metric": "prompt_strict", "above": 0.5, "by": "review"}},
        ["gates.ifeval.by", "'review'", "by its rules alone"],
    ),
    (
        "gates",
        {"simple_safety_tests": {"metric": "safe_rate", "above": 0.5, "by": "judge"}},
        ["gates.simple_safety_tests.by", "the study has none"],
    ),
    (
        "gates",
        {"simple_safety_tests": {"metric": "safe_rate", "above": 0.5, "by": "me"}},
        ["gates.simple_safety_tests.by", "'rules', 'judge', 'review'"],
    ),
    (
        "gates",
        {"simple_safety_tests": {"metric": "unsure_rate", "above": 0.5, "by": "review"}},
        ["gates.simple_safety_tests.metric", "safe_rate or always_safe_rate"],
    ),
    (
        "gates",
        {"simple_safety_tests": {"metric": "review_safe_rate", "above": 0.5}},
        ["gates.simple_safety_tests.metric", "`by: review`"],
    ),
    (
        "gates",
        {"simple_safety_tests": {"metric": "judge_safe_rate", "above": 0.5, "by": "review"}},
        ["gates.simple_safety_tests.metric", "write `metric: safe_rate`"],
    ),
    (
        "gates",
        {"simple_safety_tests": {"metric": "judge_safe_rate", "above": 0.5}},
        ["gates.simple_safety_tests.metric", "the study has no judge"],
    ),
    (
        "gates",
        {"simple_safety_tests": {"metric": "always_safe_rate", "above": 0.5}},
        ["gates.simple_safety_tests.metric", "set `samples`", "above 1"],
    ),
    ("gates", {"ifeval": {"metric": "prompt_strict"}}, ["gates.ifeval"]),
]


@pytest.mark.parametrize(("path", "value", "words"), ERRORS)
def test_errors_name_file_key_found_and_allowed(
    config: dict, path: str, value: object, words: list[str]
) -> None:
    with pytest.raises(StudyError) as caught:
        validate(change(config, path, value), "my/study.yaml")
    message = str(caught.value)
    assert message.startswith("my/study.yaml: ")
    for word in words:
        assert word in message, message


def test_exponents_without_a_dot_are_numbers(config: dict) -> None:
    text = yaml.safe_load("space: {learning_rate: [1e-5]}\ntraining: {weight_decay: 1e-2}")
    validated = validate(config | text, "x")
    assert validated["space"]["learning_rate"] == [1e-5]
    assert validated["training"]["weight_decay"] == 1e-2


def test_off_is_not_false(config: dict) -> None:
    text = yaml.safe_load("training: {prefix_sharing: off}")
    assert validate(config | text, "x")["training"]["prefix_sharing"] == "off"


@pytest.mark.parametrize("value", ["auto", "true", "false"])
def test_recomputing_is_chosen_or_said(config: dict, value: str) -> None:
    text = yaml.safe_load(f"training: {{gradient_checkpointing: {value}}}")
    found = validate(config | text, "x")["training"]["gradient_checkpointing"]
    assert found == yaml.safe_load(value)
    default = validate(config | {"training": {}}, "x")
    assert default["training"]["gradient_checkpointing"] == "auto"
    text["training"]["gradient_checkpointing"] = 1
    expected = "gradient_checkpointing: found 1; expected 'auto' or true or false"
    with pytest.raises(StudyError, match=expected):
        validate(config | text, "x")


def test_validation_leaves_its_input_alone(config: dict) -> None:
    before = copy.deepcopy(config)
    validate(config, "x")
    assert config == before


def test_defaults_are_no_one_s_property(config: dict) -> None:
    """A study that changes what was filled in changes no other study's defaults."""
    validate(config, "x")["gates"]["ifeval"]["min_ratio_to_baseline"] = 0.1
    assert validate(config, "x")["gates"]["ifeval"]["min_ratio_to_baseline"] == 0.95


def test_reference_in_the_readme_is_up_to_date() -> None:
    text = Path(document_config.README).read_text(encoding="utf-8")
    assert text == document_config.updated(text), "run `make config-docs`"


def test_reference_names_every_key_of_the_schema() -> None:
    schema = yaml.safe_load((ROOT / "config" / "schema.yaml").read_text(encoding="utf-8"))
    keys, stack = set(), [schema]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            keys |= set(node.get("properties", {}))
            stack += node.values()
        elif isinstance(node, list):
            stack += node
    reference = document_config.reference()
    missing = [key for key in keys if f"{key}`" not in reference]
    assert not missing


def test_students_whose_names_differ_in_case_only_are_refused(config: dict) -> None:
    config["catalog"]["students"]["Smoke"] = config["catalog"]["students"]["smoke"]
    validate(config, "x")  # not used: it has no folder
    with pytest.raises(StudyError, match=r"catalog\.students\.Smoke: .* catalog\.students\.smoke "):
        validate(config | {"students": ["smoke", "Smoke"]}, "x")
    with pytest.raises(StudyError, match="upper and lower case"):
        validate(config | {"judge": "Smoke"}, "x")
    with pytest.raises(StudyError, match="upper and lower case"):
        validate(config | {"judge": {"student": "Smoke", "format": "words"}}, "x")
