"""A student that is made in a second: random weights, the tokenizer of `tiny_tokenizer`."""

from pathlib import Path
from typing import Any

from made_documents import source
from sftstudy.files.writing import write_json
from tiny_tokenizer import CHATML, save_tokenizer


def save_student(folder: Path, template: str | None = CHATML, model: Any = None) -> Path:
    """Save a model with its tokenizer; return the folder.

    Without `model` it is a Qwen3-style one of 0.1 million parameters.
    """
    save_tokenizer(folder, template)
    (model or _qwen3()).save_pretrained(folder)
    write_json(folder / "SOURCE.json", source(kind="test", id=None, revision=None))
    return folder


def _qwen3() -> Any:
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=300,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=2048,
        tie_word_embeddings=False,
        initializer_range=0.2,  # so that it has opinions
    )
    return Qwen3ForCausalLM(config)
