"""The packages that a training rests on: with others its outcome is another.

Programs without torch ask for them.
"""

from sftstudy.records.record import installed

_PACKAGES = (
    "torch", "transformers", "trl", "peft", "accelerate", "datasets", "tokenizers", "safetensors",
    # The attention that `flash_attention_2` asks for is computed by one, or the other instead.
    "flash_attn", "kernels",
)  # fmt: skip


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that a training rests on."""
    return installed(_PACKAGES)
