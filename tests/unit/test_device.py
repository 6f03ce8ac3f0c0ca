"""What a program computes with: threads as many as it was told, and the memory that is free."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from programs import SCRIPTS
from sftstudy.device import MIB, free_memory
from sftstudy.files.writing import write_jsonl
from training_job import ROWS, Job

TELL_THREADS = """
import atexit, runpy, sys
atexit.register(lambda: print("threads:", sys.modules["torch"].get_num_threads()))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def threads_of(program: str, *arguments: object) -> int:
    done = subprocess.run(
        [sys.executable, "-c", TELL_THREADS, str(SCRIPTS / program), *map(str, arguments)],
        env=os.environ
        | {"OMP_NUM_THREADS": "3", "MKL_NUM_THREADS": "3", "PYTHONPATH": str(SCRIPTS)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.rpartition("threads: ")[2])


@pytest.mark.slow
def test_training_and_prediction(tmp_path: Path) -> None:
    """The judge is asked by the same program as the students."""
    job = Job(tmp_path, num_train_epochs=0.1)
    assert threads_of("train.py", *job.arguments, "--threads", 2) == 2
    write_jsonl(tmp_path / "data.jsonl", ROWS[:1])
    generation = {"attention": "sdpa", "chat_template_kwargs": {}, "dtype": "float32"}
    arguments = ["--checkpoint", job.output, "--data", tmp_path / "data.jsonl"]
    arguments += ["--max-new-tokens", 1, "--output", tmp_path / "replies.jsonl"]
    arguments += ["--generation", json.dumps(generation | {"max_length": 400})]
    assert threads_of("predict.py", *arguments, "--threads", 2) == 2
    assert threads_of("predict.py", *arguments, "--threads", 1) == 1


@pytest.mark.slow
def test_building_the_smoke_student(tmp_path: Path) -> None:
    arguments = ["--seed", 1, "--steps", 1, "--output", tmp_path / "student"]
    assert threads_of("build_smoke_student.py", *arguments) == 1


CPU = torch.device("cpu")


@pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc, which is Linux")
def test_free_memory_of_a_cpu_is_what_is_available_within_the_job() -> None:
    available = re.search(r"MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text())
    assert free_memory(CPU, None) == pytest.approx(1024 * int(available[1]), rel=0.2)
    assert free_memory(CPU, 10**9) == pytest.approx(free_memory(CPU, None), rel=0.2)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    held = pages * os.sysconf("SC_PAGE_SIZE") / MIB
    assert free_memory(CPU, int(held) + 100) == pytest.approx(100 * MIB, rel=0.2)
    assert free_memory(CPU, 2 * int(held) + 100, processes=2) == pytest.approx(50 * MIB, rel=0.2)


def test_free_memory_of_other_devices_is_not_known() -> None:
    assert free_memory(torch.device("mps"), 10**6) is None
