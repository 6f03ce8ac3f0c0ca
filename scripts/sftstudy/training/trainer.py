"""TRL's trainer for one training: its tokens, its model, how its batches are laid out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sftstudy.cautions import teaches
from sftstudy.documents.provenance import OutOfMemory
from sftstudy.prefix_sharing.batching import document_order
from sftstudy.students.chat import before_reply, load_tokenizer
from sftstudy.students.models import free_memory, load_model, pick_device, require_embedded
from sftstudy.training.arguments import by_document, pass_batch, pass_tokens, sft_arguments
from sftstudy.training.flops import Size, count_parameters
from sftstudy.training.job import TrainingJob
from sftstudy.training.out_of_memory import halvings
from sftstudy.training.processes import agreed, is_leader, local_processes, own_device
from sftstudy.training.recomputing import is_left_to_us, must_recompute
from sftstudy.training.rows import samples
from sftstudy.training.trainable import (
    add_adapter,
    freeze_unreached,
    is_lora,
    name_layers_that_exist,
    weights_dtype,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from trl import SFTConfig

    from sftstudy.prefix_sharing.collator import PrefixSharingCollator
    from sftstudy.training.divergence import WatchedTrainer


@dataclass(frozen=True)
class Built:
    """A trainer that is ready to train, and what is known of its work.

    layout: how batches are laid out, as provenance says it; size: of the model, before several
    processes split it.
    """

    trainer: "WatchedTrainer"
    layout: str
    size: Size
    tokens_per_epoch: int

    @property
    def batch(self) -> tuple[int, int]:
        """(Samples per forward pass, forward passes) of a process in an optimizer step."""
        values = self.trainer.args
        return values.per_device_train_batch_size, values.gradient_accumulation_steps

    @property
    def recomputes(self) -> bool:
        """Whether activations are computed a second time instead of being kept."""
        return bool(self.trainer.args.gradient_checkpointing)

    def tried(self, error: Exception) -> OutOfMemory:
        """Return what the present step has tried when memory ran out."""
        per_device, accumulation = self.batch
        return {
            "step": self.trainer.state.global_step + 1,
            "per_device_train_batch_size": per_device,
            "gradient_accumulation_steps": accumulation,
            "gradient_checkpointing": self.recomputes,
            "message": str(error).splitlines()[0],
        }


def build_trainer(job: TrainingJob, too_large: Sequence[OutOfMemory] = ()) -> Built:
    """Return the trainer of a job; `too_large` is what it has tried that did not fit."""
    from datasets import Dataset
    from transformers import PrinterCallback, set_seed

    from sftstudy.training.divergence import WatchedTrainer
    from sftstudy.training.resume import Progress
    from sftstudy.training.sparing import spare

    settings, training = job.recipe["model"], job.recipe["training"]
    set_seed(training["seed"])
    # before anything of this training is there
    free = free_memory(own_device(pick_device()), job.memory, local_processes())
    tokenizer = load_tokenizer(job.base.folder, settings["chat_template_kwargs"])
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    examples = _examples(job, tokenizer)
    model = load_model(
        job.base.folder, dtype=weights_dtype(job.recipe), attention=settings["attention"]
    )
    require_embedded(model, [example["input_ids"] for example in examples])
    freeze_unreached(model)
    name_layers_that_exist(model)
    collator, layout = _share_prefixes(model, tokenizer.pad_token_id, training)
    if pick_device().type == "cpu":
        spare(model)
    batch = pass_batch(training, collator, examples, halvings(too_large, job.recipe))
    recompute, why = training["gradient_checkpointing"] is not False, ""
    if is_left_to_us(job.recipe) and not too_large:  # after that there is nothing to estimate
        positions = pass_tokens(training, collator, examples, batch[0])
        recompute, why = must_recompute(job, positions, free)
    trainer = WatchedTrainer(
        model=add_adapter(model, training) if is_lora(job.recipe) else model,
        args=_arguments(job, batch, recompute, why),
        train_dataset=Dataset.from_list(examples),
        data_collator=collator,
        processing_class=tokenizer,
    )
    trainer.training_name = job.name
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Progress())
    tokens = sum(len(example["input_ids"]) for example in examples)
    return Built(trainer, layout, count_parameters(model), tokens)


def _arguments(job: TrainingJob, batch: tuple[int, int], recompute: bool, why: str) -> "SFTConfig":
    """Return TRL's arguments, with the same answer to recomputing in all processes, and say it.

    Under FSDP a layer that is computed again is gathered again, in which all take part.
    """
    arguments = sft_arguments(job.recipe, job.scratch, batch, recompute)
    (anywhere,) = agreed(recompute, device=arguments.device)
    if anywhere != recompute:
        arguments.activation_checkpointing = arguments.gradient_checkpointing = anywhere
    if why and is_leader():
        print(f"activations are {'recomputed' if anywhere else 'kept'}: {why}", flush=True)
    return arguments


def _examples(job: TrainingJob, tokenizer: "PreTrainedTokenizerBase") -> list[dict[str, list[int]]]:
    """Return the tokens of the rows, in the order in which documents stay together if wanted."""
    settings, training, rows = job.recipe["model"], job.recipe["training"], job.data.rows
    if by_document(training):
        batch = training["per_device_train_batch_size"] * training["gradient_accumulation_steps"]
        order = document_order([row["group"] for row in rows], batch, training["seed"])
        rows = [rows[i] for i in order]
    template, file = settings["chat_template_kwargs"], job.data.file
    written = before_reply(tokenizer, rows[0]["prompt"], template, str(file))
    if written and is_leader():
        print(f"warning: {job.name}: {teaches(written)}", flush=True)
    return samples(rows, tokenizer, template, settings["max_length"], file)


def _share_prefixes(
    model: "PreTrainedModel", pad_token_id: int, training: dict[str, Any]
) -> tuple["PrefixSharingCollator | None", str]:
    """Return the collator (None: TRL's padded batches), and the layout in words."""
    from sftstudy.prefix_sharing.collator import enable

    if training["prefix_sharing"] == "off":
        return None, "padded"
    collator: PrefixSharingCollator | None = None
    reason: str | None = "lora_dropout draws its noise for every sample anew"
    if not training.get("lora_dropout"):
        collator, reason = enable(model, pad_token_id, pick_device())
    if collator is None:
        print(f"prefix sharing is off: {reason}", flush=True)
        return None, f"padded: {reason}"
    return collator, "prefix sharing"
