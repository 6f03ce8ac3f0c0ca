"""What a training tells about itself: in the provenance of its checkpoint, and in its record."""

import math
from typing import TYPE_CHECKING

from sftstudy.documents.provenance import Facts, OutOfMemory
from sftstudy.documents.recipe import Recipe
from sftstudy.documents.source import SOURCE, read_source
from sftstudy.files.ledger import LEDGER
from sftstudy.training.flops import training_flops
from sftstudy.training.job import TrainingJob
from sftstudy.training.trainer import Built

if TYPE_CHECKING:
    import torch


def facts(
    job: TrainingJob, built: Built, seconds: float, out_of_memory: list[OutOfMemory]
) -> Facts:
    """Return what provenance says of a finished training, beside its recipe.

    `seconds` is the time that it has trained, `out_of_memory` what did not fit.
    """
    trainer, size = built.trainer, built.size
    per_device, accumulation = built.batch
    tokens = math.ceil(built.tokens_per_epoch * job.recipe["training"]["num_train_epochs"])
    processes = trainer.args.world_size
    return {
        "base": read_source(job.base.folder / SOURCE),
        "identity": job.identity,
        "code": job.code,
        "base_sha256": job.base.sha256,
        "data_sha256": job.data.sha256,
        "rows": len(job.data.rows),
        "steps": trainer.state.global_step,
        "tokens": tokens,
        "parameters": size.total,
        "trainable_parameters": size.trainable,
        "train_flops": training_flops(size, tokens),
        "batches": built.layout,
        "per_device_train_batch_size": per_device,
        "gradient_accumulation_steps": accumulation,
        "gradient_checkpointing": built.recomputes,
        "out_of_memory": out_of_memory,
        "processes": processes,
        "device": _device_name(trainer.args.device),
        "train_seconds": round(seconds, 3),
        "gpu_seconds": round(seconds * processes, 3),
        "log_history": loss_curve(trainer.state.log_history),
    }


def note(recipe: Recipe, facts: Facts) -> None:
    """Enter what a training has cost into the record of this job."""
    LEDGER.note(
        dtype=recipe["model"]["dtype"],
        flops=facts["train_flops"],
        rows=facts["rows"],
        steps=facts["steps"],
        tokens=facts["tokens"],
        gpu_seconds=facts["gpu_seconds"],
        device=facts["device"],
    )


def _device_name(device: "torch.device") -> str:
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def loss_curve(log_history: list[dict[str, float]]) -> list[dict[str, float | None]]:
    """Return the logged losses. With float16 a gradient norm may be infinite; JSON has no infinity.

    Such a step is skipped by the loss scaler and harms nothing; its norm is given as None.
    """
    return [
        {key: value if math.isfinite(value) else None for key, value in entry.items()}
        for entry in log_history
        if "loss" in entry
    ]
