"""What is wrong is said before the first job is submitted, with what to change."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from slurm.cluster import Cluster, run
from slurm.running import MINI, SITE, Run

pytestmark = pytest.mark.slow

CHANGES = {
    "account": (("account: research", "account: nobody"), "yours are research"),
    "partition": (("partition: gpu,", "partition: gqu,"), "there are cpu, gpu, urgent"),
    "model": (("model: fake", "model: h100"), "asks for 1 GPUs h100"),
    "limit": (("max_hours: 1}", "max_hours: 99}"), "takes at most 1"),
    "key": (("account:", "acount:"), "unknown key 'acount'"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_wrong_site(cluster: Cluster, repository: Path, name: str) -> None:
    (old, new), words = CHANGES[name]
    site = repository / "profiles/slurm/site.yaml"
    site.write_text(SITE.replace(old, new), encoding="utf-8")
    try:
        refused = Run(repository)
        output = refused.finish(status=1)
        status, checked = check(repository)
    finally:
        site.write_text(SITE, encoding="utf-8")
    assert words in output and "profiles/slurm/site.yaml" in output
    assert status == 1 and words in checked
    assert not run("squeue", "-h", "--me").strip(), "nothing was submitted"


def test_more_gpus_than_any_node_has(cluster: Cluster, repository: Path) -> None:
    config = repository / MINI
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("gpus: 1", "gpus: 9"), encoding="utf-8")
    try:
        output = Run(repository).finish(status=1)
    finally:
        config.write_text(text, encoding="utf-8")
    assert "train of smoke: asks for 9 GPUs" in output and "2 GPUs fake" in output
    assert not run("squeue", "-h", "--me").strip()


def test_no_accounting(cluster: Cluster, repository: Path, tmp_path: Path) -> None:
    """`sacct` is not there, or does not answer."""
    for program in Path("/usr/bin").iterdir():
        if program.name != "sacct":
            (tmp_path / program.name).symlink_to(program)
    status, checked = check(repository, PATH=str(tmp_path))
    assert status == 1 and "sacct: not found" in checked
    cluster.stop_accounting()
    try:
        status, checked = check(repository)
    finally:
        cluster.start_accounting()
    assert status == 1 and "sacct: " in checked and "slurmdbd" in checked


def test_nothing_wrong(cluster: Cluster, repository: Path) -> None:
    status, checked = check(repository)
    assert status == 0, checked
    assert "train of smoke: 1 GPUs, 1 CPUs, 2 GB, 0.2 h in 'gpu'" in checked


def test_dry_run_says_what_partitions_are_asked_for(cluster: Cluster, repository: Path) -> None:
    output = Run(repository, "--dry-run", "--quiet").finish()
    table = output[output.index("The cluster will be asked for") :].splitlines()
    assert [line.split() for line in table[2:4]] == [
        ["cpu", "19", "0.0", "0", "3.9", "GB", "1.0", "h"],
        ["gpu", "11", "2.2", "1", "2.0", "GB", "0.2", "h"],
    ]


def test_short_name_of_the_profile(cluster: Cluster, repository: Path, tmp_path: Path) -> None:
    """`--profile slurm` after the one command of the documentation."""
    (tmp_path / "snakemake").mkdir()
    (tmp_path / "snakemake/slurm").symlink_to(repository / "profiles/slurm")
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--profile", "slurm", "--dry-run", "--quiet"],
        cwd=repository,
        env=os.environ | {"XDG_CONFIG_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "The cluster will be asked for" in done.stdout


def check(checkout: Path, **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "tools/check_slurm.py", "--configfile", MINI],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": "scripts"} | environment,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr
