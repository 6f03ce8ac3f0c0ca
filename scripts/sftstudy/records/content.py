"""The hash of what a file, a snapshot or a checkpoint holds, by which records tell it again."""

from collections.abc import Mapping
from pathlib import Path

from sftstudy.documents.provenance import PROVENANCE, read_weights
from sftstudy.documents.removed import REMOVED, removed_weights
from sftstudy.documents.source import SOURCE, read_source
from sftstudy.files.hashing import sha256_file, sha256_json

# Files of a folder that say where it came from and are no part of what it holds.
_ABOUT = frozenset({"README.md", SOURCE, PROVENANCE, ".snakemake_timestamp", REMOVED})


def content_sha256(path: Path) -> str:
    """Return the hash of a file, or of what is in a folder.

    Weights are gigabytes: where the folder's own description lists their hash and is not older
    than they are, that hash is taken.
    """
    return folder_sha256(path, _described_weights(path)) if path.is_dir() else sha256_file(path)


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


def _described_weights(folder: Path) -> dict[str, str]:
    """Return the hashes of a checkpoint's weights that can be had without reading them."""
    described: dict[str, str] = {}
    source, provenance = folder / SOURCE, folder / PROVENANCE
    if source.is_file():
        files = read_source(source, enter=False)["files"]
        described |= _no_newer({name: facts["sha256"] for name, facts in files.items()}, source)
    if provenance.is_file():
        hashes = read_weights(provenance)
        described |= _no_newer(hashes, provenance)
    return described


def _no_newer(hashes: Mapping[str, str], description: Path) -> dict[str, str]:
    """Return the hashes of those weights that have not been written since their description."""
    folder, written = description.parent, description.stat().st_mtime_ns
    return {
        name: sha256
        for name, sha256 in hashes.items()
        if name.endswith(".safetensors")
        and (folder / name).is_file()
        and (folder / name).stat().st_mtime_ns <= written
    }
