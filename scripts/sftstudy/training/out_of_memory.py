"""Running out of memory is answered by smaller batches: the same steps in more forward passes.

The samples of an optimizer step, and so the result up to rounding, stay those of the recipe. How
often a training had to go smaller stands in its scratch folder. One process starts again by
itself, from its newest saved state. Of several, the one that ran out leaves the others waiting for
its part of a sum, so it writes that down and ends; the launcher ends the others, and the next
attempt of the job reads it.
"""

from pathlib import Path

from sftstudy.documents.provenance import OutOfMemory
from sftstudy.documents.shapes import read
from sftstudy.errors import StudyError
from sftstudy.files.writing import write_json

FILE = "memory.json"


def events(scratch: Path) -> list[OutOfMemory]:
    """Return what was tried and did not fit, oldest first."""
    file = scratch / FILE
    return read(file, list[OutOfMemory]) if file.is_file() else []


def smaller(per_device: int, accumulation: int, times: int = 1) -> tuple[int, int]:
    """Return (samples per forward pass, forward passes) after halving the first so many times.

    Their product stays: an odd number of samples is divided by its smallest divisor.
    """
    for _ in range(times):
        divisor = next((d for d in range(2, per_device + 1) if per_device % d == 0), 1)
        per_device, accumulation = per_device // divisor, accumulation * divisor
    return per_device, accumulation


def record(scratch: Path, name: str, step: int, batch: tuple[int, int], error: Exception) -> None:
    """Write down that a batch did not fit; a `StudyError` when it cannot be made smaller.

    Args:
        scratch: folder of the training's saved states.
        name: of the training, for the error.
        step: optimizer step that was being computed.
        batch: (samples per forward pass, forward passes) of a process.
        error: what torch said.
    """
    per_device, accumulation = batch
    said = str(error).splitlines()[0]
    if per_device == 1:
        (scratch / FILE).unlink(missing_ok=True)  # on a larger device it begins as the recipe says
        raise StudyError(
            f"{name}: a single sample does not fit into the memory of the device ({said}); set "
            "gradient_checkpointing: true, give the student more gpus with "
            "accelerate: config/accelerate/fsdp.yaml, lower its max_length, train it with LoRA "
            "(lora_space), or use a device with more memory; "
            "`python tools/estimate.py` says what training needs"
        )
    event: OutOfMemory = {
        "step": step,
        "per_device_train_batch_size": per_device,
        "gradient_accumulation_steps": accumulation,
        "message": said,
    }
    write_json(scratch / FILE, [*events(scratch), event])
    print(
        f"out of memory in step {step} with {per_device} samples per forward pass ({said}); "
        f"going on with {smaller(*batch)[0]}",
        flush=True,
    )
