"""What a folder holds: a snapshot, a checkpoint, one whose weights were removed to save space."""

from collections.abc import Mapping
from pathlib import Path

from sftstudy.files.hashing import sha256_file, sha256_json
from sftstudy.files.reading import read_json

# In place of weights that were removed: their hashes, see `sftstudy.retention`.
REMOVED = "WEIGHTS_REMOVED.json"
# Files of a folder that say where it came from and are no part of what it holds.
_ABOUT = frozenset({"README.md", "SOURCE.json", "provenance.json", ".snakemake_timestamp", REMOVED})


def folder_sha256(folder: Path, known: Mapping[str, str] | None = None) -> str:
    """Return a hash of what a folder holds: names and contents, without what describes it.

    `known` gives hashes of files (paths in the folder) that need not be read. Weights that were
    removed to save space count as if they were there.
    """
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    hashes = dict(known or {})
    content = {
        name: hashes.get(name) or sha256_file(file)
        for file in files
        if file.name not in _ABOUT
        for name in [file.relative_to(folder).as_posix()]
    }
    return sha256_json(removed_weights(folder) | content)


def removed_weights(folder: Path) -> dict[str, str]:
    """Return name and hash of the weights that were removed from a checkpoint to save space."""
    marker = folder / REMOVED
    if not marker.is_file():
        return {}
    hashes = read_json(marker, enter=False)["weights_sha256"]
    return {name: sha256 for name, sha256 in hashes.items() if not (folder / name).exists()}


def weights_sha256(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each safetensors file of a folder, an adapter's included."""
    return {
        file.relative_to(folder).as_posix(): sha256_file(file)
        for file in sorted(folder.rglob("*.safetensors"))
    }
