"""retained/{student}.json: which checkpoints of a student kept their weights.

Nobody reads it back: it is the target whose making removes weights.
"""

from typing import Literal, TypedDict

Keep = Literal["feasible", "recommended"]


class Retained(TypedDict):
    """The file."""

    keep: Keep  # what the study file asks for
    kept: list[str]  # variants
    removed: dict[str, int]  # variant -> bytes that its weights held
