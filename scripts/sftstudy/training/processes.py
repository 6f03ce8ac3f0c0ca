"""The processes that a launcher (accelerate, torchrun) has started for one training."""

import os


def number_of_processes() -> int:
    """Return how many there are; 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_leader() -> bool:
    """Say whether this is the one that writes what is written once."""
    return int(os.environ.get("RANK", "0")) == 0
