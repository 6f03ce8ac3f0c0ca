"""The estimate of training memory: against measured peaks, and against the catalog."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from programs import SCRIPTS, run
from repository import ROOT
from sftstudy.costs.needs import needs
from sftstudy.errors import StudyError
from sftstudy.files.writing import write_jsonl
from sftstudy.study import jobs
from sftstudy.study.grid import Study
from sftstudy.study.options import given_study
from sftstudy.training.memory import GIB, catalog_size, fetched_size, training_memory
from training_job import ROWS, Job, recipe

ORIGINAL, FULL = ("config.yaml",), ("config.yaml", "full.yaml")
DEVICE = 80 * GIB  # of the GPUs that the catalog's numbers are for
LENGTH = 128  # tokens of a row of the measured trainings
LORA = {"method": "lora", "lora_r": 16, "lora_alpha": 32, "lora_dropout": 0.0}


def study(files: tuple[str, ...]) -> Study:
    return given_study([ROOT / "config" / name for name in files], [])


def model() -> Any:
    """Return a model of 54 million parameters: large enough that nothing else counts."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=300,
        hidden_size=768,
        intermediate_size=3072,
        num_hidden_layers=6,
        num_attention_heads=12,
        num_key_value_heads=6,
        head_dim=64,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc, which is Linux")
@pytest.mark.parametrize(
    "method",
    [{"gradient_checkpointing": False}, {"gradient_checkpointing": True}, LORA],
    ids=["full", "checkpointing", "lora"],
)
def test_measured_peak_is_within_a_fifth_of_the_estimate(
    tmp_path: Path, method: dict[str, Any]
) -> None:
    """In float32 on the CPU, the optimizer's second step included. Not measured on a GPU."""
    training = {"prefix_sharing": "off", "gradient_accumulation_steps": 2, "num_train_epochs": 1}
    training |= {"per_device_train_batch_size": 4, "gradient_checkpointing": False} | method
    job = Job(tmp_path, model(), **training)
    text = "one more word " * 20
    user = [{"role": "user", "content": text[: LENGTH - 32]}]
    rows = [row | {"prompt": user} for row in ROWS[9:25]]  # two digits each: one length
    write_jsonl(tmp_path / "rows.jsonl", rows)
    program = [sys.executable, str(ROOT / "tests" / "measure_training.py")]
    done = subprocess.run(
        [*program, tmp_path / "recipe.yaml", tmp_path / "rows.jsonl", job.base, tmp_path / "s"],
        # Freed memory goes back to the system at once, so that what is resident is in use.
        env=os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "PYTHONPATH": str(SCRIPTS)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    peak = int(re.search(r"^peak (\d+)$", done.stdout, re.MULTILINE)[1])
    estimate = training_memory(fetched_size(job.base), recipe(**training), tokens=4 * LENGTH)
    assert peak == pytest.approx(estimate.device, rel=0.2), estimate


@pytest.mark.parametrize("files", [ORIGINAL, FULL])
def test_gpus_and_memory_of_the_catalog_suffice(files: tuple[str, ...]) -> None:
    found = study(files)
    for need in needs(found, 2048, Path("nowhere")):
        assert need.estimate.device < 0.9 * DEVICE, need
        assert need.estimate.main <= found.student(need.student)["mem_gb"] * GIB, need


def test_a_student_that_needs_several_gpus_would_not_fit_on_one() -> None:
    found = study(FULL)
    for need in needs(found, 2048, Path("nowhere")):
        facts = found.student(need.student)
        if need.method == "full" and facts["gpus"] == 4:
            alone = training_memory(
                catalog_size(need.student, facts),
                jobs.recipe(found, need.student, "tatqa", need.trial),
                need.tokens,
            )
            assert alone.device > DEVICE, need.student


def test_sharding_divides_and_lora_saves() -> None:
    size = catalog_size("Qwen3-8B", study(FULL).student("Qwen3-8B"))
    values = recipe()
    values["model"]["dtype"] = "bfloat16"
    one = training_memory(size, values, 1000)
    four = training_memory(size, values, 1000, devices=4, sharded=True)
    copies = training_memory(size, values, 1000, devices=4)
    assert one.weights + one.gradients + one.optimizer == 16 * size.parameters
    assert (four.optimizer, copies.optimizer) == (one.optimizer / 4, one.optimizer)
    values["training"] |= LORA
    lora = training_memory(size, values, 1000)
    # Each of 36 layers: rank 16 times inputs and outputs of q, k, v, o, gate, up and down.
    adapter = 36 * 16 * (8192 + 5120 + 5120 + 8192 + 3 * 16384)
    assert size.adapter_parameters(16) == adapter
    assert lora.weights == 2 * size.parameters + 4 * adapter
    assert (lora.gradients, lora.optimizer) == (4 * adapter, 8 * adapter)


def test_a_fetched_student_tells_its_own_size(tmp_path: Path) -> None:
    from random_models import gemma3

    gemma3().save_pretrained(tmp_path)
    size = fetched_size(tmp_path)
    counts = {name: p.numel() for name, p in gemma3().named_parameters()}
    assert size.parameters == sum(counts.values())
    assert size.vision_parameters == sum(
        n for name, n in counts.items() if "vision" in name or "multi_modal" in name
    )
    assert (size.hidden_size, size.head_dim, size.num_hidden_layers) == (32, 8, 2)


def test_a_student_without_size_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(StudyError, match="Mine: has no 'size'"):
        catalog_size("Mine", {})


def test_the_program_prints_a_line_per_student_and_method() -> None:
    files = ["--configfile", *(ROOT / "config" / name for name in FULL)]
    status, text = run("estimate.py", *files, "--tokens", "1000")
    assert status == 0, text
    lines = [line.split()[:2] for line in text.splitlines()]
    assert ["Qwen3-8B", "full"] in lines and ["Qwen3-8B", "lora"] in lines
    assert sum(len(line) == 2 and line[1] in ("full", "lora") for line in lines) == 18
