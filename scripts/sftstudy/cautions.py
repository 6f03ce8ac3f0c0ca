"""What weakens a student's numbers, in words: for logs and for the report."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

DETERMINES_NO_RESULT = True

FEW_STEPS = 10  # fewer say little about a learning rate
REPEATED = 0.5  # share of replies to a control that are no replies to its prompts
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


def repeats(control: str, share: float, number: int, untrained: float) -> str:
    """Return in words what it means that a trained student says the same to many prompts.

    `share` of its `number` replies to a control, and of the untrained student's.
    """
    return (
        f"{share:.0%} of {number:,} replies to {control} were given, word for word, to another of "
        f"its prompts as well (untrained: {untrained:.0%}): such a student says a few things "
        "whatever it is asked, and to pass or fail there tells little of instructions followed or "
        "requests refused; read its replies before you trust the gate"
    )


def dequantised(file: str, types: Sequence[str]) -> str:
    """Return in words what weights mean that were computed back from quantised ones."""
    return (
        f"the weights were computed back (dequantised) from the {', '.join(types)} of {file}: near "
        "the published ones, not equal to them, and so are all numbers of this student"
    )


def crowded(cpus: Mapping[str, int], cores: int) -> str | None:
    """Return in words which students ask for more threads than there are cores, None if none does.

    `cpus`: the threads of each student's jobs.
    """
    told = [f"{student} (cpus: {number})" for student, number in cpus.items() if number > cores]
    if not told:
        return None
    return (
        f"this machine has {_count(cores, 'core')}, and jobs of {', '.join(told)} compute with "
        "more threads, which take turns: on a CPU that is slower. Set the student's cpus in the "
        "study file, before the first training: what a CPU computes depends on their number"
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
