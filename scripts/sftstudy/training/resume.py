"""Training that survives being killed: saved states in a scratch folder, each complete or ignored.

The folder is named by recipe, data and base; by which code and with which packages a state was
saved, it tells itself. It lies outside the declared outputs (Snakemake deletes those of a failed
job) and is removed when the checkpoint is in its place.
"""

import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from sftstudy.files.reading import read_json
from sftstudy.files.writing import sync, write_json
from sftstudy.training.job import TrainingJob
from sftstudy.training.processes import agreed

MARKER = "complete.json"  # written last: a saved state without it was cut short
SAVE_SECONDS = 600.0


def newest_complete(job: TrainingJob) -> tuple[Path | None, float]:
    """Return the newest complete saved state and the training seconds behind it.

    None if there is none, or if the newest was saved by other code or with other packages: the
    steps that are left would be those of another training.
    """
    states = sorted(
        (folder for folder in job.scratch.glob("checkpoint-*") if (folder / MARKER).is_file()),
        key=lambda folder: int(folder.name.rpartition("-")[2]),
    )
    if not states:
        return None, 0.0
    saved = read_json(states[-1] / MARKER)
    if not job.is_of_this_version(saved):
        print(
            f"{states[-1].name} was saved by other code or with other packages: the training "
            "begins again",
            flush=True,
        )
        return None, 0.0
    return states[-1], float(saved["train_seconds"])


def remove_other_states(scratch: Path, kept: Path | None) -> None:
    """Remove the saved states of a folder but one: those it replaces, and those cut short."""
    for folder in scratch.glob("checkpoint-*"):
        if folder != kept:
            shutil.rmtree(folder)


class Resumable(TrainerCallback):
    """Saves every `SAVE_SECONDS` and when asked to stop by SIGTERM, and keeps the time spent.

    The trainer writes into the scratch folder of `job`; `spent` are the seconds before its saved
    state. `check` is called before anything is written; it raises if this process may not write any
    more, or if what it would write is not worth it.
    """

    def __init__(self, job: TrainingJob, spent: float, check: Callable[[], None]) -> None:
        self.job = job
        self.spent = spent
        self._check = check
        self.terminated = False
        self._started = self._saved = time.monotonic()
        signal.signal(signal.SIGTERM, self._on_sigterm)

    @property
    def train_seconds(self) -> float:
        """Seconds of training so far, those before an interruption included."""
        return self.spent + time.monotonic() - self._started

    def _on_sigterm(self, *_: Any) -> None:
        self.terminated = True

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self._started = self._saved = time.monotonic()

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **_: Any,
    ) -> TrainerControl:
        due = time.monotonic() - self._saved >= SAVE_SECONDS
        # All save and stop in one step; their clocks differ, SIGTERM reaches one after the other.
        due, self.terminated = agreed(due, self.terminated, device=args.device)
        if self.terminated or due:
            self._check()
            control.should_save = True
            self._saved = time.monotonic()
        if self.terminated:
            control.should_training_stop = True
        return control

    def on_save(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **_: Any,
    ) -> None:
        # transformers would remove older states itself, but before this one is marked complete,
        # and it goes by the clock of the machine, which may have jumped.
        if torch.distributed.is_initialized():
            torch.distributed.barrier()  # each process has written its part
        if state.is_world_process_zero:
            folder = self.job.scratch / f"checkpoint-{state.global_step}"
            sync(folder)
            saved = {"train_seconds": self.train_seconds, **self.job.version}
            write_json(folder / MARKER, saved)
            remove_other_states(self.job.scratch, kept=folder)


class Progress(TrainerCallback):
    """Prints one line per logged step: step, share of the whole, loss, learning rate."""

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        if state.is_world_process_zero and logs and "loss" in logs:
            share = state.global_step / max(1, state.max_steps)
            print(
                f"step {state.global_step}/{state.max_steps} ({share:.0%})  "
                f"loss {logs['loss']:.4f}  learning rate {logs['learning_rate']:.2e}",
                flush=True,
            )
