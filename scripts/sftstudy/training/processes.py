"""The processes that a launcher (accelerate, torchrun) has started for one training."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def number_of_processes() -> int:
    """Return how many there are; 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_processes() -> int:
    """Return how many of them run on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def own_device(device: "torch.device") -> "torch.device":
    """Return the one of the machine's devices that this process has."""
    import torch

    if device.type != "cuda":
        return device
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


def is_sharded() -> bool:
    """Say whether accelerate was told to split the model over them (FSDP)."""
    return os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"


def is_leader() -> bool:
    """Say whether this is the one that writes what is written once."""
    return int(os.environ.get("RANK", "0")) == 0


def agreed(*flags: bool, device: "torch.device") -> list[bool]:
    """Return, for each flag, whether any process has raised it; all processes take part."""
    import torch

    if not torch.distributed.is_initialized():
        return list(flags)
    raised = torch.tensor(flags, dtype=torch.uint8, device=device)
    torch.distributed.all_reduce(raised, op=torch.distributed.ReduceOp.MAX)
    return [bool(flag) for flag in raised.tolist()]
