"""One training job: its files, the command that runs it, and how it is interrupted."""

import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from made_documents import lengths
from programs import start
from repository import ROOT
from sftstudy.files.hashing import sha256_file
from sftstudy.files.writing import write_json, write_jsonl
from sftstudy.study import jobs
from sftstudy.study.grid import Study
from tiny_student import save_student

ROWS = [
    {
        "id": f"r{n}",
        "group": f"g{n // 3}",
        "prompt": [{"role": "user", "content": f"Add one to a number.\nDocument {n // 3}\n{n}"}],
        "completion": [{"role": "assistant", "content": str(n + 1)}],
        "reference": {},
    }
    for n in range(60)
]


def recipe(**training: Any) -> dict[str, Any]:
    """Return the recipe that the smoke study gives, with some values replaced."""
    config = yaml.safe_load((ROOT / "config" / "smoke.yaml").read_text(encoding="utf-8"))
    study = Study(config, "smoke.yaml")
    found = jobs.recipe(study, "smoke", "tatqa", next(iter(study.trials("smoke", "tatqa"))))
    found["training"] |= {"per_device_train_batch_size": 4, "num_train_epochs": 2} | training
    return found


class Job:
    """The files of one training job, and the command that runs it."""

    def __init__(
        self,
        folder: Path,
        model: Any = None,
        base: Path | None = None,
        rows: Sequence[Mapping[str, Any]] = ROWS,
        **training: Any,
    ) -> None:
        """Write the files; `model` is the student (default: that of `tiny_student`), or `base` is
        the folder of one that is there."""
        self.output, self.scratch = folder / "out" / "trial", folder / "scratch"
        self.base = base = base or save_student(folder / "base", model=model)
        write_jsonl(folder / "train.jsonl", rows)
        write_json(folder / "lengths.json", lengths())
        (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe(**training)))
        self.arguments = ["--recipe", folder / "recipe.yaml", "--train", folder / "train.jsonl"]
        self.arguments += ["--lengths", folder / "lengths.json", "--base", base]
        self.arguments += ["--scratch", self.scratch, "--output", self.output]

    def weights(self) -> str:
        return sha256_file(self.output / "model.safetensors")


def train_here(job: Job, memory: int | None = None) -> Job:
    """Run a training in this process, where imports are paid once; return it.

    `memory`: MiB that it may take.
    """
    import torch

    from sftstudy.training import trial

    torch.set_num_threads(1)  # for tiny models two are slower
    values = dict(zip(job.arguments[::2], job.arguments[1::2], strict=True))
    names = ("--recipe", "--train", "--lengths", "--base", "--scratch", "--output")
    before = signal.getsignal(signal.SIGTERM)
    try:
        outcome = trial.train(*(values[name] for name in names), memory=memory)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert outcome is trial.Outcome.FINISHED
    return job


def interrupt(job: Job, sent: signal.Signals) -> int:
    """Start the job, send a signal after its first logged step, and return its exit status."""
    process = start("train.py", *job.arguments, PYTHONUNBUFFERED="1")
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        line = process.stdout.readline()
        if line.startswith(("step ", "resuming")):
            process.send_signal(sent)
            break
    process.stdout.read()
    return process.wait(timeout=300)


def steps_saved(job: Job) -> list[int]:
    """Return the steps after which the saved states that are there were saved."""
    return [int(folder.name.rpartition("-")[2]) for folder in job.scratch.glob("*/checkpoint-*")]
