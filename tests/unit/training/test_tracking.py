"""Training curves in a tracker: which there are, and that they change no weight."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from programs import SCRIPTS, run
from sftstudy.files.reading import read_json
from sftstudy.study.schema import schema
from sftstudy.training.tracking import TRACKERS
from training_job import Job


def test_the_schema_offers_the_trackers_that_the_program_takes() -> None:
    assert tuple(schema()["properties"]["tracking"]["enum"]) == TRACKERS


def test_a_tracker_that_is_not_installed_is_named_before_training(tmp_path: Path) -> None:
    """With `-S` Python finds no installed package, whatever this environment holds."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from sftstudy.training.tracking import prepare\n"
        "prepare('wandb', Path('tracking'))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, str(SCRIPTS)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={},
    )
    assert "StudyError: tracking: wandb: the package 'wandb' is not installed" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_tracking_writes_curves_and_changes_no_weight(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    jobs = {}
    for tracker in ("none", "tensorboard"):
        (tmp_path / tracker).mkdir()
        job = jobs[tracker] = Job(tmp_path / tracker)
        options = ["--tracking", tracker, "--tracking-dir", tmp_path / tracker / "tracking"]
        status, output = run("train.py", *job.arguments, *options)
        assert status == 0, output
    assert jobs["none"].weights() == jobs["tensorboard"].weights()
    assert not (tmp_path / "none" / "tracking").exists()
    found = yaml.safe_load((tmp_path / "tensorboard" / "recipe.yaml").read_text())
    names = (found[key] for key in ("student", "task", "trial"))
    events = EventAccumulator(str((tmp_path / "tensorboard" / "tracking").joinpath(*names)))
    events.Reload()
    shown = {event.step: event.value for event in events.Scalars("train/loss")}
    history = read_json(jobs["tensorboard"].output / "provenance.json")["log_history"]
    assert shown == pytest.approx({entry["step"]: entry["loss"] for entry in history}, rel=1e-6)
