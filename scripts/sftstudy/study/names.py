"""Names of trials and replicates, and the names that a target of Snakemake may hold."""

import re
from typing import Any

# What names of trials are made of; a target that is typed in may hold nothing else either.
TRIAL = "[A-Za-z0-9._+-]+"

_ABBREVIATIONS = {
    "learning_rate": "lr",
    "num_train_epochs": "ep",
    "per_device_train_batch_size": "bs",
    "gradient_accumulation_steps": "ga",
    "lora_r": "lora",
    "lora_alpha": "alpha",
    "lora_dropout": "dropout",
}
_REPLICATE = re.compile(r"(.+)_rep([1-9][0-9]*)")  # no trial's name ends so: no axis is called rep


def trial_id(values: dict[str, Any]) -> str:
    """Return the name of a trial: ``lr1e-05_ep3_bs4``, or with LoRA ``lora16_lr0.0002_ep3_bs4``.

    Values that agree in 15 digits have one name: what a computer adds behind them is no difference
    that anybody meant.
    """
    parts = []
    for axis, value in values.items():
        if axis == "method":
            continue  # the rank says it
        text = value if isinstance(value, str) else _digits(value)
        name = _ABBREVIATIONS.get(axis, f"{axis}-")
        parts.append(f"{name}{text}")
    return "_".join(parts)


def _digits(value: float) -> str:
    """Return a number in six digits where they say it all, as most do, else in 15."""
    short, long = f"{value:g}", f"{value:.15g}"
    return short if float(short) == float(long) else long


def replicate_id(trial: str, number: int) -> str:
    """Return the name of a replicate of a trial, counted from 1: ``lr1e-05_ep3_bs4_rep2``."""
    return f"{trial}_rep{number}"


def trial_and_number(name: str) -> tuple[str, int]:
    """Return the trial that a replicate is of, and its number; of a trial itself it, and 0."""
    match = _REPLICATE.fullmatch(name)
    return (match[1], int(match[2])) if match else (name, 0)


def one_of(names: list[str]) -> str:
    """Return a regular expression that matches exactly these names (none: nothing at all)."""
    return f"(?:{'|'.join(map(re.escape, names))})" if names else "(?!)"
