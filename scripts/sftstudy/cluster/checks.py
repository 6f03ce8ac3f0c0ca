"""What would go wrong on this cluster, found before the first job is submitted."""

import getpass
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

from sftstudy.cluster.requests import Request
from sftstudy.cluster.site import FILE, Site
from sftstudy.errors import StudyError


@dataclass(frozen=True)
class Nodes:
    """Equal nodes of one partition."""

    partition: str
    up: bool
    minutes: float
    cpus: int
    mem_mb: int
    gpus: dict[str, int]
    features: frozenset[str]

    def fits(self, request: Request) -> bool:
        """Return whether one of these nodes could ever run a job."""
        gpus = self.gpus.get(request.model, 0) if request.model else sum(self.gpus.values())
        feature = request.constraint or ""
        # Of a constraint only a single feature is judged; sbatch knows the rest of its language.
        known = not re.fullmatch(r"[\w.-]+", feature) or feature in self.features
        enough = self.cpus >= request.cpus and self.mem_mb >= request.mem_mb
        return enough and gpus >= request.gpus and known

    def __str__(self) -> str:
        gpus = " and ".join(f"{n} GPUs {model}".strip() for model, n in self.gpus.items())
        features = f", features {', '.join(sorted(self.features))}" if self.features else ""
        return f"{self.cpus} CPUs, {self.mem_mb / 1024:.0f} GB, {gpus or 'no GPU'}{features}"


def problems(site: Site, requests: Iterable[Request]) -> list[str]:
    """Return what is wrong, each with what to change; an empty list if nothing is."""
    missing = [name for name in ("sbatch", "squeue", "sinfo", "sacct") if not shutil.which(name)]
    if missing:
        return [
            f"{', '.join(missing)}: not found; run on a machine of the cluster, with Slurm's "
            "commands on PATH"
        ]
    nodes = _nodes()
    return [
        *_accounting(),
        *_account(site),
        *_partitions(site, nodes),
        *_requests(requests, nodes),
    ]


def require(site: Site, requests: Iterable[Request]) -> None:
    """Raise one `StudyError` that lists all problems, if there are any."""
    found = problems(site, requests)
    if found:
        raise StudyError(
            "the cluster cannot run this study:\n" + "\n".join(f"- {p}" for p in found)
        )


def _accounting() -> list[str]:
    done = _run("sacct", "--allocations", "--noheader", "--starttime=now-1hours")
    if done.returncode == 0:
        return []
    return [
        f"sacct: {_first_line(done.stderr)}; Snakemake asks Slurm's accounting for jobs that the "
        "queue has forgotten, and would wait for ever: ask the administrators whether slurmdbd runs"
    ]


def _account(site: Site) -> list[str]:
    command = ("sacctmgr", "--noheader", "--parsable2", "show", "associations")
    done = _run(*command, f"user={getpass.getuser()}", "format=account")
    accounts = sorted(set(done.stdout.split()))
    if done.returncode or not accounts or site.account is None or site.account in accounts:
        return []
    return [
        f"account: found '{site.account}', yours are {', '.join(accounts)}; change it in {FILE}"
    ]


def _partitions(site: Site, nodes: list[Nodes]) -> list[str]:
    found = []
    for kind, place in (("gpu", site.gpu), ("cpu", site.cpu)):
        here = [group for group in nodes if group.partition == place.partition]
        if not here:
            names = ", ".join(sorted({group.partition for group in nodes}))
            found.append(
                f"{kind}.partition: there is no partition '{place.partition}'; "
                f"there are {names}; change it in {FILE}"
            )
        elif not here[0].up:
            found.append(f"{kind}.partition: '{place.partition}' is not up: see `sinfo`")
        elif place.max_hours * 60 > here[0].minutes:
            found.append(
                f"{kind}.max_hours: found {place.max_hours:g}, the partition '{place.partition}' "
                f"takes at most {here[0].minutes / 60:g}; change it in {FILE}"
            )
    return found


def _requests(requests: Iterable[Request], nodes: list[Nodes]) -> list[str]:
    found: dict[str, None] = {}  # equal requests are told once
    for request in requests:
        here = [group for group in nodes if group.partition == request.partition]
        if here and not any(group.fits(request) for group in here):
            model = f" {request.model}" if request.model else ""
            feature = f", feature {request.constraint}" if request.constraint else ""
            found[
                f"{request.what}: asks for {request.gpus} GPUs{model}, {request.cpus} CPUs and "
                f"{request.mem_mb / 1024:.0f} GB on one node{feature}; the nodes of "
                f"'{request.partition}' have {'; or '.join(map(str, here))}. Change gpus, cpus or "
                "mem_gb of the student in the study file, or gpu.partition, gpu.model or "
                f"gpu.constraint in {FILE}"
            ] = None
    return list(found)


def _nodes() -> list[Nodes]:
    done = _run("sinfo", "--noheader", "--exact", "--format=%R|%a|%l|%c|%m|%G|%f")
    if done.returncode:
        raise StudyError(f"sinfo: {_first_line(done.stderr)}; is the cluster's controller up?")
    return [_group(line) for line in done.stdout.splitlines()]


def _group(line: str) -> Nodes:
    partition, available, limit, cpus, memory, gres, features = line.split("|")
    gpus: dict[str, int] = {}
    for entry in re.sub(r"\([^)]*\)", "", gres).split(","):
        kind, *rest = entry.split(":")
        if kind == "gpu":
            count = int(rest.pop()) if rest and rest[-1].isdigit() else 1
            gpus["".join(rest)] = gpus.get("".join(rest), 0) + count
    return Nodes(
        partition=partition,
        up=available == "up",
        minutes=_minutes(limit),
        cpus=int(cpus.rstrip("+")),
        mem_mb=int(memory.rstrip("+")),
        gpus=gpus,
        features=frozenset(features.split(",")) - {"(null)"},
    )


def _minutes(limit: str) -> float:
    """Read Slurm's ``[days-]hours:minutes:seconds`` or ``infinite``."""
    if limit == "infinite":
        return float("inf")
    days, _, clock = limit.rpartition("-")
    seconds = 0
    for part in clock.split(":"):
        seconds = seconds * 60 + int(part)
    return int(days or 0) * 1440 + seconds / 60


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _first_line(text: str) -> str:
    return (text.strip() or "no answer").splitlines()[0]
