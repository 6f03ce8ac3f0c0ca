"""A GGUF file as a student: its weights dequantised, in the folder that transformers reads."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftstudy.errors import StudyError
from sftstudy.files.writing import permit

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MAGIC = b"GGUF"


def convert(file: Path, folder: Path) -> None:
    """Make the Hugging Face folder of a GGUF file at `folder`, in bfloat16.

    It holds config.json, generation_config.json, safetensors, tokenizer and chat template.
    Quantised weights are computed back (dequantised): near what they were before, not equal to it.
    The same file gives the same bytes with the same versions of torch, transformers and gguf.

    Raises:
        StudyError: the file is no GGUF, of an architecture that transformers does not read from
            GGUF, or does not hold all weights and a tokenizer.
    """
    require_gguf(file)
    import torch
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
        loaded = _load(file)
    except (ValueError, KeyError, NotImplementedError, IndexError) as error:
        raise StudyError(
            f"{file}: transformers cannot make a model of it ({type(error).__name__}: {error}); "
            "use a GGUF file of an architecture that it reads, or a folder of safetensors as the "
            "source's 'path'"
        ) from error
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


def require_gguf(file: Path) -> None:
    """Raise `StudyError` unless this is a GGUF file, by its first four bytes."""
    if not file.is_file():
        raise StudyError(f"{file}: no such file; a source's 'gguf' must be a GGUF file")
    with file.open("rb") as handle:
        found = handle.read(len(MAGIC))
    if found != MAGIC:
        raise StudyError(
            f"{file}: is no GGUF file: it begins with {found!r}, expected {MAGIC!r}; was it "
            "downloaded whole, or is it a pointer of Git LFS?"
        )


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
