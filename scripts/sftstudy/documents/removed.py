"""WEIGHTS_REMOVED.json: stands in a checkpoint in place of weights that were removed for space."""

from pathlib import Path
from typing import TypedDict

from sftstudy.documents.shapes import read

REMOVED = "WEIGHTS_REMOVED.json"


class Removed(TypedDict):
    """The file."""

    bytes: int  # that the weights held
    weights_sha256: dict[str, str]  # by file in the checkpoint


def read_removed(path: Path) -> Removed:
    """Return what was removed. The file is nobody's input: it stands for the weights."""
    return read(path, Removed, enter=False)


def removed_weights(folder: Path) -> dict[str, str]:
    """Return name and hash of the weights that were removed from a checkpoint and are not back."""
    marker = folder / REMOVED
    if not marker.is_file():
        return {}
    hashes = read_removed(marker)["weights_sha256"]
    return {name: sha256 for name, sha256 in hashes.items() if not (folder / name).exists()}
