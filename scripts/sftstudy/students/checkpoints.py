"""Loading a checkpoint folder: safetensors only, every weight accounted for, no foreign code."""

import json
import math
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sftstudy.device import DEVICE
from sftstudy.documents.removed import removed_weights
from sftstudy.errors import StudyError
from sftstudy.files.hashing import file_marks
from sftstudy.records.content import folder_sha256

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


def fingerprint(checkpoint: Path) -> str:
    """Return a hash of a checkpoint's content: weights, config.json, tokenizer, template."""
    return folder_sha256(checkpoint)


class Watched:
    """A checkpoint that must stay what it is while it is loaded and used.

    Attributes:
        folder: the checkpoint.
        sha256: its fingerprint.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._marks = file_marks(folder.rglob("*"))  # before the hash: what changes now is noticed
        self.sha256 = fingerprint(folder)

    def require_same(self) -> None:
        """Raise `StudyError`, naming a file, if the checkpoint is not what it was.

        Nothing is read unless a file has another number, size or time than before.
        """
        marks = file_marks(self.folder.rglob("*"))
        if marks == self._marks:
            return
        with suppress(FileNotFoundError):
            if fingerprint(self.folder) == self.sha256:  # written again with the same content
                self._marks = marks
                return
        both = marks.keys() | self._marks.keys()
        changed = min(file for file in both if marks.get(file) != self._marks.get(file))
        raise StudyError(f"{changed}: was changed while it was being read; run again")


def parameter_count(checkpoint: Path) -> int:
    """Return how many values the weights of a checkpoint hold."""
    return sum(weight_counts(checkpoint).values())


def weight_counts(checkpoint: Path) -> dict[str, int]:
    """Return the number of values of each weight; only the heads of safetensors are read."""
    counts: dict[str, int] = {}
    for file in sorted(checkpoint.glob("*.safetensors")):
        with file.open("rb") as handle:
            head = json.loads(handle.read(int.from_bytes(handle.read(8), "little")))
        head.pop("__metadata__", None)
        counts |= {name: math.prod(tensor["shape"]) for name, tensor in head.items()}
    return counts


def pick_device() -> "torch.device":
    """Return the device that this program was given (`sftstudy.device.compute`), by default the
    accelerator of this process, or the CPU where there is none.

    Raises `StudyError` when the device that was asked for is not there.
    """
    import torch

    wanted = os.environ.get(DEVICE, "auto")
    found = torch.device("cpu")
    if torch.accelerator.is_available() and wanted != "cpu":
        found = torch.accelerator.current_accelerator()
    if wanted not in ("auto", found.type):
        raise StudyError(
            f"device: {wanted}: torch finds only {found.type} here; run this job where there is "
            "such a device, or set device=auto"
        )
    return found


def require_embedded(model: "PreTrainedModel", sequences: Sequence[Sequence[int]]) -> None:
    """Raise `StudyError` if tokens have no embedding in the model: a GPU names no cause."""
    rows = model.get_input_embeddings().weight.shape[0]
    highest = max(map(max, sequences), default=0)
    if highest >= rows:
        raise StudyError(
            f"{model.config.name_or_path}: its tokenizer makes the token {highest}, its weights "
            f"have embeddings for those below {rows}: the two do not belong together (were tokens "
            "added without resizing the embeddings?); fetch or make the student again"
        )


def require_weights(folder: Path) -> None:
    """Raise `StudyError` if the weights of a checkpoint were removed to save space (`keep`)."""
    if removed_weights(folder):
        raise StudyError(
            f"{folder}: its weights were removed to save space (`keep` in the study file), and "
            f"this job needs them. Train it again with: snakemake --force {folder} (and the "
            "--profile and --configfile of this run); `keep: all` keeps all"
        )


def load_model(folder: Path, dtype: str, attention: str) -> "PreTrainedModel":
    """Return the causal language model of a checkpoint folder, on the CPU.

    Args:
        folder: a Hugging Face checkpoint.
        dtype: name of the weights' type, for example ``"bfloat16"``.
        attention: name of transformers' attention implementation.

    Raises:
        StudyError: there are no safetensors (pickled weights can run code when they are loaded),
            or weights are missing, unexpected or of another shape: transformers only warns of this
            and goes on with random weights.
    """
    require_weights(folder)
    if not any(folder.glob("*.safetensors")):
        raise StudyError(
            f"{folder}: no *.safetensors file; pickled weights are refused, because loading them "
            "can run code: save the model where you trust it with `save_pretrained`"
        )
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    model, loading = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=getattr(torch, dtype),
        attn_implementation=attention,
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        output_loading_info=True,
    )
    for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if loading[problem]:
            keys = sorted(map(str, loading[problem]))
            raise StudyError(
                f"{folder}: {len(keys)} {problem.replace('_', ' ')} for "
                f"{type(model).__name__}, for example {keys[0]}; the checkpoint does not belong "
                "to its config.json: fetch or train it again"
            )
    return model
