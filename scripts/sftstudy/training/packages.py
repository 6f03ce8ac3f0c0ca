"""The packages that a training rests on: with others its outcome is another.

Programs without torch ask for them.
"""

from importlib.metadata import version

_PACKAGES = (
    "torch", "transformers", "trl", "peft", "accelerate", "datasets", "tokenizers", "safetensors"
)  # fmt: skip


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that a training rests on."""
    return {name: version(name) for name in _PACKAGES}
