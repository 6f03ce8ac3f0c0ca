"""Training one trial with TRL's SFTTrainer, from first to last."""

import gc
import shutil
from enum import Enum, auto
from pathlib import Path

from sftstudy.cautions import too_short
from sftstudy.documents.provenance import Provenance
from sftstudy.documents.recipe_file import read_recipe
from sftstudy.files.ledger import LEDGER
from sftstudy.run import finished
from sftstudy.run.code import code_version
from sftstudy.run.owner import Owner, owned_by_leader
from sftstudy.students.checkpoints import Watched
from sftstudy.training import out_of_memory
from sftstudy.training.checkpoint import save
from sftstudy.training.facts import facts, note
from sftstudy.training.job import TrainingJob
from sftstudy.training.processes import is_leader, number_of_processes
from sftstudy.training.rows import training_data
from sftstudy.training.tracking import attach
from sftstudy.training.trainer import build_trainer


class Outcome(Enum):
    """How a training ended."""

    FINISHED = auto()  # the checkpoint is in its place
    INTERRUPTED = auto()  # by SIGTERM; the state is saved, and the same command goes on from it
    OUT_OF_MEMORY = auto()  # the next attempt takes less


def train(
    recipe_file: Path,
    train_file: Path,
    lengths_file: Path,
    base: Path,
    scratch_root: Path,
    output: Path,
    tracking: str = "none",
    memory: int | None = None,
) -> Outcome:
    """Train one trial.

    A training that was killed goes on from its newest saved state when it is started again with
    the same recipe, data and base, by the same code and with the same packages; its result is the
    one that it would have had. If the same training runs already, by another job, its end is waited
    for and its result taken; if it has come to its end before, and only Snakemake does not know,
    its checkpoint is published again.
    """
    code = code_version("scripts/train.py")
    recipe, data = read_recipe(recipe_file), training_data(train_file, lengths_file)
    job = TrainingJob(recipe, data, Watched(base), code, scratch_root, output, tracking, memory)
    with owned_by_leader(job.scratch.with_suffix(".owner"), job.is_complete) as owner:
        if job.is_complete():
            print(f"{output} is complete already", flush=True)
            return Outcome.FINISHED
        provenance = finished.kept(job.scratch)
        if provenance and job.is_of_this_version(provenance):
            if is_leader():
                _publish_again(job, provenance)
            return Outcome.FINISHED
        outcome = _attempt(job, owner)
        # One process starts again by itself; several are ended by their launcher.
        while outcome is Outcome.OUT_OF_MEMORY and number_of_processes() == 1:
            gc.collect()  # the trainer that ran out of memory holds itself
            outcome = _attempt(job, owner)
        if outcome is Outcome.FINISHED and is_leader():
            finished.keep(output, job.scratch)
            _remove_states(job.scratch)
        return outcome


def _attempt(job: TrainingJob, owner: Owner) -> Outcome:
    """Train from the newest saved state on, and write the checkpoint at the end."""
    import torch

    from sftstudy.training.resume import Resumable, newest_complete, remove_other_states

    too_large = out_of_memory.events(job.scratch)
    built = build_trainer(job, too_large)
    trainer = built.trainer
    job.base.require_same()

    def check() -> None:
        owner.check()
        trainer.require_finite_weights()

    state, spent = newest_complete(job)
    resumable = Resumable(job, spent, check)
    trainer.add_callback(resumable)
    attach(trainer, job.tracking, job.name)
    if trainer.is_world_process_zero():
        remove_other_states(job.scratch, kept=state)
    if state:
        print(f"resuming from {state.name} after {spent:.0f} s of training", flush=True)
    try:
        trainer.train(resume_from_checkpoint=str(state) if state else None)
    except torch.OutOfMemoryError as error:
        out_of_memory.record(job, built.tried(error))
        return Outcome.OUT_OF_MEMORY
    if resumable.terminated and trainer.state.global_step < trainer.state.max_steps:
        print("stopped by SIGTERM; the state is saved, the same command goes on", flush=True)
        return Outcome.INTERRUPTED
    found = facts(job, built, resumable.train_seconds, too_large)
    note(job.recipe, found)
    short = too_short(found["rows"], found["steps"], job.recipe["training"])
    if short and trainer.is_world_process_zero():
        print(f"warning: {job.name}: {short}", flush=True)
    check()
    save(trainer, job, found)
    return Outcome.FINISHED


def _publish_again(job: TrainingJob, provenance: Provenance) -> None:
    """Put the checkpoint that an earlier attempt has finished in its place."""
    finished.publish(job.scratch, job.output, provenance)
    LEDGER.used(job.base.folder, job.base.sha256)
    note(provenance["recipe"], provenance)
    print(f"{job.output}: finished by an earlier attempt, published again", flush=True)


def _remove_states(scratch: Path) -> None:
    """Remove what a finished training has no use for any more: all but the finished copy."""
    for path in scratch.glob("[!.]*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
