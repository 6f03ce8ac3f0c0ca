"""The benchmark for GPUs works on a CPU: time on a GPU is not to be spent on finding its faults."""

import subprocess
import sys
from pathlib import Path

import pytest

from repository import ROOT


@pytest.mark.slow
def test_the_benchmark_for_gpus_prints_its_rows(shared_data: Path) -> None:
    command = ["benchmarks/bench_gpu.py", "--tiny", "--stages", "prediction,memory"]
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=600
    )

    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    ways = {tuple(cells[0:3]): cells[5] for cells in rows if len(cells) == 7}
    assert ways[("| banking77", "float32", "generate")] == "8 of 8"
    assert ways[("| banking77", "float32", "ours")] == "8 of 8"  # replies equal to generate's
    assert ways[("| ifeval", "float32", "ours")] == "2 of 2"
    methods = [cells[1] for cells in rows if cells[0] == "| tiny"]
    assert methods == ["lora", "full"]
    assert "cut off" not in done.stdout


def test_a_stage_that_is_none_is_named() -> None:
    done = subprocess.run(
        [sys.executable, "benchmarks/bench_gpu.py", "--stages", "training,speed"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 2
    assert "no such stage: speed; there are exactness, training" in done.stderr
