"""The checkpoint that a training declares: weights, everything of the student that is not weights,
and where it all came from."""

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from sftstudy.documents.provenance import PROVENANCE, Facts, Provenance
from sftstudy.documents.recipe import Recipe
from sftstudy.documents.source import SOURCE
from sftstudy.files.hashing import weights_sha256
from sftstudy.files.writing import atomic_path, permit, write_json, write_text
from sftstudy.training.job import TrainingJob
from sftstudy.training.packages import package_versions
from sftstudy.training.trainable import ADAPTER, gathered, is_lora, merged, save_adapter

if TYPE_CHECKING:
    from sftstudy.training.divergence import WatchedTrainer

_METHODS = {
    "full": "Supervised fine-tuning",
    "lora": "LoRA fine-tuning (the adapter is in `adapter/`, the weights here are merged with it)",
}
_OWN = (SOURCE, "README.md", "config.json", PROVENANCE)


def save(trainer: "WatchedTrainer", job: TrainingJob, facts: Facts) -> None:
    """Write the checkpoint beside its place and rename it there; all processes take part."""
    from peft import PeftModel

    model, settings = trainer.model, job.recipe["model"]
    weights = gathered(trainer, adapter_only=is_lora(job.recipe))
    if not trainer.is_world_process_zero():
        return
    with atomic_path(job.output) as folder:
        if isinstance(model, PeftModel):
            save_adapter(model, folder / ADAPTER, facts["base"], weights)
            merged(job.base.folder, folder / ADAPTER, settings["attention"]).save_pretrained(folder)
        else:
            model.save_pretrained(folder, state_dict=weights)
        copy_companions(job.base.folder, folder)
        if settings["dtype"] != "float32":
            cast_weights(folder, settings["dtype"])
        job.base.require_same()  # its tokenizer, and with LoRA its weights, were read just now
        finish(folder, job.recipe, facts)


def copy_companions(base: Path, folder: Path) -> None:
    """Copy tokenizer, processor, template and generation files of the student, byte for byte."""
    for file in sorted(base.iterdir()):
        weights = file.name.endswith((".safetensors", ".safetensors.index.json"))
        ours = file.name in _OWN or file.name.startswith(".")
        if file.is_file() and not weights and not ours:
            shutil.copyfile(file, folder / file.name)


def cast_weights(folder: Path, dtype: str) -> None:
    """Rewrite the safetensors of a folder in `dtype` and say so in its config.json."""
    import torch
    from safetensors.torch import load_file, save_file

    for file in sorted(folder.glob("*.safetensors")):
        tensors = {name: t.to(getattr(torch, dtype)) for name, t in load_file(file).items()}
        save_file(tensors, file, metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["dtype"] = dtype
    write_text(folder / "config.json", json.dumps(config, indent=2, sort_keys=True) + "\n")


def finish(folder: Path, recipe: Recipe, facts: Facts) -> None:
    """Write provenance.json and the model card, and make all files readable in shared folders."""
    provenance: Provenance = {
        "recipe": recipe,
        **facts,
        "weights_sha256": weights_sha256(folder),
        "packages": package_versions(),
    }
    write_json(folder / PROVENANCE, provenance)
    write_text(folder / "README.md", _model_card(recipe, facts))
    umask = os.umask(0)
    os.umask(umask)
    for path in folder.rglob("*"):  # transformers writes weights with mode 0600
        permit(path, (0o777 if path.is_dir() else 0o666) & ~umask)


def _model_card(recipe: Recipe, facts: Facts) -> str:
    from huggingface_hub import ModelCard, ModelCardData

    base = facts["base"]["id"] or recipe["student"]
    data = ModelCardData(
        base_model=base if facts["base"]["kind"] == "hub" else None,
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["sft", "trl", recipe["task"]],
    )
    table = "\n".join(f"| {key} | {value} |" for key, value in recipe["training"].items())
    return str(
        ModelCard(
            f"---\n{data.to_yaml()}\n---\n\n"
            f"# {recipe['student']} fine-tuned on {recipe['task']}, {recipe['trial']}\n\n"
            f"{_METHODS[recipe['training'].get('method', 'full')]} of {base} on "
            f"{facts['rows']} rows of {recipe['task']} ({facts['steps']} optimizer steps). "
            "Evaluation is in the study's metrics files.\n\n"
            f"| hyperparameter | value |\n|---|---|\n{table}\n"
        )
    )
