"""Running Snakemake on the cluster of the tests, and asking Slurm what became of its jobs."""

import itertools
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from slurm.cluster import run, until
from workflow.running import SNAKEMAKE

MINI = "tests/slurm/mini.yaml"
TRIALS = (
    "results/mini/checkpoints/smoke/banking77/lr0.001",
    "results/mini/checkpoints/smoke/pubmedqa/lr0.001",
)
SITE = """\
account: research
jobs: 6
warn_seconds: 20
gpu: {partition: gpu, model: fake, max_hours: 1}
cpu: {partition: cpu, max_hours: 1}
"""
# No test waits longer for anything: a run that hangs fails.
PATIENCE = 420


@dataclass(frozen=True)
class Job:
    """What Slurm's accounting knows of one job; of one that was queued again, its last start."""

    id: str
    state: str
    requested: dict[str, str]
    minutes: int
    comment: str
    start: datetime | None
    end: datetime | None


class Run:
    """One `snakemake --profile profiles/slurm`, in the background."""

    def __init__(self, checkout: Path, *arguments: str) -> None:
        self.checkout = checkout
        self.log = checkout / f"run-{time.monotonic_ns()}.log"
        # A shell starts its background jobs, such as a whole test run, deaf to SIGINT.
        command = [
            "env",
            "--default-signal=INT",
            str(SNAKEMAKE),
            "--profile",
            "profiles/slurm",
            "--configfile",
            MINI,
        ]
        command += ["--slurm-init-seconds-before-status-checks", "2", *arguments]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=checkout,
                env=os.environ | {"HF_HUB_OFFLINE": "1"},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def finish(self, status: int | None = 0, within: float = PATIENCE) -> str:
        """Wait for the end, check the exit status unless it is None, return what was printed."""
        try:
            found = self.process.wait(timeout=within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"hangs:\n{self.output[-6000:]}\n{run('squeue')}") from None
        assert status is None or found == status, f"exit status {found}\n{self.output[-6000:]}"
        return self.output

    def kill(self, sent: signal.Signals = signal.SIGKILL) -> None:
        if self.process.poll() is None:
            self.process.send_signal(sent)
            self.process.wait(timeout=PATIENCE)

    def training(self, trial: str, since: float = 0.0) -> str:
        """Wait until a trial is trained, by a job begun after `since`; return the job."""
        log = self.checkout / log_file(trial)
        comment = f"rule_train_wildcards_{'_'.join(trial.split('/')[-3:])}"

        def job() -> str | None:
            assert self.process.poll() is None, f"has ended:\n{self.output[-6000:]}"
            if not log.is_file() or log.stat().st_mtime < since or "step " not in log.read_text():
                return None
            running = run("squeue", "-h", "-t", "RUNNING", "-o", "%k %i", check=False).split()
            return dict(zip(running[::2], running[1::2], strict=True)).get(comment)

        until(job, PATIENCE, f"a training step of {trial}")
        return job() or ""

    def resumed(self, trial: str) -> bool:
        """Return whether a trial's last training began from a saved state."""
        return "resuming from checkpoint-" in (self.checkout / log_file(trial)).read_text()


def log_file(trial: str) -> str:
    """Return where the log of a trial's training is, relative to the checkout."""
    return f"{trial.replace('checkpoints', 'logs/checkpoints')}.log"


def jobs_of(run_or_uuid: str) -> list[Job]:
    """Return the jobs that a run of Snakemake submitted, by the id that its output names."""
    uuid = run_or_uuid.split("SLURM run ID: ")[-1].split()[0]
    fields = "JobIDRaw,State,ReqTRES,TimelimitRaw,Comment,Start,End"
    text = run("sacct", "-X", "-n", "-P", "-S", "now-1days", "--name", uuid, "-o", fields)
    return [_job(line) for line in text.splitlines()]


def in_turn(jobs: list[Job]) -> bool:
    """Return whether no two of these jobs ran at the same time."""
    spans = sorted((job.start, job.end) for job in jobs if job.start is not None)
    return all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))


def same_weights(first: Path, second: Path) -> bool:
    """Return whether all trials that the first checkout holds have the weights of the second's."""
    return all(
        (first / trial / "model.safetensors").read_bytes()
        == (second / trial / "model.safetensors").read_bytes()
        for trial in TRIALS
        if (first / trial).exists()
    )


def _job(line: str) -> Job:
    number, state, requested, minutes, comment, start, end = line.split("|")
    return Job(
        id=number,
        state=state.split()[0],
        requested=dict(part.split("=") for part in requested.split(",") if part),
        minutes=int(minutes),
        comment=comment,
        start=_time(start),
        end=_time(end),
    )


def _time(text: str) -> datetime | None:
    return None if text in ("Unknown", "None", "") else datetime.fromisoformat(text)
