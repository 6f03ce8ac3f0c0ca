"""The whole study on a cluster equals the one on one machine, and asks for what was configured."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slurm.cluster import Cluster
from slurm.running import MINI, Run, jobs_of
from workflow.running import plan, snakemake

pytestmark = [pytest.mark.slow, pytest.mark.deploy]

# How long a training took differs from run to run. Nothing else may.
SECONDS = {"gpu_seconds", "train_seconds"}
PAGES = {"report/index.html"}  # it shows the seconds
OTHER = {"logs", "records", "scratch"}


@pytest.fixture(scope="module")
def begun(
    cluster: Cluster, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Run]:
    run = Run(shutil.copytree(repository, tmp_path_factory.mktemp("study") / "checkout"))
    yield run
    run.kill()


@pytest.fixture(scope="module")
def alone(begun: Run, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study without a cluster, made while the cluster's jobs wait for each other."""
    checkout = shutil.copytree(repository, tmp_path_factory.mktemp("alone") / "checkout")
    snakemake(checkout, "--configfile", MINI)
    return checkout


@pytest.fixture(scope="module")
def finished(begun: Run, alone: Path) -> tuple[Path, Run]:
    begun.finish(within=1200)
    return begun.checkout, begun


def content(file: Path) -> Any:
    """Return what has to be equal of a file."""
    if file.name == "provenance.json":
        return {k: v for k, v in json.loads(file.read_bytes()).items() if k not in SECONDS}
    if file.parent.name == ".journal":  # it tells when and on which device
        entries = [json.loads(line) for line in file.read_bytes().splitlines()]
        return [(entry["question"], entry["reply"]) for entry in entries]
    return file.read_bytes()


def test_results_equal_those_of_one_machine(finished: tuple[Path, Run], alone: Path) -> None:
    roots = [checkout / "results/mini" for checkout in (finished[0], alone)]
    there, here = (
        {
            file.relative_to(root).as_posix()
            for file in root.rglob("*")
            if file.is_file() and file.relative_to(root).parts[0] not in OTHER
        }
        for root in roots
    )
    assert there == here
    assert [name for name in here if name.startswith("metrics/") and name.endswith(".json")]
    compared = sorted(here - PAGES)
    assert [n for n in compared if content(roots[0] / n) != content(roots[1] / n)] == []


def test_slurm_was_asked_for_what_is_configured(finished: tuple[Path, Run]) -> None:
    jobs = jobs_of(finished[1].output)
    assert {job.state for job in jobs} == {"COMPLETED"}
    kinds = Counter(job.comment.split("_wildcards_")[0].removeprefix("rule_") for job in jobs)
    assert kinds == {
        "build_smoke_student": 1,
        "prepare": 2,
        "prepare_control": 2,
        "lengths": 2,
        "fits": 2,
        "fits_control": 2,
        "card": 2,
        "duplicates": 2,
        "train": 2,
        "predict_select": 2,
        "predict_select_base": 1,
        "predict_controls": 3,
        "predict_confirm": 3,
        "recommend": 1,
        "collate": 1,
        "draw": 1,
        "report": 1,
    }
    trained = [job for job in jobs if job.comment.startswith("rule_train")]
    assert {job.comment for job in trained} == {
        f"rule_train_wildcards_smoke_{task}_lr0.001" for task in ("banking77", "pubmedqa")
    }
    for job in jobs:
        if job.comment.startswith(("rule_train", "rule_predict")):
            assert job.requested["gres/gpu"] == "1"  # gpus: 1
            assert (job.requested["mem"], job.minutes) == ("2G", 12)  # mem_gb: 2, hours: 0.2
            assert job.requested["cpu"] == "1"
        else:
            assert not [key for key in job.requested if key.startswith("gres")]


def test_one_cell_needs_nothing_else(finished: tuple[Path, Run]) -> None:
    cell = "results/mini/metrics/smoke/pubmedqa/lr0.001/pubmedqa.val.json"
    checkpoint = "results/mini/checkpoints/smoke/pubmedqa/lr0.001"
    again = ("--forcerun", "train", "--configfile", MINI, "--", cell)
    assert plan(finished[0], cell, "--configfile", MINI, profile="slurm").rules == {}
    assert plan(finished[0], *again, profile="slurm").rules == {
        "train": 1,
        "predict_select": 1,
        "score": 1,
    }
    run = Run(finished[0], "--forcerun", "train", "--", checkpoint)
    run.finish()
    (job,) = jobs_of(run.output)
    assert job.comment == "rule_train_wildcards_smoke_pubmedqa_lr0.001"
    assert (job.requested["gres/gpu"], job.requested["mem"], job.minutes) == ("1", "2G", 12)


def test_logs_of_the_scheduler_are_kept(finished: tuple[Path, Run]) -> None:
    logs = {log.stem for log in (finished[0] / ".snakemake/slurm_logs").rglob("*.log")}
    assert {job.id for job in jobs_of(finished[1].output)} <= logs
