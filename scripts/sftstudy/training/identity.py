"""What tells the outcome of one training from that of another: its weights and its packages.

Apart from `sftstudy.training.checkpoint`, because programs without torch ask for it.
"""

from importlib.metadata import version
from pathlib import Path

from sftstudy.files import sha256_file

_PACKAGES = (
    "torch", "transformers", "trl", "peft", "accelerate", "datasets", "tokenizers", "safetensors"
)  # fmt: skip


def weights_sha256(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each safetensors file of a folder, an adapter's included."""
    return {
        file.relative_to(folder).as_posix(): sha256_file(file)
        for file in sorted(folder.rglob("*.safetensors"))
    }


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that a training rests on."""
    return {name: version(name) for name in _PACKAGES}
