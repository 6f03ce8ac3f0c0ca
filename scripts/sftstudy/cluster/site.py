"""What differs between clusters: one small file, ``profiles/slurm/site.yaml``.

Its keys are explained in ``profiles/slurm/README.md``. On one machine nothing of it matters.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sftstudy.errors import StudyError
from sftstudy.files.strict_yaml import read_yaml

FILE = Path("profiles/slurm/site.yaml")
_TOP = {
    "account": str,
    "jobs": int,
    "warn_seconds": int,
    "conda_prefix": str,
    "gpu": dict,
    "cpu": dict,
}
_PARTITION = {
    "partition": str,
    "max_hours": (int, float),
    "max_mem_gb": (int, float),
    "constraint": str,
    "model": str,
}
_REQUIRED = {"jobs", "warn_seconds", "gpu", "cpu", "partition", "max_hours"}


@dataclass(frozen=True)
class Partition:
    """Where one kind of job goes, and the most that one job may ask for there."""

    partition: str
    max_hours: float
    max_mem_gb: float | None = None
    constraint: str | None = None
    model: str | None = None


@dataclass(frozen=True)
class Site:
    """One cluster. A `student` below is its block of the study file's catalog."""

    account: str | None
    jobs: int
    warn_seconds: int
    gpu: Partition
    cpu: Partition
    conda_prefix: str | None = None

    def place(self, student: dict[str, Any]) -> Partition:
        """Return where the jobs of a student that compute with its weights go."""
        return self.gpu if student["gpus"] else self.cpu

    def minutes(self, student: dict[str, Any], attempt: int) -> int:
        """Return a time limit: longer with each attempt, up to what the partition takes.

        A training that needs more than that is stopped there and goes on in its next attempt.
        """
        return max(1, int(min(student["hours"] * attempt, self.place(student).max_hours) * 60))

    def mem_mb(self, student: dict[str, Any], attempt: int) -> int:
        """Return memory: more with each attempt, up to what the nodes have.

        What the first attempt asks for is never cut: with less the job would only fail.
        """
        gigabytes = student["mem_gb"] * attempt
        most = self.place(student).max_mem_gb
        if most is not None:
            gigabytes = min(gigabytes, max(most, student["mem_gb"]))
        return int(gigabytes * 1024)

    def resources(self, facts: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """Return the resources of a job that computes with weights, as a rule of Snakemake says
        them; `facts` returns the block of the student by the wildcards of the job."""
        return {
            # Not {threads}, which shrinks with --cores: results on CPU depend on this number.
            "torch_threads": lambda wildcards: facts(wildcards)["cpus"],
            "gpu": lambda wildcards: facts(wildcards)["gpus"],
            "mem_mb": lambda wildcards, attempt: self.mem_mb(facts(wildcards), attempt),
            "runtime": lambda wildcards, attempt: self.minutes(facts(wildcards), attempt),
            "slurm_partition": lambda wildcards: self.place(facts(wildcards)).partition,
            "constraint": lambda wildcards: self.place(facts(wildcards)).constraint,
            "gpu_model": lambda wildcards: self.place(facts(wildcards)).model,
            "slurm_extra": self.signal,
        }

    @property
    def signal(self) -> str:
        """The option of sbatch that tells a training to save its state before its time is over.

        SIGTERM, because USR1 would end the Snakemake inside of the job.
        """
        return f"--signal=TERM@{self.warn_seconds}"


def read_site(file: Path = FILE) -> Site:
    """Return the description of the cluster; a `StudyError` names the key that is wrong."""
    values = _checked(file, "", read_yaml(file), _TOP)
    for kind in ("gpu", "cpu"):
        values[kind] = Partition(**_checked(file, f"{kind}.", values[kind], _PARTITION))
    return Site(**{"account": None} | values)


def _checked(file: Path, where: str, block: Any, types: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(block, dict):
        raise StudyError(f"{file}: {where or 'the file'}: expected keys and values")
    for key, value in block.items():
        if key not in types:
            allowed = ", ".join(types)
            raise StudyError(f"{file}: unknown key '{where}{key}'; allowed are {allowed}")
        if value is not None and not isinstance(value, types[key]):
            raise StudyError(f"{file}: {where}{key}: found {value!r}, expected {_name(types[key])}")
        if isinstance(value, int | float) and value <= 0:
            raise StudyError(f"{file}: {where}{key}: found {value!r}, expected more than 0")
    for key in _REQUIRED & set(types):
        if block.get(key) is None:
            raise StudyError(f"{file}: the key '{where}{key}' is missing")
    return dict(block)


def _name(types: Any) -> str:
    return {str: "text", int: "a whole number", dict: "keys and values"}.get(types, "a number")
