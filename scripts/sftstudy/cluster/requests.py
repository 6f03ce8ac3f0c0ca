"""What jobs ask the cluster for."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sftstudy.cluster.site import Site
from sftstudy.pages.columns import aligned


@dataclass(frozen=True)
class Request:
    """What one job asks for; `what` names it in messages."""

    what: str
    partition: str
    gpus: int = 0
    model: str | None = None
    constraint: str | None = None
    cpus: int = 1
    mem_mb: int = 0
    minutes: int = 0


def of_jobs(jobs: Iterable[Any]) -> list[Request]:
    """Return the requests of jobs of Snakemake that are submitted."""
    return [
        Request(
            what=f"{job.rule.name} of {getattr(job.wildcards, 'student', 'all')}",
            partition=job.resources.get("slurm_partition", ""),
            gpus=job.resources.get("gpu", 0),
            model=job.resources.get("gpu_model"),
            constraint=job.resources.get("constraint"),
            cpus=job.threads,
            mem_mb=job.resources.get("mem_mb", 0),
            minutes=job.resources.get("runtime", 0),
        )
        for job in jobs
    ]


def of_students(site: Site, students: dict[str, dict[str, Any]]) -> list[Request]:
    """Return what the first training of each student will ask for."""
    return [
        Request(
            what=f"train of {name}",
            partition=site.place(student).partition,
            gpus=student["gpus"],
            model=site.place(student).model,
            constraint=site.place(student).constraint,
            cpus=student["cpus"],
            mem_mb=site.mem_mb(student, attempt=1),
            minutes=site.minutes(student, attempt=1),
        )
        for name, student in students.items()
    ]


def summary(requests: Iterable[Request]) -> str:
    """Return a table of what each partition is asked for at most, were no job tried twice."""
    partitions: dict[str, list[Request]] = defaultdict(list)
    for request in requests:
        partitions[request.partition].append(request)
    rows = [("partition", "jobs", "GPU hours", "GPUs of a job", "memory of a job", "longest job")]
    for name, asked in sorted(partitions.items()):
        gpu_hours = sum(request.gpus * request.minutes for request in asked) / 60
        rows.append(
            (
                name,
                f"{len(asked):,}",
                f"{gpu_hours:,.1f}",
                f"{max(request.gpus for request in asked)}",
                f"{max(request.mem_mb for request in asked) / 1024:,.1f} GB",
                f"{max(request.minutes for request in asked) / 60:,.1f} h",
            )
        )
    head = "The cluster will be asked for at most (time limits, not times):"
    return "\n".join([head, *aligned(rows, left=0)])
