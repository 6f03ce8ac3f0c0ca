"""A GGUF file as a student: its weights dequantised, in the folder that transformers reads."""

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftstudy.documents.source import SOURCE
from sftstudy.errors import StudyError
from sftstudy.files.hashing import sha256_file
from sftstudy.files.writing import atomic_path, permit, write_json
from sftstudy.sources.description import describe

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_FULL = ("F64", "F32", "F16", "BF16")  # types of GGUF that are not quantised


def snapshot(file: Path, output: Path) -> None:
    """Make the student of a GGUF file at `output`, with its ``SOURCE.json``: whole or not at all.

    Raises `StudyError` as `convert` does.
    """
    sha256 = sha256_file(file)
    with atomic_path(output) as folder:
        convert(file, folder)
        found = describe("gguf", file.name, sha256, folder)
        if types := _quantised(file):
            found["dequantised"] = types
        write_json(folder / SOURCE, found)


def convert(file: Path, folder: Path) -> None:
    """Make the Hugging Face folder of a GGUF file at `folder`, in bfloat16.

    It holds config.json, generation_config.json, safetensors, tokenizer and chat template.
    Quantised weights are computed back (dequantised): near what they were before, not equal to it.
    The same file gives the same bytes with the same versions of torch, transformers and gguf.

    Raises:
        StudyError: the file is damaged, of an architecture that transformers does not read from
            GGUF, or does not hold all weights, a tokenizer and a chat template.
    """
    import torch
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
        loaded = _load(file)
    except (ValueError, LookupError, NotImplementedError, struct.error) as error:
        raise StudyError(
            f"{file}: transformers cannot make a model of it ({type(error).__name__}: {error}); "
            "use a GGUF file of an architecture that it reads, or a folder of safetensors as the "
            "source's 'path'"
        ) from error
    if not tokenizer.chat_template:
        raise StudyError(
            f"{file}: holds no chat template; a student must be an instruct model: choose another "
            "file"
        )
    # transformers refuses to save what it has loaded from GGUF: a fresh model of the same
    # configuration, which starts with no values of its own, takes the weights over.
    values = loaded.config.to_dict()
    for key in ("quantization_config", "_name_or_path", "_model_name_or_path"):
        values.pop(key, None)
    weights = {name: weight.to(torch.bfloat16) for name, weight in loaded.state_dict().items()}
    with torch.device("meta"):
        fresh: PreTrainedModel = type(loaded)(type(loaded.config)(**values))
    fresh.load_state_dict(weights, strict=True, assign=True)
    fresh.tie_weights()
    fresh.save_pretrained(folder)
    for path in folder.glob("*.safetensors"):
        permit(path, 0o644)  # written for its owner only
    tokenizer.save_pretrained(folder)


def _load(file: Path) -> "PreTrainedModel":
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        file.parent,
        gguf_file=file.name,
        dtype=torch.float32,  # rounded once, when it is whole
        local_files_only=True,
        trust_remote_code=False,
        output_loading_info=True,
    )
    model: PreTrainedModel = loaded[0]
    if missing := sorted(map(str, loaded[1]["missing_keys"])):
        raise StudyError(
            f"{file}: lacks {len(missing)} weights of its {type(model).__name__}, for example "
            f"{missing[0]}: transformers does not read all of this file; use another one"
        )
    return model


def _quantised(file: Path) -> list[str]:
    """Return the types of the quantised weights in a GGUF file, by name."""
    from gguf import GGUFReader

    types = {tensor.tensor_type.name for tensor in GGUFReader(file).tensors}
    return sorted(types - set(_FULL))
