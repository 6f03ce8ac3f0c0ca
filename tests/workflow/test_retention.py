"""Weights that were removed are not trained again, until somebody needs and asks for them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from workflow.running import MINI, plan, snakemake

pytestmark = pytest.mark.slow


def test_weights_are_removed_once_and_not_missed(mini: Path, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(mini, checkout, symlinks=True)
    file = checkout / MINI
    text = file.read_text(encoding="utf-8").replace("study: mini", "study: mini\nkeep: feasible")
    # No trial of this study is feasible by this gate.
    gate = "gates: {simple_safety_tests: {metric: safe_rate, above: 1.0}}\n"
    file.write_text(text + gate, encoding="utf-8")
    study = ("--configfile", MINI)
    snakemake(checkout, *study)

    checkpoints = checkout / "results/mini/checkpoints/smoke"
    retained = json.loads((checkout / "results/mini/retained/smoke.json").read_text())
    assert set(retained["removed"]) == {"banking77/lr0.001", "pubmedqa/lr0.001"}
    assert not list(checkpoints.glob("*/lr0.001/*.safetensors"))
    assert (checkpoints / "base" / "model.safetensors").exists()
    assert plan(checkout, *study).rules == {}
    command = [sys.executable, "tools/status.py", "--configfile", MINI]
    status = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=True)
    assert "2 trials: 2 done" in status.stdout
    assert "not what their jobs made" not in status.stdout

    # Other replies need the weights: the job says so, and how to have them back.
    file.write_text(file.read_text().replace("max_new_tokens: 12", "max_new_tokens: 11"))
    assert "train" not in plan(checkout, *study).rules
    log = "results/mini/logs/predictions/smoke/pubmedqa/lr0.001/controls.log"
    wanted = "results/mini/predictions/smoke/pubmedqa/lr0.001/ifeval.jsonl"
    assert snakemake(checkout, wanted, *study, check=False).returncode
    folder = "results/mini/checkpoints/smoke/pubmedqa/lr0.001"
    assert f"Train it again with: snakemake --force {folder}" in (checkout / log).read_text()
    snakemake(checkout, *study, "--force", folder)
    assert (checkout / folder / "model.safetensors").exists()
    assert not (checkout / folder / "WEIGHTS_REMOVED.json").exists()
    snakemake(checkout, wanted, *study)
