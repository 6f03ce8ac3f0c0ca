"""Training on two processes: the weights of one, and one of them told to stop."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from programs import SCRIPTS
from repository import ROOT
from sftstudy.files.reading import read_json
from training_job import Job


def launch(job: Job, processes: int) -> subprocess.Popen[str]:
    """Start a training with `accelerate launch` on CPU processes (gloo)."""
    launcher = ["-m", "accelerate.commands.launch", "--num_processes", str(processes)]
    launcher += ["--config_file", str(ROOT / "config" / "accelerate" / "ddp.yaml")]
    return subprocess.Popen(
        [sys.executable, *launcher, str(SCRIPTS / "train.py"), *map(str, job.arguments)],
        env=os.environ | {"ACCELERATE_USE_CPU": "true", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Job]:
    """The same training, by one process and by two."""
    jobs = {}
    for processes in (1, 2):
        job = Job(tmp_path_factory.mktemp("launched"), optim="sgd", max_grad_norm=0.0)
        process = launch(job, processes)
        output = process.communicate(timeout=300)[0]
        assert process.returncode == 0, output
        jobs[processes] = job
    return jobs


@pytest.mark.slow
def test_two_processes_give_the_weights_of_one(launched: dict[int, Job]) -> None:
    """The same effective batch and loss."""
    import torch
    from safetensors.torch import load_file

    for processes, job in launched.items():
        provenance = read_json(job.output / "provenance.json")
        assert (provenance["processes"], provenance["steps"]) == (processes, 30)
        assert list(job.output.parent.iterdir()) == [job.output]
    base, one, two = (
        load_file(folder / "model.safetensors")
        for folder in (
            launched[1].output.parents[1] / "base",
            launched[1].output,
            launched[2].output,
        )
    )
    moved = torch.sqrt(sum(((one[k] - base[k]) ** 2).sum() for k in base))
    apart = torch.sqrt(sum(((one[k] - two[k]) ** 2).sum() for k in base))
    assert apart < 1e-4 * moved


@pytest.mark.slow
def test_sigterm_to_one_of_two_processes_stops_both_in_one_step(
    launched: dict[int, Job], tmp_path: Path
) -> None:
    job = Job(tmp_path, optim="sgd", max_grad_norm=0.0)
    process = launch(job, 2)
    while not process.stdout.readline().startswith("step "):
        assert process.poll() is None
    workers = [w for w in psutil.Process(process.pid).children() if "train.py" in str(w.cmdline())]
    assert len(workers) == 2
    workers[1].terminate()
    output = process.communicate(timeout=300)[0]
    assert process.returncode != 0 and output.count("stopped by SIGTERM; the state is saved") == 2
    (state,) = job.scratch.glob("*/checkpoint-*")
    files = {file.name for file in state.iterdir()}
    assert {"complete.json", "rng_state_0.pth", "rng_state_1.pth"} <= files
    process = launch(job, 2)
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0 and f"resuming from {state.name}" in output, output
    assert job.weights() == launched[2].weights()
