"""The smoke student: a real checkpoint that the usual classes load, the same for the same seed."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from repository import ROOT

PROGRAM = ROOT / "scripts" / "build_smoke_student.py"


def build(output: Path, seed: int = 1) -> Path:
    subprocess.run(
        [sys.executable, str(PROGRAM), "--seed", str(seed), "--steps", "4", "--output", output],
        check=True,
        capture_output=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    return output


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("student") / "base")


def test_help_answers_without_the_heavy_imports() -> None:
    code = f"import sys; sys.argv = ['x', '--help']; exec(open({str(PROGRAM)!r}).read())"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "scripts")},
    )
    assert "--steps" in done.stdout
    assert " torch" not in done.stderr
    assert " transformers" not in done.stderr


def test_the_folder_is_a_hugging_face_checkpoint(student: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    model = AutoModelForCausalLM.from_pretrained(student)
    tokenizer = AutoTokenizer.from_pretrained(student)
    parameters = sum(weight.numel() for weight in model.parameters())
    source = json.loads((student / "SOURCE.json").read_text())
    assert (source["kind"], source["seed"], source["steps"]) == ("smoke", 1, 4)
    assert source["parameters"] == parameters < 1_000_000
    assert model.config.model_type == "qwen3"
    assert len(tokenizer) == model.config.vocab_size <= 2048
    settings = GenerationConfig.from_pretrained(student)
    assert settings.eos_token_id == tokenizer.eos_token_id == model.config.eos_token_id
    assert (student / "model.safetensors").stat().st_mode & 0o044 == 0o044


def test_a_rendered_prompt_is_a_prefix_of_the_rendered_conversation(student: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(student)
    prompt = [{"role": "user", "content": " A line.\n\nÄnother 😀 one. "}]
    whole = [*prompt, {"role": "assistant", "content": "```sql\nSELECT 1\n```"}]
    ids = {
        "prompt": tokenizer.apply_chat_template(
            prompt, add_generation_prompt=True, return_dict=False
        ),
        "whole": tokenizer.apply_chat_template(whole, return_dict=False),
    }
    assert ids["whole"][: len(ids["prompt"])] == ids["prompt"]
    assert ids["whole"][-1] == tokenizer.eos_token_id
    assert prompt[0]["content"] in tokenizer.decode(ids["prompt"])


def test_training_sees_what_the_template_renders(student: Path) -> None:
    from transformers import AutoTokenizer

    from sftstudy.students.smoke import _encode

    tokenizer = AutoTokenizer.from_pretrained(student)
    turns = [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Yes."}]
    ids, prompt_length = _encode(tokenizer, ("Hello?", "Yes."))
    assert ids == tokenizer.apply_chat_template(turns, return_dict=False)
    prompt = tokenizer.apply_chat_template(turns[:1], add_generation_prompt=True, return_dict=False)
    assert ids[:prompt_length] == prompt


@pytest.mark.slow
def test_the_seed_decides_the_weights(student: Path, tmp_path: Path) -> None:
    weights = digest(student / "model.safetensors")
    again = build(tmp_path / "again")
    assert digest(again / "model.safetensors") == weights
    assert digest(again / "tokenizer.json") == digest(student / "tokenizer.json")
    assert digest(build(tmp_path / "other", seed=2) / "model.safetensors") != weights
