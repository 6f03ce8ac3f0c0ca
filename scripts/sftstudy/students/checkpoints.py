"""A checkpoint as a folder: its fingerprint, its sizes, whether it has its weights. No torch."""

import json
import math
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from sftstudy.documents.removed import removed_weights
from sftstudy.errors import StudyError
from sftstudy.files.hashing import file_marks
from sftstudy.files.reading import read_json
from sftstudy.records.content import folder_sha256

INDEX = "model.safetensors.index.json"  # which file holds which weight, where there are several
SINGLE = "model.safetensors"


def fingerprint(checkpoint: Path) -> str:
    """Return a hash of a checkpoint's content: weights, config.json, tokenizer, template."""
    return folder_sha256(checkpoint)


class Watched:
    """A checkpoint that must stay what it is while it is loaded and used.

    Attributes:
        folder: the checkpoint.
        sha256: its fingerprint.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._marks = file_marks(folder.rglob("*"))  # before the hash: what changes now is noticed
        self.sha256 = fingerprint(folder)

    def require_same(self) -> None:
        """Raise `StudyError`, naming a file, if the checkpoint is not what it was.

        Nothing is read unless a file has another number, size or time than before.
        """
        marks = file_marks(self.folder.rglob("*"))
        if marks == self._marks:
            return
        with suppress(FileNotFoundError):
            if fingerprint(self.folder) == self.sha256:  # written again with the same content
                self._marks = marks
                return
        both = marks.keys() | self._marks.keys()
        changed = min(file for file in both if marks.get(file) != self._marks.get(file))
        raise StudyError(f"{changed}: was changed while it was being read; run again")


def parameter_count(checkpoint: Path) -> int:
    """Return how many values the weights of a checkpoint hold."""
    return sum(weight_counts(checkpoint).values())


def weight_counts(checkpoint: Path) -> dict[str, int]:
    """Return the number of values of each weight; only the heads of safetensors are read."""
    counts: dict[str, int] = {}
    names = [file.name for file in checkpoint.glob("*.*")]
    for name in weight_files(str(checkpoint), names, lambda index: checkpoint / index):
        with (checkpoint / name).open("rb") as handle:
            head = json.loads(handle.read(int.from_bytes(handle.read(8), "little")))
        head.pop("__metadata__", None)
        counts |= {name: math.prod(tensor["shape"]) for name, tensor in head.items()}
    return counts


def weight_files(where: str, names: Collection[str], bring: Callable[[str], Path]) -> list[str]:
    """Return which of a checkpoint's files are its weights, of `names`: those in its folder.

    They are the files of its index, else `SINGLE`. Folders often hold the same weights a second
    time, in another layout: as ``consolidated.safetensors``, say, or whole beside their parts.
    `bring` returns where a file can be read. Raises `StudyError`, saying `where`, for an index that
    is damaged or lists files that are not there.
    """
    if INDEX not in names:
        return [name for name in names if name == SINGLE]
    index = read_json(bring(INDEX), enter=False)
    parts = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(parts, dict) or not all(isinstance(part, str) for part in parts.values()):
        raise StudyError(
            f"{where}: {INDEX}: expected 'weight_map', from names of weights to files; the file "
            "is damaged: fetch it again"
        )
    if missing := sorted(set(parts.values()) - set(names)):
        raise StudyError(
            f"{where}: {INDEX} lists {missing[0]}, which is not there ({len(missing)} of "
            f"{len(set(parts.values()))} weight files are missing); complete the repository or "
            "mirror"
        )
    return sorted(set(parts.values()))


def require_weights(folder: Path) -> None:
    """Raise `StudyError` if the weights of a checkpoint were removed to save space (`keep`)."""
    if removed_weights(folder):
        raise StudyError(
            f"{folder}: its weights were removed to save space (`keep` in the study file), and "
            f"this job needs them. Train it again with: snakemake --force {folder} (and the "
            "--profile and --configfile of this run); `keep: all` keeps all"
        )
