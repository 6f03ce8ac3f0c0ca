"""The packages that a training rests on: with others its outcome is another.

Programs without torch ask for them.
"""

from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = (
    "torch", "transformers", "trl", "peft", "accelerate", "datasets", "tokenizers", "safetensors"
)  # fmt: skip
# The attention that they compute is asked for by `flash_attention_2`: one, or the other instead.
_OPTIONAL = ("flash_attn", "kernels")


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that a training rests on."""
    found = {name: version(name) for name in _PACKAGES}
    for name in _OPTIONAL:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
