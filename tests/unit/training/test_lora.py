"""LoRA trainings: the adapter, the merged checkpoint, shared prefixes, resumption, exports."""

import re
import signal
from pathlib import Path
from typing import Any

import pytest

from programs import run
from sftstudy.errors import StudyError
from sftstudy.files.hashing import sha256_file
from sftstudy.files.reading import read_json
from training_job import Job, interrupt, train_here

LORA = {"method": "lora", "lora_r": 4, "lora_alpha": 8, "lora_dropout": 0.0, "learning_rate": 5e-3}


def train(folder: Path, **training: Any) -> Job:
    folder.mkdir(exist_ok=True)
    return train_here(Job(folder, **(LORA | training)))


def tensors(file: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(file)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Job:
    return train(tmp_path_factory.mktemp("lora"))


@pytest.mark.slow
def test_the_checkpoint_is_a_whole_model_with_its_adapter_beside(trained: Job) -> None:
    provenance = read_json(trained.output / "provenance.json")
    losses = [entry["loss"] for entry in provenance["log_history"]]
    assert losses[-1] < 0.7 * losses[0]
    assert provenance["batches"] == "prefix sharing"
    layer = 4 * ((64 + 64) + 2 * (64 + 32) + (64 + 64) + 2 * (64 + 128) + (128 + 64))
    assert provenance["trainable_parameters"] == 2 * layer
    assert provenance["parameters"] == 112_512 + 2 * layer
    files = ("model.safetensors", "adapter/adapter_model.safetensors")
    assert provenance["weights_sha256"] == {f: sha256_file(trained.output / f) for f in files}
    config = read_json(trained.output / "adapter/adapter_config.json")
    assert config["target_modules"] == sorted(config["target_modules"])
    assert len(config["target_modules"]) == 7 and "lm_head" not in config["target_modules"]
    assert config["base_model_name_or_path"] is None, "no path of this machine"
    base = tensors(trained.base / "model.safetensors")
    merged = tensors(trained.output / "model.safetensors")
    assert set(base) == set(merged)
    assert base["lm_head.weight"].equal(merged["lm_head.weight"])
    assert not base["model.layers.0.mlp.up_proj.weight"].equal(
        merged["model.layers.0.mlp.up_proj.weight"]
    )
    assert "LoRA fine-tuning" in (trained.output / "README.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_merged_and_unmerged_logits_agree(trained: Job, tmp_path: Path, dtype: str) -> None:
    """In float32 to rounding; in a half type as closely as that type computes the unmerged ones."""
    import shutil

    import torch
    from peft import PeftModel

    from sftstudy.students.models import load_model
    from sftstudy.training.checkpoint import cast_weights

    @torch.no_grad()
    def logits(dtype: str, adapter: bool) -> torch.Tensor:
        model = load_model(trained.base, dtype, "sdpa")
        if adapter:
            model = PeftModel.from_pretrained(model, trained.output / "adapter")
        return model(ids).logits.float()

    ids = torch.arange(3, 60)[None]
    folder = shutil.copytree(trained.output, tmp_path / "merged")
    cast_weights(folder, dtype)
    with torch.no_grad():
        merged = load_model(folder, dtype, "sdpa")(ids).logits.float()
    exact = logits("float32", adapter=True)
    noise = (logits(dtype, adapter=True) - exact).norm()
    assert (merged - exact).norm() < max(2 * noise, 1e-5 * exact.norm())
    assert noise < 0.05 * exact.norm()
    assert (logits("float32", adapter=False) - exact).norm() > 0.1 * exact.norm()


@pytest.mark.slow
def test_padded_and_shared_lora_trainings_agree(tmp_path: Path) -> None:
    import torch

    exact = {"optim": "sgd", "max_grad_norm": 0.0, "learning_rate": 0.1}
    adapters = []
    for mode in ("off", "auto"):
        job = train(tmp_path / mode, prefix_sharing=mode, **exact)
        provenance = read_json(job.output / "provenance.json")
        assert provenance["batches"] == {"off": "padded", "auto": "prefix sharing"}[mode]
        adapters.append(tensors(job.output / "adapter/adapter_model.safetensors"))
    padded, shared = adapters
    moved = torch.sqrt(sum((padded[k] ** 2).sum() for k in padded if "lora_B" in k))  # B began at 0
    apart = torch.sqrt(sum(((padded[k] - shared[k]) ** 2).sum() for k in padded))
    assert moved > 0.01
    assert apart < 1e-4 * moved


@pytest.mark.slow
def test_dropout_makes_lora_train_padded(tmp_path: Path) -> None:
    job = train(tmp_path / "dropout", lora_dropout=0.1, num_train_epochs=0.2)
    batches = read_json(job.output / "provenance.json")["batches"]
    assert batches.startswith("padded: lora_dropout")


@pytest.mark.slow
def test_interrupted_lora_training_ends_in_the_same_adapter(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    whole, killed = Job(tmp_path / "whole", **LORA), Job(tmp_path / "killed", **LORA)
    assert run("train.py", *whole.arguments)[0] == 0
    assert interrupt(killed, signal.SIGTERM) == 143
    (state,) = killed.scratch.glob("*/checkpoint-*")
    assert (state / "adapter_model.safetensors").is_file()
    assert not (state / "model.safetensors").exists(), "weights that stay are not saved again"
    status, output = run("train.py", *killed.arguments)
    assert status == 0 and "resuming from checkpoint-" in output, output
    assert killed.weights() == whole.weights()
    names = ("adapter/adapter_model.safetensors", "adapter/adapter_config.json")
    for name in names:
        assert sha256_file(killed.output / name) == sha256_file(whole.output / name)


@pytest.mark.slow
def test_an_adapter_with_a_missing_weight_is_refused(trained: Job, tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import save_file

    from sftstudy.training.trainable import merged

    adapter = shutil.copytree(trained.output / "adapter", tmp_path / "adapter")
    weights = tensors(adapter / "adapter_model.safetensors")
    removed = sorted(weights)[0]
    save_file(
        {k: v for k, v in weights.items() if k != removed}, adapter / "adapter_model.safetensors"
    )
    with pytest.raises(StudyError, match=re.escape(removed)):
        merged(trained.base, adapter, "sdpa")


def test_images_stay_out_of_training() -> None:
    """In a small Gemma 3, whose vision tower uses names of the text layers."""
    from random_models import gemma3
    from sftstudy.training.trainable import add_adapter, freeze_unreached

    model = gemma3()
    freeze_unreached(model)
    frozen = {name.split(".")[1] for name, p in model.named_parameters() if not p.requires_grad}
    assert frozen == {"vision_tower", "multi_modal_projector"}
    adapted = add_adapter(model, LORA)
    adapters = [name for name, p in adapted.named_parameters() if p.requires_grad]
    assert len(adapters) == 2 * 7 * model.config.text_config.num_hidden_layers
    assert all(".language_model." in name and "lora_" in name for name in adapters)
