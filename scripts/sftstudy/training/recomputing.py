"""Whether activations are computed a second time for the backward pass, instead of being kept.

A recipe says so, or leaves it to the estimate (`memory`) and to what is free before a model is
loaded. The result is that of keeping them, on a CPU to the bit.
"""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from sftstudy.documents.recipe import Recipe
from sftstudy.errors import StudyError
from sftstudy.training.job import TrainingJob
from sftstudy.training.memory import GIB, fetched_size, training_memory
from sftstudy.training.processes import is_sharded, local_processes, local_rank, number_of_processes

if TYPE_CHECKING:
    import torch

MIB = 1024**2
_SHARE = 0.9  # of what is free; the rest is for what the estimate does not count
_MEMINFO = Path("/proc/meminfo")


def is_left_to_us(recipe: Recipe) -> bool:
    """Say whether a recipe leaves it to the estimate."""
    return bool(recipe["training"]["gradient_checkpointing"] == "auto")


def must_recompute(job: TrainingJob, tokens: int, free: float | None) -> tuple[bool, str]:
    """Return whether activations have no room, and why.

    Args:
        job: what is trained.
        tokens: of one forward pass, padding included.
        free: bytes that this process may take in all (`free_memory`).
    """
    if free is None:
        return True, "how much memory is free is not known"
    try:
        size = fetched_size(job.base.folder)
    except StudyError as error:
        return True, f"how much memory they take is not known ({error})"
    training = job.recipe["training"] | {"gradient_checkpointing": False}
    keeping: Recipe = {**job.recipe, "training": training}
    needed = training_memory(size, keeping, tokens, number_of_processes(), is_sharded()).device
    text = f"training that keeps them takes about {needed / GIB:.1f} of {free / GIB:.1f} GiB"
    return needed > _SHARE * free, text


def free_memory(device: "torch.device", limit: int | None) -> float | None:
    """Return the bytes that this process may still take; None where that is not known.

    On a GPU those that are free. On a CPU its share of the main memory that is available to all
    processes of the training on this machine: `limit` MiB at most, with what they hold already.
    """
    import torch

    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(local_rank())[0])
    if device.type != "cpu" or not _MEMINFO.is_file():  # such as macOS
        return None
    found = re.search(r"^MemAvailable:\s+(\d+) kB$", _MEMINFO.read_text(), re.MULTILINE)
    if found is None:
        return None
    free = 1024.0 * int(found[1])
    if limit is not None:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        held = local_processes() * pages * os.sysconf("SC_PAGE_SIZE")
        free = min(free, limit * MIB - held)
    return free / local_processes()
