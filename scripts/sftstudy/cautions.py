"""What weakens a student's numbers, in words: for logs and for the report."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

DETERMINES_NO_RESULT = True

FEW_STEPS = 10  # fewer say little about a learning rate
LONG_WARMUP = 1 / 3  # a larger share of the steps leaves little of the schedule


def warmup_steps(steps: int, training: Mapping[str, Any]) -> int:
    """Return how many of `steps` warm up, as transformers counts them; `training` is the recipe's.

    `TrainingArguments.get_warmup_steps` rounds the share up. The schedule `constant` has none.
    """
    if training.get("lr_scheduler_type") == "constant":
        return 0
    return math.ceil(steps * training.get("warmup_ratio", 0.0))


def too_short(rows: int, steps: int, training: Mapping[str, Any]) -> str | None:
    """Return in words why a training can hardly tell what its hyperparameters are worth.

    None unless it had fewer than `FEW_STEPS` steps or a warm-up of more than `LONG_WARMUP` of them.
    The first step of a warm-up has the learning rate 0 and changes no weight.
    """
    warmup = warmup_steps(steps, training)
    if steps >= FEW_STEPS and warmup <= LONG_WARMUP * steps:
        return None
    told = f"{_count(steps, 'optimizer step')} on {_count(rows, 'row')}"
    if warmup:
        told += (
            f", {warmup} of them warm-up ({warmup / max(1, steps):.0%}), whose first has the "
            f"learning rate 0: {_count(steps - 1, 'step')} changed weights"
        )
    return (
        f"{told}; so short a schedule says little about its hyperparameters: train on more rows or "
        "epochs, with smaller batches or a smaller warmup_ratio"
    )


def teaches(written: str) -> str:
    """Return in words what a text that a template writes before replies means for a study."""
    return (
        f"the chat template puts {written!r} before every reply that is trained on, but not at the "
        "end of the prompt that is asked: training teaches to write it, the untrained student may "
        "begin otherwise (with a thought, say), and part of a gain may be only that; where the "
        "template can put it into the prompt, say so in the student's chat_template_kwargs (for "
        "thinking models often enable_thinking: false)"
    )


def dequantised(file: str, types: Sequence[str]) -> str:
    """Return in words what weights mean that were computed back from quantised ones."""
    return (
        f"the weights were computed back (dequantised) from the {', '.join(types)} of {file}: near "
        "the published ones, not equal to them, and so are all numbers of this student"
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
