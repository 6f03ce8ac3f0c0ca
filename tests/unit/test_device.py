"""Programs that compute with torch use as many threads as they are told, and no others."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from programs import SCRIPTS
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
