"""A cluster for all tests of this folder, and a checkout in which only trainings are missing."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from slurm.cluster import Cluster, why_not
from slurm.running import MINI, SITE, TRIALS, Run, log_file
from workflow.running import copy_repository, snakemake


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository whose site is the cluster of the tests."""
    checkout = copy_repository(tmp_path_factory.mktemp("checkout"))
    (checkout / "profiles/slurm/site.yaml").write_text(SITE, encoding="utf-8")
    return checkout


@pytest.fixture(scope="session")
def long_trainings(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which two trials were trained without a cluster, each in 160 steps."""
    checkout = tmp_path_factory.mktemp("long") / "checkout"
    shutil.copytree(repository, checkout)
    config = checkout / MINI
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("num_train_epochs: 1\n", "num_train_epochs: 40\n"))
    snakemake(checkout, *TRIALS, "--configfile", MINI)
    return checkout


@pytest.fixture
def start(cluster: Cluster, long_trainings: Path, tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Starts Snakemake on the cluster, in a checkout of the test's own without the two trials."""
    checkout = tmp_path / "checkout"
    shutil.copytree(long_trainings, checkout)
    for trial in TRIALS:
        shutil.rmtree(checkout / trial)
        (checkout / log_file(trial)).unlink()
    runs: list[Run] = []

    def begin(*arguments: str) -> Run:
        runs.append(Run(checkout, *arguments))
        return runs[-1]

    yield begin
    for run in runs:
        run.kill()
    cluster.cancel_all()
