"""Running out of memory is answered by taking less: activations are recomputed, where the recipe
leaves that to us; after that batches get smaller, the same steps in more forward passes.

The samples of an optimizer step, and so the result up to rounding, stay those of the recipe. What
did not fit stands in the scratch folder of a training. One process starts again by itself, from its
newest saved state. Of several, the one that ran out leaves the others waiting for its part of a
sum, so it writes that down and ends; the launcher ends the others, and the next attempt of the job
reads it.
"""

from collections.abc import Sequence
from pathlib import Path

from sftstudy.documents.provenance import OutOfMemory
from sftstudy.documents.recipe import Recipe
from sftstudy.documents.shapes import read
from sftstudy.errors import StudyError
from sftstudy.files.writing import write_json
from sftstudy.training.job import TrainingJob
from sftstudy.training.recomputing import is_left_to_us

FILE = "memory.json"


def events(scratch: Path) -> list[OutOfMemory]:
    """Return what was tried and did not fit, oldest first."""
    file = scratch / FILE
    return read(file, list[OutOfMemory]) if file.is_file() else []


def halvings(tried: Sequence[OutOfMemory], recipe: Recipe) -> int:
    """Return how often batches are to be halved after what was tried."""
    return sum(not _can_recompute(event, recipe) for event in tried)


def _can_recompute(event: OutOfMemory, recipe: Recipe) -> bool:
    return is_left_to_us(recipe) and not event.get("gradient_checkpointing", True)


def smaller(per_device: int, accumulation: int, times: int = 1) -> tuple[int, int]:
    """Return (samples per forward pass, forward passes) after halving the first so many times.

    Their product stays: an odd number of samples is divided by its smallest divisor.
    """
    for _ in range(times):
        divisor = next((d for d in range(2, per_device + 1) if per_device % d == 0), 1)
        per_device, accumulation = per_device // divisor, accumulation * divisor
    return per_device, accumulation


def record(job: TrainingJob, tried: OutOfMemory) -> None:
    """Write down what did not fit; a `StudyError` when nothing is left that takes less."""
    said, per_device = tried["message"], tried["per_device_train_batch_size"]
    if _can_recompute(tried, job.recipe):
        next_try = "activations recomputed"
    elif per_device > 1:
        next_try = str(smaller(per_device, tried["gradient_accumulation_steps"])[0])
    else:
        (job.scratch / FILE).unlink(missing_ok=True)  # a larger device begins as the recipe says
        kept = not tried.get("gradient_checkpointing", True)
        raise StudyError(
            f"{job.name}: a single sample does not fit into the memory of the device ({said}); "
            f"{'set gradient_checkpointing: auto, ' * kept}give the student more gpus with "
            "accelerate: config/accelerate/fsdp.yaml, lower its max_length, train it with LoRA "
            "(lora_space), or use a device with more memory; "
            "`python tools/estimate.py` says what training needs"
        )
    write_json(job.scratch / FILE, [*events(job.scratch), tried])
    print(
        f"out of memory in step {tried['step']} with {per_device} samples per forward pass "
        f"({said}); going on with {next_try}",
        flush=True,
    )
