"""What a program computes with: what it was told, which `students.models.pick_device` acts on, and
what there is."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

DETERMINES_NO_RESULT = True

DEVICES = ("auto", "cuda", "mps", "cpu")
MIB = 1024**2
MEMINFO = Path("/proc/meminfo")
DEVICE = "SFTSTUDY_DEVICE"  # environment variable that takes a program's choice to where it counts


def compute(threads: int, device: str) -> None:
    """Say what this process computes with; to be called before torch is imported.

    Results on CPU depend on the number of threads.
    """
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)
    os.environ[DEVICE] = device
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def free_memory(device: "torch.device", limit: int | None, processes: int = 1) -> float | None:
    """Return the bytes that this process may still take; None where that is not known.

    On a GPU those that are free. On a CPU its share of the main memory that is available to the
    job's `processes` on this machine: `limit` MiB at most, with what they hold already.
    """
    import torch

    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    if device.type != "cpu" or not MEMINFO.is_file():  # such as macOS
        return None
    found = re.search(r"^MemAvailable:\s+(\d+) kB$", MEMINFO.read_text(), re.MULTILINE)
    if found is None:
        return None
    free = 1024.0 * int(found[1])
    if limit is not None:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        free = min(free, limit * MIB - processes * pages * os.sysconf("SC_PAGE_SIZE"))
    return free / processes
