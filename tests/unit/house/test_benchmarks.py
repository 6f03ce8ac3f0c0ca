"""Benchmarks work: neither a GPU's time nor hours of a CPU are to be spent on finding their faults.

That for GPUs is run on a CPU, that of long replies on a tiny student.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from repository import ROOT
from sftstudy.files.reading import read_json
from tiny_student import save_student


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=600
    )


@pytest.mark.slow
def test_the_benchmark_for_gpus_prints_its_rows(shared_data: Path) -> None:
    done = run("benchmarks/bench_gpu.py", "--tiny", "--stages", "prediction,memory")

    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    ways = {tuple(cells[0:3]): cells[5] for cells in rows if len(cells) == 7}
    assert ways[("| banking77, 8 x 2", "float32", "generate")] == "8 of 8"
    assert ways[("| banking77, 8 x 2", "float32", "ours")] == "8 of 8"  # equal to generate's
    assert ways[("| ifeval, 2 x 3", "float32", "ours")] == "2 of 2"
    methods = [cells[1] for cells in rows if cells[0] == "| tiny"]
    assert methods == ["lora", "full"]
    assert "cut off" not in done.stdout


def test_a_stage_that_is_none_is_named() -> None:
    done = run("benchmarks/bench_gpu.py", "--stages", "training,speed")

    assert done.returncode == 2
    assert "no such stage: speed; there are exactness, training" in done.stderr


@pytest.mark.slow
def test_the_benchmark_of_long_replies_prints_its_rows(shared_data: Path) -> None:
    done = run("benchmarks/bench_long_replies.py", "--tiny", "--threads", "1")

    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()[4:]]
    ways = {cells[1]: cells[2:] for cells in rows}
    assert {cells[0] for cells in rows} == {"6 x 24"}
    for way in ("transformers generate", "transformers continuous batching", "ours, as engine hf"):
        rate, _, equal, _, _, _, times = ways[way]
        assert float(rate) > 0
        assert (equal, times) == ("6 of 6", "median of 3")
    assert ways["vLLM for CPU, eager mode"][0].startswith("not measured: --vllm")
    [limit] = [cells for name, cells in ways.items() if name.startswith("limit: ")]
    assert float(limit[0]) > float(ways["transformers generate"][0])


@pytest.fixture
def long_replies(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of that benchmark."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import bench_long_replies

    return bench_long_replies


def test_a_way_is_told_by_what_generate_does(long_replies: Any) -> None:
    of_generate = {"replies": [[5, 6, 7], [5, 2]], "cpu_seconds": 0.5}
    ours = {"replies": [[5, 6, 8], [5, 2]], "cpu_seconds": 0.25, "peak_gb": 1.234}
    ours["wall_seconds"] = 0.14
    told = ["20.0", "2.00", "1 of 2", "1.23", "0.1", "89%"]
    work = {"threads": 2, "repeats": 3}
    assert long_replies.way_cells(ours, of_generate, work) == [*told, "median of 3"]
    assert long_replies.way_cells(ours, of_generate, work | {"repeats": 1}) == [*told, "once"]


def test_figures_of_threads_that_waited_for_each_other_are_noted(long_replies: Any) -> None:
    result = {"replies": [[2]], "cpu_seconds": 1.2, "peak_gb": 1.0}
    for wall_seconds, busy in ((0.61, False), (1.2, True)):
        told = result | {"wall_seconds": wall_seconds}
        cells = long_replies.way_cells(told, told, {"threads": 2, "repeats": 3})
        assert long_replies.is_busy(["1 x 1", "generate", *cells]) == busy
    assert not long_replies.is_busy(["1 x 1", "vllm", "not measured", *[""] * 6])


def test_the_limit_counts_products_and_the_attention_to_tokens_before(long_replies: Any) -> None:
    prompts, replies = [[1] * 10, [1] * 20], [[5, 6, 7], [2]]
    # The last token of a prompt gives the first new one: 10, 11, 12 keys, and 20.
    assert long_replies.mean_keys(prompts, replies) == (10 + 11 + 12 + 20) / 4
    found = {"flops_per_cpu_second": 8e9, "flops_of_products": 1e9, "flops_a_key": 1e9 / 13.25}
    of_generate = {"replies": replies, "cpu_seconds": 2.0}  # 2 tokens per CPU-s
    cells = long_replies.limit_cells(found, {"prompts": prompts}, of_generate)
    assert cells[:3] == ["limit: 2 GFLOP a token, 8 a CPU-s", "4.0", "2.00"]


def test_a_way_that_fails_or_takes_too_long_says_so(long_replies: Any, tmp_path: Path) -> None:
    work = {"student": str(tmp_path), "threads": 1, "prompts": [[1]], "repeats": 1, "limit": 1}
    failed = long_replies.apart("ours", work)
    assert failed["missing"].startswith(f"failed: StudyError: {tmp_path}")
    late = long_replies.apart("ours", work, seconds=0.01)
    assert late == {"missing": "not measured: not done in 0 s"}
    assert long_replies.way_cells(failed, {}, work) == [failed["missing"], *[""] * 6]


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        ([], [(16, 160, 3), (32, 400, 1)]),
        (["--all", "--repeats", "4"], [(16, 160, 4), (32, 400, 4), (541, 1280, 4)]),
        (["--prompts", "64"], [(64, 1280, 1)]),
    ],
)
def test_rows_that_are_asked_for(
    options: list[str],
    rows: list[tuple[int, int, int]],
    long_replies: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "--student", "folder", *options])
    assert long_replies.rows_of(long_replies.parse()) == rows


@pytest.mark.slow
def test_pass_rates_are_measured_and_told(tmp_path: Path) -> None:
    student = save_student(tmp_path / "student")
    for name in ("untrained", "tuned"):
        done = run(
            *("benchmarks/measure_pass_rates.py", str(student), "ifeval"),
            *("--raw", "example/ifeval", "--prompts", "6", "--samples", "3", "--name", name),
            *("--max-new-tokens", "5", "--output", str(tmp_path / f"{name}.ifeval.json")),
        )
        assert done.returncode == 0, done.stdout + done.stderr
    first, again = (read_json(tmp_path / f"{n}.ifeval.json") for n in ("untrained", "tuned"))
    assert len(first["items"]) == 6 and first["items"] == again["items"]  # drawn by the same seed
    assert all(0 <= item["prompt_strict"] <= 3 for item in first["items"])
    assert 0 < first["generated_tokens"] <= 6 * 3 * 5
    done = run("benchmarks/pass_rates_table.py", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| ifeval | untrained | 6 x 3 |" in done.stdout
    assert "| ifeval | untrained, tuned | 6 | +0.0 |" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bench", "options", "rows"),
    [
        ("bench_stats", ["--resamples", "20"], 5 * 3),  # scenarios x ways of choosing
        ("bench_samples", ["--resamples", "20", "--only", "just fail safety"], 2 * 5),  # sizes x K
        ("bench_runs", ["--only", "runs alike"], 4),  # numbers of replicates
    ],
)
def test_a_study_is_simulated_and_judged(bench: str, options: list[str], rows: int) -> None:
    """Whether bounds are kept is not asked: one study says nothing of that."""
    done = run(f"benchmarks/{bench}.py", "studies", "--studies", "1", *options)

    assert done.stderr == ""
    told = [line for line in done.stdout.splitlines() if line.startswith("| ")][1:]
    assert len(told) == rows
    assert "CPU seconds; bounds " in done.stdout
