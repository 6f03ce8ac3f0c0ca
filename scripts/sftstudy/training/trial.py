"""Training one trial with TRL's SFTTrainer."""

import gc
import math
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftstudy.documents.provenance import Facts, Origin
from sftstudy.documents.recipe import Recipe, read_recipe
from sftstudy.documents.removed import removed_weights
from sftstudy.documents.rows import Row
from sftstudy.documents.source import SOURCE, read_source
from sftstudy.files.hashing import sha256_json
from sftstudy.files.ledger import LEDGER
from sftstudy.files.reading import read_json
from sftstudy.files.writing import atomic_path
from sftstudy.prefix_sharing.batching import document_order
from sftstudy.run import finished
from sftstudy.run.code import code_version
from sftstudy.run.owner import Owner, owned_by_leader
from sftstudy.students.chat import load_tokenizer
from sftstudy.students.checkpoints import Watched, load_model, pick_device, require_embedded
from sftstudy.training import out_of_memory
from sftstudy.training.arguments import sft_arguments
from sftstudy.training.checkpoint import cast_weights, copy_companions, finish
from sftstudy.training.flops import count_parameters, training_flops
from sftstudy.training.packages import package_versions
from sftstudy.training.rows import samples, training_data
from sftstudy.training.tracking import attach
from sftstudy.training.trainable import (
    ADAPTER,
    add_adapter,
    freeze_unreached,
    gathered,
    is_lora,
    merged,
    name_layers_that_exist,
    save_adapter,
    weights_dtype,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from sftstudy.prefix_sharing.collator import PrefixSharingCollator
    from sftstudy.training.divergence import WatchedTrainer

OUT_OF_MEMORY = 75  # EX_TEMPFAIL: one of several processes; the next attempt has smaller batches
INTERRUPTED = 143  # 128 + SIGTERM, the exit status of a training that saved its state and stopped


def train(
    recipe_file: Path,
    train_file: Path,
    lengths_file: Path,
    base: Path,
    scratch_root: Path,
    output: Path,
    tracking: str = "none",
) -> int:
    """Train one trial; return 0 when the checkpoint is complete, else why not, as exit status.

    A training that was killed goes on from its newest saved state when it is started again with
    the same recipe, data and base; its result is the one that it would have had. If the same
    training runs already, by another job, its end is waited for and its result taken; if it has
    come to its end before, and only Snakemake does not know, its checkpoint is published again.
    """
    code = code_version("scripts/train.py")
    recipe = read_recipe(recipe_file)
    data, student = training_data(train_file, lengths_file), Watched(base)
    identity = sha256_json([recipe, data.sha256, student.sha256, data.dropped])
    scratch = finished.scratch_folder(scratch_root, identity)
    sources: Origin = {
        "identity": identity,
        "base_sha256": student.sha256,
        "data_sha256": data.sha256,
    }

    def complete() -> bool:
        file = output / "provenance.json"
        known = file.is_file() and read_json(file).get("identity") == identity
        return known and not removed_weights(output)

    with owned_by_leader(scratch.with_suffix(".owner"), complete) as owner:
        if complete():
            print(f"{output} is complete already", flush=True)
            return 0
        if provenance := finished.kept(scratch, code, package_versions()):
            if _is_leader():
                finished.publish(scratch, output, provenance)
                LEDGER.used(base, student.sha256)
                _note(provenance["recipe"], provenance)
                print(f"{output}: finished by an earlier attempt, published again", flush=True)
            return 0
        status = None
        while status is None:
            gc.collect()  # the trainer that ran out of memory holds itself
            status = _train(
                recipe, data.rows, train_file, student, scratch, output, sources, owner, tracking
            )
        if status == 0 and _is_leader():
            finished.keep(output, scratch, code)
            _remove_states(scratch)
        return status


def _train(
    recipe: Recipe,
    rows: list[Row],
    train_file: Path,
    student: Watched,
    scratch: Path,
    output: Path,
    sources: Origin,
    owner: Owner,
    tracking: str,
) -> int | None:
    """Return the exit status, or None to be called again with smaller batches."""
    import torch

    from sftstudy.training.divergence import loss_curve
    from sftstudy.training.resume import Resumable, newest_complete, remove_other_states

    base = student.folder
    too_large = out_of_memory.events(scratch)
    trainer, tokens_per_epoch, layout = _build_trainer(
        recipe, rows, train_file, base, scratch, halvings=len(too_large)
    )
    batch = trainer.args.per_device_train_batch_size, trainer.args.gradient_accumulation_steps
    size = count_parameters(trainer.model)  # before several processes split it
    student.require_same()

    def check() -> None:
        owner.check()
        trainer.require_finite_weights()

    state, spent = newest_complete(scratch)
    resumable = Resumable(spent, check)
    trainer.add_callback(resumable)
    attach(trainer, tracking, trainer.trial)
    if trainer.is_world_process_zero():
        remove_other_states(scratch, kept=state)
    if state:
        print(f"resuming from {state.name} after {spent:.0f} s of training", flush=True)
    try:
        trainer.train(resume_from_checkpoint=str(state) if state else None)
    except torch.OutOfMemoryError as error:
        step = trainer.state.global_step + 1
        out_of_memory.record(scratch, trainer.trial, step, batch, error)
        return None if trainer.args.world_size == 1 else OUT_OF_MEMORY
    if resumable.terminated and trainer.state.global_step < trainer.state.max_steps:
        print("stopped by SIGTERM; the state is saved, the same command goes on", flush=True)
        return INTERRUPTED
    world = trainer.args.world_size
    tokens = math.ceil(tokens_per_epoch * recipe["training"]["num_train_epochs"])
    facts: Facts = {
        "base": read_source(base / SOURCE),
        **sources,
        "rows": len(rows),
        "steps": trainer.state.global_step,
        "tokens": tokens,
        "parameters": size.total,
        "trainable_parameters": size.trainable,
        "train_flops": training_flops(size, tokens),
        "batches": layout,
        "per_device_train_batch_size": batch[0],
        "gradient_accumulation_steps": batch[1],
        "out_of_memory": too_large,
        "processes": world,
        "device": _device_name(trainer),
        "train_seconds": round(resumable.train_seconds, 3),
        "gpu_seconds": round(resumable.train_seconds * world, 3),
        "log_history": loss_curve(trainer.state.log_history),
    }
    _note(recipe, facts)
    check()
    _save(trainer, recipe, student, output, facts)
    return 0


def _is_leader() -> bool:
    return int(os.environ.get("RANK", "0")) == 0  # set by accelerate and torchrun


def _note(recipe: Recipe, facts: Facts) -> None:
    """Enter what a training has cost into the record of this job."""
    LEDGER.note(
        dtype=recipe["model"]["dtype"],
        flops=facts["train_flops"],
        rows=facts["rows"],
        steps=facts["steps"],
        tokens=facts["tokens"],
        gpu_seconds=facts["gpu_seconds"],
        device=facts["device"],
    )


def _remove_states(scratch: Path) -> None:
    """Remove what a finished training has no use for any more: all but the finished copy."""
    for path in scratch.glob("[!.]*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def _build_trainer(
    recipe: Recipe,
    rows: list[Row],
    file: Path,
    base: Path,
    scratch: Path,
    halvings: int,
) -> tuple["WatchedTrainer", int, str]:
    """Return TRL's trainer, the tokens of one epoch, and how batches are laid out."""
    from datasets import Dataset
    from transformers import PrinterCallback, set_seed

    from sftstudy.training.divergence import WatchedTrainer
    from sftstudy.training.resume import Progress

    facts, training = recipe["model"], recipe["training"]
    set_seed(training["seed"])
    tokenizer = load_tokenizer(base, facts["chat_template_kwargs"])
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    if training["group_batches"] == "document":
        batch = training["per_device_train_batch_size"] * training["gradient_accumulation_steps"]
        order = document_order([row["group"] for row in rows], batch, training["seed"])
        rows = [rows[i] for i in order]
    examples = samples(rows, tokenizer, facts["chat_template_kwargs"], facts["max_length"], file)
    model = load_model(base, dtype=weights_dtype(recipe), attention=facts["attention"])
    require_embedded(model, [example["input_ids"] for example in examples])
    freeze_unreached(model)
    name_layers_that_exist(model)
    collator, layout = _share_prefixes(model, tokenizer.pad_token_id, training)
    if is_lora(recipe):
        model = add_adapter(model, training)
    trainer = WatchedTrainer(
        model=model,
        args=sft_arguments(recipe, scratch, collator, examples, halvings),
        train_dataset=Dataset.from_list(examples),
        data_collator=collator,
        processing_class=tokenizer,
    )
    trainer.trial = f"{recipe['student']}/{recipe['task']}/{recipe['trial']}"
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Progress())
    return trainer, sum(len(example["input_ids"]) for example in examples), layout


def _share_prefixes(
    model: "PreTrainedModel", pad_token_id: int, training: dict[str, Any]
) -> tuple["PrefixSharingCollator | None", str]:
    from sftstudy.prefix_sharing.collator import enable

    if training["prefix_sharing"] == "off":
        return None, "padded"
    if training.get("lora_dropout"):
        collator, reason = None, "lora_dropout draws its noise for every sample anew"
    else:
        collator, reason = enable(model, pad_token_id, pick_device())
    if collator is None:
        print(f"prefix sharing is off: {reason}", flush=True)
        return None, f"padded: {reason}"
    return collator, "prefix sharing"


def _device_name(trainer: "WatchedTrainer") -> str:
    import torch

    device = trainer.args.device
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _save(
    trainer: "WatchedTrainer",
    recipe: Recipe,
    student: Watched,
    output: Path,
    facts: Facts,
) -> None:
    """Write the checkpoint beside its place and rename it there; all processes take part."""
    base, lora, dtype = student.folder, is_lora(recipe), recipe["model"]["dtype"]
    weights = gathered(trainer, adapter_only=lora)
    if not trainer.is_world_process_zero():
        return
    with atomic_path(output) as folder:
        if lora:
            save_adapter(trainer.model, folder / ADAPTER, facts["base"], weights)
            merged(base, folder / ADAPTER, recipe["model"]["attention"]).save_pretrained(folder)
        else:
            trainer.model.save_pretrained(folder, state_dict=weights)
        copy_companions(base, folder)
        if dtype != "float32":
            cast_weights(folder, dtype)
        student.require_same()  # its tokenizer, and with LoRA its weights, were read just now
        finish(folder, recipe, facts)
