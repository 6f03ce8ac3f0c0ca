"""A recipe as TRL's arguments: every value that matters set, no default of a library left."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftstudy.documents.recipe import Recipe
from sftstudy.errors import StudyError
from sftstudy.prefix_sharing.batching import largest_batch, step_batches
from sftstudy.students.models import pick_device
from sftstudy.training.out_of_memory import smaller
from sftstudy.training.processes import number_of_processes

if TYPE_CHECKING:
    from trl import SFTConfig

    from sftstudy.prefix_sharing.collator import PrefixSharingCollator

# Hyperparameters that make the model, lay batches out, or may be left to us: TRL's arguments do not
# take them.
_NOT_TRL = (
    "method",
    "lora_r",
    "lora_alpha",
    "lora_dropout",
    "prefix_sharing",
    "group_batches",
    "gradient_checkpointing",
)


def sft_arguments(
    recipe: Recipe, scratch: Path, batch: tuple[int, int], recompute: bool
) -> "SFTConfig":
    """Return the arguments of this process: of its `pass_batch`, and of how it saves memory."""
    from trl import SFTConfig

    training, dtype = recipe["training"], recipe["model"]["dtype"]
    values = {name: value for name, value in training.items() if name not in _NOT_TRL}
    values["warmup_steps"] = values.pop("warmup_ratio")  # below 1 transformers reads a share
    values["per_device_train_batch_size"], values["gradient_accumulation_steps"] = batch
    return SFTConfig(
        output_dir=str(scratch),
        **values,
        activation_checkpointing=recompute,
        data_seed=values["seed"],
        train_sampling_strategy="sequential" if by_document(training) else "random",
        dataset_kwargs={"skip_prepare_dataset": True},
        bf16=dtype == "bfloat16",
        fp16=dtype == "float16",
        use_cpu=pick_device().type == "cpu",
        max_length=None,  # nothing is cut: rows that are too long were an error before this
        packing=False,
        save_strategy="no",  # saving is by time and on SIGTERM, see resume.Resumable
        logging_nan_inf_filter=False,  # see divergence.WatchedTrainer
        logging_steps=10,
        logging_first_step=True,
        report_to="none",
        disable_tqdm=True,
        # The few milliseconds of a batch pass while a GPU computes the step before.
        dataloader_num_workers=0,
    )


def pass_batch(
    training: dict[str, Any],
    collator: "PrefixSharingCollator | None",
    examples: list[dict[str, list[int]]],
    halvings: int = 0,
) -> tuple[int, int]:
    """Return (samples per forward pass, forward passes of a step) of this process.

    The effective batch is the recipe's, whatever the number of processes. With a `collator`, as
    much of an optimizer step is one batch as the recipe's padded batches had room for; `examples`
    (``input_ids``, ``labels``) tell how much that is. `halvings` says how often the memory did not
    suffice for that.
    """
    return smaller(*_batch(training, collator, examples), halvings)


def pass_tokens(
    training: dict[str, Any],
    collator: "PrefixSharingCollator | None",
    examples: list[dict[str, list[int]]],
    per_device: int,
) -> int:
    """Return how many token positions a forward pass takes, padding included.

    With padding the most that there are; with a `collator` the most of some that are drawn.
    """
    if collator is None:
        return per_device * max(len(example["input_ids"]) for example in examples)
    return largest_batch(
        collator, examples, per_device, sequential=by_document(training), seed=training["seed"]
    )


def _batch(
    training: dict[str, Any],
    collator: "PrefixSharingCollator | None",
    examples: list[dict[str, list[int]]],
) -> tuple[int, int]:
    per_device, accumulation = share_of_step(
        training["per_device_train_batch_size"],
        training["gradient_accumulation_steps"],
        number_of_processes(),
    )
    if collator is None:
        return per_device, accumulation
    return step_batches(
        collator,
        examples,
        per_device,
        accumulation,
        sequential=by_document(training),
        seed=training["seed"],
    )


def by_document(training: dict[str, Any]) -> bool:
    """Say whether rows of one document are kept together in batches."""
    return bool(training["group_batches"] == "document")


def share_of_step(per_device: int, accumulation: int, processes: int) -> tuple[int, int]:
    """Return (samples per forward pass, forward passes) of one of several processes.

    Accumulation is shared first, which keeps the memory that a forward pass needs; then samples.
    """
    if accumulation % processes == 0:
        return per_device, accumulation // processes
    if per_device % processes == 0:
        return per_device // processes, accumulation
    raise StudyError(
        f"{processes} processes cannot share an optimizer step of {accumulation} forward passes "
        f"of {per_device} samples evenly; change the student's gpus, or its "
        "gradient_accumulation_steps or per_device_train_batch_size"
    )
