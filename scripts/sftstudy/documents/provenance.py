"""provenance.json of a trained checkpoint: what it was made of, and how its training went."""

from pathlib import Path
from typing import NotRequired, TypedDict

from sftstudy.documents.recipe import Recipe, require_numbers
from sftstudy.documents.shapes import read
from sftstudy.documents.source import Source

PROVENANCE = "provenance.json"


class OutOfMemory(TypedDict):
    """A batch that did not fit; the training went on with recomputing, or with smaller ones."""

    step: int  # optimizer step that was being computed
    per_device_train_batch_size: int  # what was tried
    gradient_accumulation_steps: int
    gradient_checkpointing: NotRequired[bool]  # older versions did not tell it
    message: str  # of torch


class Facts(TypedDict):
    """What is known of a training when it has ended."""

    base: Source  # the student
    identity: str  # hash of recipe, data, student and dropped rows: equal, the same training
    code: NotRequired[str]  # version of the code that trained; older versions did not tell it
    base_sha256: str  # of the student's content
    data_sha256: str  # of the file of rows
    rows: int  # trained on
    steps: int  # of the optimizer
    tokens: int  # of all epochs
    parameters: int
    trainable_parameters: int  # fewer with LoRA
    train_flops: float  # computed from parameters and tokens
    batches: str  # how they were laid out: prefix sharing, or padded and why
    per_device_train_batch_size: int  # after memory that ran out: smaller than the recipe's
    gradient_accumulation_steps: int
    gradient_checkpointing: NotRequired[bool]  # whether activations were computed twice
    out_of_memory: list[OutOfMemory]
    processes: int
    device: str
    train_seconds: float
    gpu_seconds: float  # of all processes together
    log_history: list[dict[str, float | None]]  # loss, learning rate and the like, by step


class Weights(TypedDict):
    """What records need of the file."""

    weights_sha256: dict[str, str]  # by file in the checkpoint


class Provenance(Facts, Weights):
    """The file."""

    recipe: Recipe
    packages: dict[str, str]  # versions


def read_weights(path: Path) -> dict[str, str]:
    """Return the hashes of a checkpoint's weights, without making its provenance an input."""
    return read(path, Weights, enter=False)["weights_sha256"]


def read_provenance(path: Path, enter: bool = True) -> Provenance:
    """Return the provenance of a trained checkpoint."""
    document = read(path, Provenance, enter)
    require_numbers(document["recipe"]["training"], f"{path}: recipe: training")
    return document
