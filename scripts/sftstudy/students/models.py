"""A model in memory: loaded from a checkpoint, on the device of this program.

Of a checkpoint only safetensors are read, every weight is accounted for, and no foreign code runs.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftstudy.device import DEVICE
from sftstudy.errors import StudyError
from sftstudy.students.checkpoints import require_weights

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


MIB = 1024**2
MEMINFO = Path("/proc/meminfo")


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
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=getattr(torch, dtype),
        attn_implementation=attention,
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        output_loading_info=True,  # makes the answer a pair, which its annotation does not say
    )
    model: PreTrainedModel = loaded[0]
    loading: dict[str, set[str]] = loaded[1]
    for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if loading[problem]:
            keys = sorted(map(str, loading[problem]))
            raise StudyError(
                f"{folder}: {len(keys)} {problem.replace('_', ' ')} for "
                f"{type(model).__name__}, for example {keys[0]}; the checkpoint does not belong "
                "to its config.json: fetch or train it again"
            )
    return model


def pick_device() -> "torch.device":
    """Return the device that this program was given (`sftstudy.device.compute`), by default the
    accelerator of this process, or the CPU where there is none.

    Raises `StudyError` when the device that was asked for is not there.
    """
    import torch

    wanted = os.environ.get(DEVICE, "auto")
    found = torch.device("cpu")
    if torch.accelerator.is_available() and wanted != "cpu":
        accelerator = torch.accelerator.current_accelerator()
        assert accelerator is not None, "it is available"
        found = accelerator
    if wanted not in ("auto", found.type):
        raise StudyError(
            f"device: {wanted}: torch finds only {found.type} here; run this job where there is "
            "such a device, or set device=auto"
        )
    return found


def embeddings(model: "PreTrainedModel") -> "torch.Tensor":
    """Return the weights of a model's input embedding, one row for each token."""
    import torch

    weight = model.get_input_embeddings().weight
    assert isinstance(weight, torch.Tensor)  # to torch's types it may be a module as well
    return weight


def require_embedded(model: "PreTrainedModel", sequences: Sequence[Sequence[int]]) -> None:
    """Raise `StudyError` if tokens have no embedding in the model: a GPU names no cause."""
    rows = embeddings(model).shape[0]
    highest = max(map(max, sequences), default=0)
    if highest >= rows:
        raise StudyError(
            f"{model.config.name_or_path}: its tokenizer makes the token {highest}, its weights "
            f"have embeddings for those below {rows}: the two do not belong together (were tokens "
            "added without resizing the embeddings?); fetch or make the student again"
        )


def free_memory(device: "torch.device", limit: int | None, processes: int = 1) -> float | None:
    """Return the bytes that this process may still take; None where that is not known.

    On a GPU those that are free. On a CPU its share of the main memory that is available to the
    job's `processes` on this machine: `limit` MiB at most, with what they hold already.
    """
    import torch

    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    if device.type != "cpu" or not MEMINFO.is_file():  # such as macOS
        return None
    found = re.search(r"^MemAvailable:\s+(\d+) kB$", MEMINFO.read_text(), re.MULTILINE)
    if found is None:
        return None
    free = 1024.0 * int(found[1])
    if limit is not None:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        free = min(free, limit * MIB - processes * pages * os.sysconf("SC_PAGE_SIZE"))
    return free / processes
