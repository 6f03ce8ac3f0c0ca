"""Training that runs out of memory: smaller batches, the same result, and an end that says why."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sftstudy.errors import StudyError
from sftstudy.files.reading import read_json
from sftstudy.training.out_of_memory import halvings, smaller
from training_job import Job, recipe, train_here

# Plain gradient descent without clipping keeps differences as small as they are.
EXACT = {"optim": "sgd", "max_grad_norm": 0.0, "learning_rate": 0.05, "num_train_epochs": 0.5}
EXACT |= {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2}


@pytest.mark.parametrize(
    ("batch", "times", "expected"),
    [((4, 2), 0, (4, 2)), ((4, 2), 1, (2, 4)), ((4, 2), 5, (1, 8)), ((6, 1), 2, (1, 6))],
)
def test_the_step_is_kept(batch: tuple[int, int], times: int, expected: tuple[int, int]) -> None:
    assert smaller(*batch, times) == expected


def test_recomputing_is_no_halving_where_the_recipe_leaves_it_to_us() -> None:
    events = [{"gradient_checkpointing": kept} for kept in (False, True, True)]
    for value, expected in (("auto", 2), (False, 3), (True, 3)):
        assert halvings(events, recipe(gradient_checkpointing=value)) == expected
    assert halvings([{}], recipe(gradient_checkpointing="auto")) == 1, "of an older version"


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int, Any], bool]], None]:
    """Let the model run out of memory where a function of (call, input ids) says so."""
    import torch
    from transformers import Qwen3Model

    forward = Qwen3Model.forward

    def limit(exceeded: Callable[[int, Any], bool]) -> None:
        calls = iter(range(10_000))

        def limited(self: Any, input_ids: Any = None, **values: Any) -> Any:
            if torch.is_grad_enabled() and exceeded(next(calls), input_ids):
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nx")
            return forward(self, input_ids, **values)

        monkeypatch.setattr(Qwen3Model, "forward", limited)

    return limit


def run_in(folder: Path, **training: Any) -> Job:
    folder.mkdir()
    return train_here(Job(folder, **(EXACT | training)))


def distance(one: Job, other: Job) -> float:
    """Return how far two results are apart, as a share of how far the first was trained."""
    import torch
    from safetensors.torch import load_file

    folders = (one.output, other.output, one.base)
    first, second, before = (load_file(folder / "model.safetensors") for folder in folders)
    moved = torch.sqrt(sum(((first[k] - before[k]) ** 2).sum() for k in before))
    return float(torch.sqrt(sum(((first[k] - second[k]) ** 2).sum() for k in before)) / moved)


@pytest.mark.slow
def test_batches_are_halved_until_they_fit(tmp_path: Path, memory: Callable) -> None:
    """Prefix sharing makes the whole step one batch; the memory suffices for a quarter of it."""
    whole = run_in(tmp_path / "whole")
    assert read_json(whole.output / "provenance.json")["out_of_memory"] == []
    memory(lambda call, _: call < 2)
    halved = run_in(tmp_path / "halved")
    facts = read_json(halved.output / "provenance.json")
    assert facts["batches"] == "prefix sharing" and facts["steps"] == 4
    assert [e["per_device_train_batch_size"] for e in facts["out_of_memory"]] == [8, 4]
    assert [e["step"] for e in facts["out_of_memory"]] == [1, 1]
    assert facts["out_of_memory"][0]["message"].endswith("Tried to allocate 2.00 GiB.")
    assert (facts["per_device_train_batch_size"], facts["gradient_accumulation_steps"]) == (2, 4)
    assert facts["recipe"]["training"]["per_device_train_batch_size"] == 4
    assert distance(whole, halved) < 1e-4
    assert not list(halved.scratch.glob("*/[!.]*"))


@pytest.mark.slow
def test_activations_are_recomputed_before_batches_are_halved(
    tmp_path: Path, memory: Callable, capsys: Any
) -> None:
    whole = run_in(tmp_path / "whole", gradient_checkpointing="auto")
    assert read_json(whole.output / "provenance.json")["gradient_checkpointing"] is False
    memory(lambda call, _: call < 2)
    less = run_in(tmp_path / "less", gradient_checkpointing="auto")
    facts = read_json(less.output / "provenance.json")
    tried = [
        (event["per_device_train_batch_size"], event["gradient_checkpointing"])
        for event in facts["out_of_memory"]
    ]
    assert tried == [(8, False), (8, True)]
    assert (facts["per_device_train_batch_size"], facts["gradient_checkpointing"]) == (4, True)
    printed = capsys.readouterr().out
    assert "going on with activations recomputed" in printed and "going on with 4" in printed
    assert distance(whole, less) < 1e-4


@pytest.mark.slow
def test_it_goes_on_from_the_newest_saved_state(
    tmp_path: Path, memory: Callable, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    from sftstudy.training import resume

    padded = {"prefix_sharing": "off"}
    whole = run_in(tmp_path / "whole", **padded)
    monkeypatch.setattr(resume, "SAVE_SECONDS", 0.0)
    memory(lambda call, ids: call >= 5 and len(ids) > 2)  # the second pass of step 3
    halved = run_in(tmp_path / "halved", **padded)
    (event,) = read_json(halved.output / "provenance.json")["out_of_memory"]
    assert (event["step"], event["per_device_train_batch_size"]) == (3, 4)
    printed = capsys.readouterr().out
    assert "out of memory in step 3" in printed and "going on with 2" in printed
    assert "resuming from checkpoint-2" in printed
    assert distance(whole, halved) < 1e-4


@pytest.mark.slow
def test_a_sample_that_does_not_fit_is_an_error_that_says_what_to_do(
    tmp_path: Path, memory: Callable
) -> None:
    memory(lambda *_: True)
    with pytest.raises(StudyError, match="a single sample does not fit") as caught:
        run_in(tmp_path / "recomputed", gradient_checkpointing="auto")
    assert "gradient_checkpointing" not in str(caught.value), "that was tried"
    with pytest.raises(StudyError, match="a single sample does not fit") as caught:
        run_in(tmp_path / "never")
    for word in ("gradient_checkpointing", "fsdp.yaml", "max_length", "estimate.py"):
        assert word in str(caught.value)
    assert not list(tmp_path.glob("never/scratch/*/memory.json")), "a larger device starts afresh"
    assert not (tmp_path / "never" / "out").exists()
