"""Training on two CPU processes, sharded (FSDP) and data parallel: the weights of one process.

FSDP is torch's own, launched by accelerate with the file of the real study; only that accelerate
asks for GPUs is changed (see `fsdp_on_cpu`). Not run on a GPU.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from programs import SCRIPTS
from random_models import ARCHITECTURES
from repository import ROOT
from sftstudy.files.hashing import sha256_file
from sftstudy.files.reading import read_json
from sftstudy.files.writing import write_json
from training_job import Job, train_here

pytestmark = pytest.mark.slow

# Plain gradient descent without clipping keeps differences as small as they are.
STEPS = {"optim": "sgd", "max_grad_norm": 0.0, "learning_rate": 0.05, "num_train_epochs": 0.5}
STEPS |= {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2}
LORA = {"method": "lora", "lora_r": 4, "lora_alpha": 8, "lora_dropout": 0.0}


def make_job(folder: Path, architecture: str, **training: Any) -> Job:
    import torch

    folder.mkdir()
    torch.manual_seed(0)
    job = Job(folder, ARCHITECTURES[architecture](), **(STEPS | training))
    if architecture == "gemma3":
        write_json(job.base / "preprocessor_config.json", {"image_processor_type": "Gemma3"})
        write_json(job.base / "processor_config.json", {"processor_class": "Gemma3Processor"})
    return job


def launch(job: Job, kind: str, **trouble: int) -> subprocess.CompletedProcess[str]:
    """Train on two processes; `trouble` are the variables of `fsdp_on_cpu`."""
    command = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "2"]
    command += ["--config_file", str(ROOT / "config" / "accelerate" / f"{kind}.yaml")]
    program = {"fsdp": [str(ROOT / "tests" / "fsdp_on_cpu.py")], "ddp": []}[kind]
    where = {"fsdp": {"ACCELERATE_TORCH_DEVICE": "cpu"}, "ddp": {"ACCELERATE_USE_CPU": "true"}}
    variables = {k: str(v) for k, v in ({"STOP_AFTER": 0, "OUT_OF_MEMORY": 0} | trouble).items()}
    return subprocess.run(
        [*command, *program, str(SCRIPTS / "train.py"), *map(str, job.arguments)],
        env=os.environ | where[kind] | variables | {"PYTHONPATH": str(SCRIPTS)},
        capture_output=True,
        text=True,
        timeout=400,
    )


def distance(one: Path, other: Path, base: Path) -> float:
    """Return how far two checkpoints are apart, as a share of how far the first was trained."""
    import torch
    from safetensors.torch import load_file

    first, second, before = (load_file(f / "model.safetensors") for f in (one, other, base))
    assert set(first) == set(second) == set(before)
    moved = torch.sqrt(sum(((first[k] - before[k]) ** 2).sum() for k in before))
    return float(torch.sqrt(sum(((first[k] - second[k]) ** 2).sum() for k in before)) / moved)


@pytest.mark.parametrize(
    ("kind", "architecture", "method"),
    [
        ("fsdp", "llama", {}),
        ("fsdp", "gemma3", {"gradient_checkpointing": True}),
        ("ddp", "gemma3", {"gradient_checkpointing": True}),
        ("fsdp", "gemma3", LORA),
    ],
    ids=["fsdp-llama", "fsdp-gemma3", "ddp-gemma3", "fsdp-gemma3-lora"],
)
def test_two_processes_give_the_weights_of_one(
    tmp_path: Path, kind: str, architecture: str, method: dict[str, Any]
) -> None:
    from sftstudy.students.models import load_model

    one = train_here(make_job(tmp_path / "one", architecture, **method))
    two = make_job(tmp_path / "two", architecture, **method)
    done = launch(two, kind)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    facts = [read_json(job.output / "provenance.json") for job in (one, two)]
    assert [f["processes"] for f in facts] == [1, 2]
    for key in ("steps", "batches", "parameters", "trainable_parameters", "train_flops"):
        assert facts[0][key] == facts[1][key], key
    assert facts[0]["steps"] == 4 and facts[0]["batches"] == "prefix sharing"
    losses = [[entry["loss"] for entry in f["log_history"]] for f in facts]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert distance(one.output, two.output, one.base) < 1e-4
    load_model(two.output, "float32", "sdpa")  # every weight is there, and nothing else
    for file in two.base.glob("*processor*"):
        assert sha256_file(two.output / file.name) == sha256_file(file)
    names = sorted(file.name for file in two.output.glob("adapter/*"))
    assert names == (["adapter_config.json", "adapter_model.safetensors"] if method is LORA else [])
    assert list(two.output.parent.iterdir()) == [two.output], "no temporary is left"


@pytest.mark.parametrize("method", [{}, LORA], ids=["full", "lora"])
def test_sharded_training_goes_on_from_its_saved_state(
    tmp_path: Path, method: dict[str, Any]
) -> None:
    """One process is told to stop; both save the same step, and the end is that of one process.

    With AdamW, whose moments are saved and loaded: torch cannot load the empty state of sgd.
    """
    adam = {"optim": "adamw_torch_fused", "learning_rate": 1e-3} | method
    whole = train_here(make_job(tmp_path / "whole", "qwen3", **adam))
    job = make_job(tmp_path / "stopped", "qwen3", **adam)
    done = launch(job, "fsdp", STOP_AFTER=2)
    assert done.returncode != 0 and not job.output.exists(), done.stdout + done.stderr[-3000:]
    states = [path.parent.name for path in job.scratch.glob("*/*/complete.json")]
    assert states == ["checkpoint-2"], done.stdout + done.stderr[-4000:]
    done = launch(job, "fsdp")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert "resuming from checkpoint-2" in done.stdout
    assert read_json(job.output / "provenance.json")["steps"] == 4
    assert distance(whole.output, job.output, whole.base) < 1e-2  # Adam magnifies rounding


def test_after_one_process_ran_out_of_memory_the_next_attempt_has_smaller_batches(
    tmp_path: Path,
) -> None:
    padded = {"prefix_sharing": "off"}
    whole = train_here(make_job(tmp_path / "whole", "qwen3", **padded))
    job = make_job(tmp_path / "short", "qwen3", **padded)
    done = launch(job, "fsdp", OUT_OF_MEMORY=1)
    assert done.returncode != 0 and "going on with 2" in done.stdout, done.stderr[-3000:]
    done = launch(job, "fsdp")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    facts = read_json(job.output / "provenance.json")
    (event,) = facts["out_of_memory"]
    assert (event["per_device_train_batch_size"], event["gradient_accumulation_steps"]) == (4, 1)
    assert (facts["per_device_train_batch_size"], facts["gradient_accumulation_steps"]) == (2, 2)
    assert distance(whole.output, job.output, whole.base) < 1e-4
