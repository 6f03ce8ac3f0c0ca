"""What a program was told to compute with; `students.models.pick_device` acts on it."""

import os

DETERMINES_NO_RESULT = True

DEVICES = ("auto", "cuda", "mps", "cpu")
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
