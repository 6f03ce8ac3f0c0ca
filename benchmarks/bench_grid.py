"""CPU-seconds of Snakemake and of the summaries on large grids.

    make bench-grid

A cell is a metrics file. For each size: a dry run of the study from nothing, and a run of the
finished study, which has nothing to do. Tables and report are measured on a results tree of
`tests/synthetic_study.py`.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]

from workflow.running import copy_repository  # noqa: E402

SNAKEMAKE = Path(sys.executable).with_name("snakemake")
CELLS_PER_TRIAL = 7  # val of its task, two controls, test of four tasks
PAIRS = 5 * 4
TARGETS = {5_000: 12, 20_000: 35}
SUMMARY_SECONDS, SUMMARY_GIB = 60, 2
FOLDERS = ("raw", "checkpoints")  # outputs that are folders
# `--touch` writes down that a job is done; Snakemake pauses for 0.1 s before each.
TOUCH = """
from snakemake.executors import touch
touch.Executor.SLEEPING_TIME = 0
from snakemake.cli import main
main()
"""
# Choosing which of the ready jobs to start takes a time that grows with their square.
ROOM = ["--cores", "10000", "--resources", "gpu=10000", "--scheduler-subsample", "100"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, nargs="+", default=list(TARGETS))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for cells in arguments.cells:
            _snakemake(copy_repository(Path(folder, str(cells))), cells)
        _summaries(Path(folder, "synthetic"), min(arguments.cells))


def _snakemake(checkout: Path, cells: int) -> None:
    config = yaml.safe_load((checkout / "config/config.yaml").read_text(encoding="utf-8"))
    trials = -(-cells // (CELLS_PER_TRIAL * PAIRS))
    config["students"], config["tasks"] = config["students"][:5], config["tasks"][:4]
    config["space"] = {"learning_rate": [1e-6 * (n + 1) for n in range(trials)]}
    file = checkout / "grid.yaml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    base: list[object] = [SNAKEMAKE, "--profile", "profiles/local", "--configfile", file.name]
    dry, text = measured([*base, "--dry-run", "--quiet"], checkout)
    jobs = int(re.search(r"^total +(\d+)$", text, re.MULTILINE)[1])
    target = TARGETS.get(cells, "-")
    print(
        f"{cells:,} cells, {jobs:,} jobs: dry run {dry:.1f} CPU-s"
        f" (target {target}); {1000 * dry / jobs:.2f} CPU-ms per job",
        flush=True,
    )
    _finish(checkout, base)
    again, text = measured(base, checkout)
    if "Nothing to be done" not in text:
        raise SystemExit(f"expected nothing to be done\n{text[-3000:]}")
    print(f"{cells:,} cells, finished: {again:.1f} CPU-s (target {target})", flush=True)


def _finish(checkout: Path, base: list[object]) -> None:
    """Make every output, empty, and let Snakemake write down that its job is done."""
    _, text = measured([*base, "--summary"], checkout)
    lines = text[text.index("output_file") :].splitlines()[1:]
    for name in (line.split("\t")[0] for line in lines if "\t" in line):
        output = checkout / name
        if output.relative_to(checkout).parts[1] in FOLDERS:
            output.mkdir(parents=True)
        else:
            output.parent.mkdir(parents=True, exist_ok=True)
            output.touch()
    touch = [sys.executable, "-c", TOUCH, *base[1:], *ROOM]
    measured([*touch, "--touch", "--forceall", "--quiet", "all"], checkout)


def _summaries(folder: Path, cells: int) -> None:
    from synthetic_study import Study, write_study

    trials = -(-cells // (CELLS_PER_TRIAL * PAIRS))
    space = {
        "learning_rate": [1e-6 * (n + 1) for n in range(trials)],
        "num_train_epochs": [1],
        "per_device_train_batch_size": [4],
    }
    study = Study(folder, space=space)
    plan = write_study(study)
    results = ["--plan", plan, "--results", study.results]
    tables, figures = study.results / "tables", study.results / "figures"
    steps = {
        "collate": [*results, "--output-dir", tables],
        "draw": ["--tables", tables, "--output-dir", figures],
        "report": [
            *results,
            "--tables",
            tables,
            "--figures",
            figures,
            "--output",
            folder / "r.html",
        ],
    }
    total = 0.0
    for name, options in steps.items():
        program = ROOT / "scripts" / f"{name}.py"
        seconds, _ = measured([sys.executable, program, *options], ROOT)
        total += seconds
        print(f"{name} of {cells:,} cells: {seconds:.1f} CPU-s", flush=True)
    gib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(
        f"summaries together: {total:.1f} CPU-s (target {SUMMARY_SECONDS}); "
        f"largest process {gib:.2f} GiB (target {SUMMARY_GIB})"
    )


def measured(command: list[object], folder: Path) -> tuple[float, str]:
    """Run a command; return its CPU-seconds and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{command}\n{done.stdout[-3000:]}")
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, done.stdout


if __name__ == "__main__":
    main()
