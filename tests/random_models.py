"""Small models with random weights, one of each architecture that the students have."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_SMALL = {
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 2048,
    "initializer_range": 0.2,
}


def qwen3() -> "PreTrainedModel":
    """Return a Qwen3 model whose input and output embeddings are one, as the small ones have."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    return Qwen3ForCausalLM(Qwen3Config(**_SMALL, tie_word_embeddings=True))


def llama() -> "PreTrainedModel":
    """Return a Llama model with two embeddings, as the large ones have."""
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(LlamaConfig(**_SMALL, tie_word_embeddings=False))


def gemma3() -> "PreTrainedModel":
    """Return a Gemma 3 model that sees images, with a window shorter than the tests' rows."""
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    text = _SMALL | {"sliding_window": 32, "layer_types": ["sliding_attention", "full_attention"]}
    vision = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    vision |= {"num_attention_heads": 2, "image_size": 28, "patch_size": 14}
    return Gemma3ForConditionalGeneration(
        Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4)
    )


ARCHITECTURES: dict[str, Callable[[], "PreTrainedModel"]] = {
    "qwen3": qwen3,
    "llama": llama,
    "gemma3": gemma3,
}
