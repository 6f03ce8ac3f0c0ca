"""The whole real study without its weights: each recipe, prompt and accelerate file.

The tokenizers are stand-ins with the published template of each family (see `families`).
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from families import stand_in
from repository import ROOT
from sftstudy.errors import StudyError
from sftstudy.students import chat
from sftstudy.study import jobs
from sftstudy.study.grid import Study
from sftstudy.study.options import given_study
from sftstudy.tasks.registry import CONTROLS, TASKS, data_module, smoke_module
from sftstudy.training.arguments import pass_batch, sft_arguments, share_of_step

ORIGINAL = ("config.yaml",)
FULL = ("config.yaml", "full.yaml")
SMOLLM2 = ("config.yaml", "smollm2.yaml")
STUDENTS = [
    "Qwen3-4B-Instruct-2507",
    "Llama-3.1-8B-Instruct",
    "Llama-3.2-1B-Instruct",
    "Llama-3.2-3B-Instruct",
    "gemma-3-4b-it",
    "SmolLM2-135M-Instruct",
    "SmolLM2-1.7B-Instruct",
    "Qwen3-8B",
    "Qwen3-0.6B",
]
# The original study's later log: learning rate, epochs, effective batch.
STARTING_POINTS = {
    "Llama-3.2-1B-Instruct": (2e-5, 2, 32),
    "Llama-3.2-3B-Instruct": (1e-5, 2, 32),
    "Llama-3.1-8B-Instruct": (5e-6, 2, 64),
    "gemma-3-4b-it": (1.5e-5, 2, 64),
    "Qwen3-4B-Instruct-2507": (4e-5, 2, 32),
    "SmolLM2-1.7B-Instruct": (7e-5, 2, 32),
    "Qwen3-8B": (2e-5, 3, 64),
}
NOT_TRL = {"warmup_ratio", "prefix_sharing", "group_batches"}  # checked by their own tests
NOT_TRL |= {"method", "lora_r", "lora_alpha", "lora_dropout", "gradient_checkpointing"}
ROW = {
    "id": "r1",
    "prompt": [{"role": "user", "content": "Which intent is it?\nQuery: my card is late\n"}],
    "completion": [{"role": "assistant", "content": "11"}],
}
# What each family's prompt is, letter for letter.
USER = "Which intent is it?\nQuery: my card is late"
LLAMA = (
    "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: "
    "December 2023\nToday Date: 26 Jul 2024\n\n<|eot_id|><|start_header_id|>user"
    f"<|end_header_id|>\n\n{USER}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
)
QWEN = f"<|im_start|>user\n{USER}\n<|im_end|>\n<|im_start|>assistant\n"
PROMPTS = {
    "Llama-3": LLAMA,
    "Qwen3-4B-Instruct-2507": QWEN,
    "Qwen3": QWEN + "<think>\n\n</think>\n\n",
    "gemma-3": f"<bos><start_of_turn>user\n{USER}<end_of_turn>\n<start_of_turn>model\n",
    "SmolLM2": (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face"
        f"<|im_end|>\n{QWEN}"
    ),
}


def study(files: tuple[str, ...]) -> Study:
    """Return the study that Snakemake makes of one or several study files."""
    return given_study([ROOT / "config" / name for name in files], [])


def recipes(found: Study) -> list[dict[str, Any]]:
    return [
        jobs.recipe(found, student, task, trial)
        for student in found.students
        for task in found.tasks
        for trial in found.trials(student, task)
    ]


def test_the_catalog_holds_every_student_and_the_full_study_takes_them_all() -> None:
    assert set(study(ORIGINAL).catalog["students"]) == set(study(FULL).students) == set(STUDENTS)
    assert len(study(ORIGINAL).students) == 5


@pytest.mark.parametrize("files", [ORIGINAL, FULL])
def test_every_recipe_is_accepted_by_trl(files: tuple[str, ...], tmp_path: Path) -> None:
    found = recipes(study(files))
    assert len(found) == {ORIGINAL: 5 * 4 * 12, FULL: 9 * 4 * (3 + 3)}[files]
    for recipe in found:
        recipe["model"]["dtype"] = "float32"  # SFTConfig refuses bf16 without a GPU
        training = recipe["training"]
        batch = pass_batch(training, None, [])
        arguments = sft_arguments(recipe, tmp_path, batch, recompute=True)
        expected = {"warmup_steps": training["warmup_ratio"]}
        for key, value in (training | expected).items():
            if key not in NOT_TRL:
                assert getattr(arguments, key) == value, (recipe["trial"], key)
        assert arguments.gradient_checkpointing and training["gradient_checkpointing"] == "auto"
        assert arguments.max_length is None and arguments.packing is False


def test_starting_points_are_the_middle_of_the_full_study() -> None:
    found = study(FULL)
    for student, (rate, epochs, batch) in STARTING_POINTS.items():
        trials = [jobs.recipe(found, student, "tatqa", t) for t in found.trials(student, "tatqa")]
        full = [r["training"] for r in trials if "method" not in r["training"]]
        lora = [r["training"] for r in trials if r["training"].get("method") == "lora"]
        assert sorted({t["learning_rate"] for t in lora})[1] == pytest.approx(10 * rate)
        assert {t["num_train_epochs"] for t in lora} == {epochs}
        assert sorted({t["learning_rate"] for t in full})[1] == rate
        assert {t["num_train_epochs"] for t in full} == {epochs}
        assert {
            t["per_device_train_batch_size"] * t["gradient_accumulation_steps"] for t in full
        } == {batch}


@pytest.mark.parametrize("files", [ORIGINAL, FULL])
def test_a_step_can_be_shared_by_the_processes_of_each_student(files: tuple[str, ...]) -> None:
    found = study(files)
    for recipe in recipes(found):
        training, processes = recipe["training"], max(1, found.student(recipe["student"])["gpus"])
        step = (training["per_device_train_batch_size"], training["gradient_accumulation_steps"])
        share = share_of_step(*step, processes)
        assert share[0] * share[1] * processes == step[0] * step[1]


@pytest.mark.parametrize("student", STUDENTS)
def test_prompts_are_those_of_the_family(student: str) -> None:
    kwargs = study(FULL).student(student)["chat_template_kwargs"]
    tokenizer = stand_in(student)
    chat.check_template(tokenizer, kwargs, student)
    [(prompt, conversation)] = chat.conversation_ids(tokenizer, [ROW], kwargs, "train.jsonl")
    family = next(name for name in PROMPTS if student.startswith(name))
    assert tokenizer.decode(prompt) == PROMPTS[family]
    reply = tokenizer.decode(conversation[len(prompt) :])
    assert reply.removesuffix("\n") == f"11{tokenizer.eos_token}"
    special = set(tokenizer.all_special_ids)
    assert prompt[0] in special, "the first token is one token, and there is one of it"
    assert prompt[1] != prompt[0]


@pytest.mark.parametrize("task", TASKS + CONTROLS)
def test_rows_of_each_task_render_for_each_student(task: str, tmp_path: Path) -> None:
    smoke_module(task).write(tmp_path, 1, 40, 10)
    rows = [row for part in data_module(task).read(tmp_path).values() for row in part][:4]
    for student in STUDENTS:
        kwargs = study(FULL).student(student)["chat_template_kwargs"]
        tokenizer = stand_in(student)
        for row, (prompt, conversation) in zip(
            rows, chat.conversation_ids(tokenizer, rows, kwargs, task), strict=True
        ):
            [said] = row["prompt"]
            assert said["content"].strip() in tokenizer.decode(prompt), student
            target = "".join(message["content"] for message in row["completion"])
            assert target.strip() in tokenizer.decode(conversation[len(prompt) :]), student


def test_a_system_message_goes_where_the_family_puts_it() -> None:
    messages = [{"role": "system", "content": "Be brief."}, *ROW["prompt"]]
    texts = {
        student: chat.render_prompt(
            stand_in(student), messages, study(FULL).student(student)["chat_template_kwargs"]
        )
        for student in STUDENTS
    }
    assert "<start_of_turn>user\nBe brief.\n\nWhich" in texts["gemma-3-4b-it"]
    assert "26 Jul 2024\n\nBe brief.<|eot_id|>" in texts["Llama-3.2-3B-Instruct"]
    assert texts["SmolLM2-135M-Instruct"].startswith("<|im_start|>system\nBe brief.<|im_end|>")
    assert texts["Qwen3-8B"].startswith("<|im_start|>system\nBe brief.<|im_end|>")


def test_a_hybrid_student_without_its_switch_would_learn_to_write_the_think_block() -> None:
    tokenizer = stand_in("Qwen3-8B")
    [(prompt, conversation)] = chat.conversation_ids(tokenizer, [ROW], {}, "x")
    assert tokenizer.decode(conversation[len(prompt) :]).startswith("<think>")


def test_a_llama_without_its_date_is_refused() -> None:
    with pytest.raises(StudyError, match="today's date"):
        chat.check_template(stand_in("Llama-3.2-1B-Instruct"), {}, "llama")


def test_sizes_are_those_of_the_architectures() -> None:
    """Models with the catalog's numbers, without memory: they have as many weights as it says."""
    for student, facts in study(FULL).catalog["students"].items():
        counted, vision = _count(student, facts["size"])
        assert counted == facts["size"]["parameters"], student
        assert vision == facts["size"]["vision_parameters"], student


def _count(student: str, size: dict[str, int]) -> tuple[int, int]:
    import torch
    from transformers import AutoModelForCausalLM, Gemma3Config, LlamaConfig, Qwen3Config

    text = {k: v for k, v in size.items() if k not in ("parameters", "vision_parameters")}
    tied = student not in ("Qwen3-8B", "Llama-3.1-8B-Instruct")
    if student.startswith("gemma"):
        images = {"image_size": 896, "patch_size": 14, "vision_use_head": False}
        tower = {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27}
        vision = tower | images | {"num_attention_heads": 16}
        config = Gemma3Config(text_config=text, vision_config=vision)
    else:
        kind = Qwen3Config if student.startswith("Qwen3") else LlamaConfig
        config = kind(**text, tie_word_embeddings=tied)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    model.tie_weights()
    images = [p for name, p in model.named_parameters() if "vision" in name or "modal" in name]
    return sum(p.numel() for p in model.parameters()), sum(p.numel() for p in images)


@pytest.mark.parametrize("files", [ORIGINAL, FULL])
def test_every_accelerate_file_is_read_by_accelerate(files: tuple[str, ...]) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    found = study(files)
    used = {found.student(s)["accelerate"] for s in found.students} - {None}
    assert used == {"config/accelerate/fsdp.yaml"}
    for file in sorted((ROOT / "config" / "accelerate").glob("*.yaml")):
        config = load_config_from_file(str(file))
        assert config.distributed_type in ("MULTI_GPU", "FSDP")
        assert set(yaml.safe_load(file.read_text())) <= set(vars(config))
    for student in found.students:
        facts = found.student(student)
        assert (facts["gpus"] > 1) == (facts["accelerate"] is not None)
        if facts["gpus"] > 1:
            expected = f"--config_file {facts['accelerate']} --num_processes {facts['gpus']}"
            assert expected in jobs.launcher(found, student)


def test_the_study_of_smollm2_trains_by_task_and_has_the_sources_of_config_yaml() -> None:
    study = given_study([ROOT / "config" / name for name in SMOLLM2], [])
    [student] = study.students
    assert study.student(student)["source"]["hub"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert all("hub" in study.source(name) for name in study.tasks + study.controls)
    epochs = {
        task: {
            jobs.recipe(study, student, task, trial)["training"]["num_train_epochs"]
            for trial in study.trials(student, task)
        }
        for task in study.tasks
    }
    assert epochs == {"banking77": {8}, "pubmedqa": {1}}
    assert len(study.trials(student, "banking77")) == len(study.trials(student, "pubmedqa")) == 3


def test_whole_splits_and_epochs_are_laid_over_the_study_of_smollm2(tmp_path: Path) -> None:
    """As its head says of a GPU."""
    over = tmp_path / "gpu.yaml"
    over.write_text(
        "limit: null\nspace: {num_train_epochs: [1, 3]}\n"
        "catalog: {students: {SmolLM2-135M-Instruct: "
        "{gpus: 1, dtype: bfloat16, tasks: null, source: {gguf: models/x.gguf}}}}\n",
        encoding="utf-8",
    )
    study = given_study([*(ROOT / "config" / name for name in SMOLLM2), over], [])
    [student] = study.students
    assert study.root == "results/smollm2" and study.student(student)["source"] == {
        "gguf": "models/x.gguf"
    }
    trials = study.trials(student, "banking77")
    assert {
        jobs.recipe(study, student, "banking77", trial)["training"]["num_train_epochs"]
        for trial in trials
    } == {1, 3}
    assert len(trials) == 6


def test_on_a_gpu_six_configurations_of_smollm2_are_studied_on_all_rows() -> None:
    study = given_study(
        [ROOT / "config" / name for name in ("config.yaml", "smollm2-gpu.yaml")], []
    )
    [student] = study.students
    assert study.config["limit"] is None and study.student(student)["gpus"] == 1
    assert study.config["gates"]["simple_safety_tests"] == {
        "metric": "safe_rate",
        "min_ratio_to_baseline": 0.9,  # in the place of config.yaml's `above`
    }
    for task in study.tasks:
        assert len(study.trials(student, task)) == 6
