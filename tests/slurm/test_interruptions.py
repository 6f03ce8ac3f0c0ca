"""What clusters do to jobs: each ends with the checkpoints of an undisturbed training."""

import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from slurm.cluster import Cluster, run, until
from slurm.running import MINI, TRIALS, Run, in_turn, jobs_of, same_weights
from workflow.running import snakemake

pytestmark = [pytest.mark.slow, pytest.mark.deploy]
Start = Callable[..., Run]


def states(begun: Run) -> list[str]:
    return sorted(job.state for job in jobs_of(begun.output))


def state_of(job: str) -> str:
    return run("squeue", "-h", "-t", "all", "-j", job, "-o", "%T").strip()


def test_cancelled_and_queued_again(start: Start, long_trainings: Path) -> None:
    """`scancel` of one training and `scontrol requeue` of another."""
    begun = start(*TRIALS)
    cancelled, requeued = (begun.training(trial) for trial in TRIALS)
    run("scancel", cancelled)
    run("scontrol", "requeue", requeued)
    begun.finish()
    assert states(begun) == ["CANCELLED", "COMPLETED", "COMPLETED"]
    assert begun.resumed(TRIALS[0])
    assert same_weights(begun.checkout, long_trainings)
    again = [job for job in jobs_of(begun.output) if job.comment.endswith("banking77_lr0.001")]
    assert len(again) == 2 and in_turn(again)
    assert {job.minutes for job in again} == {12, 24}, "the second attempt may take longer"


def test_preempted_by_an_urgent_job(start: Start, long_trainings: Path) -> None:
    begun = start(TRIALS[0])
    job = begun.training(TRIALS[0])
    urgent = ["sbatch", "--parsable", "-p", "urgent", "-N2", "--exclusive", "--output=/dev/null"]
    run(*urgent, "--wrap", "sleep 5")
    until(lambda: state_of(job) == "PENDING", 60, "the preemption")
    assert begun.training(TRIALS[0], since=time.time()) == job, "under its old number"
    begun.finish()
    assert states(begun) == ["COMPLETED"]
    assert same_weights(begun.checkout, long_trainings)


def test_node_set_down(cluster: Cluster, start: Start, long_trainings: Path) -> None:
    begun = start(TRIALS[0])
    job = begun.training(TRIALS[0])
    node = run("squeue", "-h", "-j", job, "-o", "%N").strip()
    run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    try:
        begun.finish()
    finally:
        # It may have come back by itself: its daemon is alive.
        run("scontrol", "update", f"nodename={node}", "state=resume", check=False)
        cluster.wait_for_nodes()
    assert same_weights(begun.checkout, long_trainings)


def test_outages_of_controller_and_accounting(
    cluster: Cluster, start: Start, long_trainings: Path
) -> None:
    """slurmctld restarted, slurmdbd away for 60 s and more, one job submitted meanwhile."""
    begun = start(*TRIALS, "--jobs", "1")
    until(lambda: "has been submitted" in begun.output, 120, "the first job")
    cluster.stop_accounting()
    end = time.monotonic() + 60
    try:
        cluster.stop_controller()
        cluster.start_controller()
        begun.finish()
        time.sleep(max(0.0, end - time.monotonic()))
    finally:
        cluster.start_accounting()
    until(lambda: states(begun) == ["COMPLETED"] * 2, 90, "the accounting to know both jobs")
    assert same_weights(begun.checkout, long_trainings)


def test_longer_than_the_time_limit(start: Start, tmp_path: Path) -> None:
    """Told to stop before the limit of one minute, saved, and resumed with more time."""
    checkout = tmp_path / "checkout"
    config, site = checkout / MINI, checkout / "profiles/slurm/site.yaml"
    text = config.read_text(encoding="utf-8").replace("hours: 0.2", "hours: 0.017")
    config.write_text(text.replace("num_train_epochs: 40", "num_train_epochs: 300"))
    site.write_text(site.read_text().replace("warn_seconds: 20", "warn_seconds: 5"))
    begun = start(TRIALS[0])
    begun.finish(within=900)
    jobs = jobs_of(begun.output)
    assert [job.minutes for job in jobs[:2]] == [1, 2], jobs
    assert jobs[-1].state == "COMPLETED"
    assert begun.resumed(TRIALS[0]) and in_turn(jobs)
    weights = (checkout / TRIALS[0] / "model.safetensors").read_bytes()
    snakemake(checkout, "--forcerun", "train", "--configfile", MINI, "--", TRIALS[0])
    assert (checkout / TRIALS[0] / "model.safetensors").read_bytes() == weights


def test_killed_main_process(start: Start, tmp_path: Path) -> None:
    """Its jobs go on. The same command again: one is running, one has not begun."""
    config = tmp_path / "checkout" / MINI
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("num_train_epochs: 40", "num_train_epochs: 300"))
    first = start(*TRIALS)
    waiting = first.training(TRIALS[1])
    running = first.training(TRIALS[0])
    first.kill()
    run("scontrol", "requeuehold", waiting)
    until(lambda: state_of(waiting) == "PENDING", 60, "the held job")
    assert state_of(running) == "RUNNING"
    snakemake(first.checkout, "--unlock", "--configfile", MINI, profile="slurm")
    second = start(*TRIALS)
    output = second.finish()
    stopped = re.search(r"Stopping jobs of an earlier run that was killed: (.*)", output)
    assert stopped and set(stopped[1].split(", ")) == {running, waiting}
    assert second.resumed(TRIALS[0])
    assert states(second) == ["COMPLETED", "COMPLETED"]
    for task in ("banking77", "pubmedqa"):
        jobs = jobs_of(first.output) + jobs_of(second.output)
        assert in_turn([job for job in jobs if task in job.comment])


def test_interrupted_main_process(start: Start, long_trainings: Path) -> None:
    """SIGINT cancels the jobs of the run; the same command goes on where they stopped."""
    first = start(TRIALS[0])
    first.training(TRIALS[0])
    first.kill(signal.SIGINT)
    first.finish(status=None)
    second = start(TRIALS[0])
    second.finish()
    assert states(first) == ["CANCELLED"] and states(second) == ["COMPLETED"]
    assert second.resumed(TRIALS[0])
    assert same_weights(second.checkout, long_trainings)
    assert in_turn(jobs_of(first.output) + jobs_of(second.output))


def test_two_jobs_of_one_cell(start: Start, long_trainings: Path) -> None:
    """Whatever submitted them: the second waits for the first and takes its result."""
    begun = start(TRIALS[0])
    begun.training(TRIALS[0])
    root, trial = "results/mini", "smoke/banking77/lr0.001"
    command = (
        f"{sys.executable} scripts/train.py --recipe {root}/recipes/{trial}.yaml"
        f" --train {root}/data/banking77/train.jsonl"
        f" --lengths {root}/data/banking77/lengths/smoke.json"
        f" --base {root}/checkpoints/smoke/base --scratch {root}/scratch --output {TRIALS[0]}"
    )
    log = begun.checkout / "second.log"
    submitted = ["sbatch", "--wait", "--account=research", "--partition=gpu", "--gpus=1"]
    submitted += ["--mem=2G", "--time=10", f"--output={log}", f"--chdir={begun.checkout}"]
    run(*submitted, "--wrap", command, check=False)
    text = log.read_text(encoding="utf-8")
    assert "waiting for job" in text and "is complete already" in text, text
    assert "step " not in text and "resuming" not in text
    begun.finish()
    assert same_weights(begun.checkout, long_trainings)
