"""Whether activations are recomputed, by the recipe or by free memory, with equal results."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from sftstudy.files.reading import read_json
from sftstudy.students.checkpoints import Watched
from sftstudy.training.job import TrainingJob
from sftstudy.training.memory import fetched_size, training_memory
from sftstudy.training.recomputing import must_recompute
from sftstudy.training.rows import TrainingData
from tiny_student import save_student
from training_job import Job, recipe, train_here

CPU = torch.device("cpu")
linux = pytest.mark.skipif(
    sys.platform != "linux", reason="reads memory from /proc, which is Linux"
)


def job(base: Path, **training: Any) -> TrainingJob:
    data = TrainingData([], base, sha256="", dropped=[])
    values: Any = recipe(**training)
    return TrainingJob(values, data, Watched(base), "code", base, base)


def test_the_estimate_without_recomputing_decides_with_a_tenth_to_spare(tmp_path: Path) -> None:
    base, tokens = save_student(tmp_path / "base"), 1000
    keeping = recipe(gradient_checkpointing=False)
    needed = training_memory(fetched_size(base), keeping, tokens).device
    choosing = job(base, gradient_checkpointing="auto")
    assert must_recompute(choosing, tokens, needed / 0.9 * 1.01)[0] is False
    must, why = must_recompute(choosing, tokens, needed / 0.9 * 0.99)
    assert must and re.fullmatch(r"training that keeps them takes about .* of .* GiB", why)
    assert must_recompute(choosing, 2 * tokens, needed / 0.9 * 1.01)[0], "more tokens"
    assert must_recompute(job(base, optim="sgd"), tokens, needed / 0.9 * 0.99)[0] is False


def test_several_processes_that_share_a_model_need_less_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choosing = job(save_student(tmp_path / "base"))
    keeping = recipe(gradient_checkpointing=False)
    free = training_memory(fetched_size(choosing.base.folder), keeping, 1).device / 0.9 * 0.99
    assert must_recompute(choosing, 1, free)[0]
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert must_recompute(choosing, 1, free)[0], "each holds all of it"
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    assert not must_recompute(choosing, 1, free)[0]


def test_what_is_not_known_is_no_reason_to_run_out_of_memory(tmp_path: Path) -> None:
    base = save_student(tmp_path / "base")
    assert must_recompute(job(base), 1, None) == (True, "how much memory is free is not known")
    config = (base / "config.json").read_text(encoding="utf-8")
    (base / "config.json").write_text(config.replace("intermediate_size", "n_inner"))
    must, why = must_recompute(job(base), 1, 1e12)
    assert must and "the key 'intermediate_size' is missing" in why


@linux
@pytest.mark.slow
@pytest.mark.parametrize("method", [{}, {"method": "lora", "lora_dropout": 0.5}])
def test_weights_are_equal_to_the_bit(tmp_path: Path, method: dict[str, Any], capsys: Any) -> None:
    """Kept where there is memory, recomputed in a job that may have next to none."""
    lora = {"lora_r": 4, "lora_alpha": 8} | method if method else {}
    trained = {}
    for memory in (10**6, 1):
        folder = tmp_path / str(memory)
        folder.mkdir()
        made = Job(folder, gradient_checkpointing="auto", num_train_epochs=0.5, **lora)
        trained[memory] = train_here(made, memory=memory)
        facts = read_json(made.output / "provenance.json")
        assert facts["gradient_checkpointing"] is (memory == 1)
        assert facts["recipe"]["training"]["gradient_checkpointing"] == "auto"
        said = "recomputed" if memory == 1 else "kept"
        assert f"activations are {said}: training that keeps them" in capsys.readouterr().out
    assert trained[1].weights() == trained[10**6].weights()
