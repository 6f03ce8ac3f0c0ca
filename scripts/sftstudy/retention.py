"""Removing weights that need not stay.

A checkpoint's folder stays, with its config.json, tokenizer, model card, provenance and adapter;
its large safetensors go, and a marker with their hashes comes in their place. So the folder is an
input and output of Snakemake's jobs as before, its fingerprint is the same, known replies come from
their journals, and what computes with the weights says that they are gone.
"""

from collections.abc import Iterable
from pathlib import Path

from sftstudy.documents.provenance import PROVENANCE, read_provenance
from sftstudy.documents.recommendation import Recommendation
from sftstudy.documents.removed import REMOVED, Removed, read_removed, removed_weights
from sftstudy.documents.retained import Keep
from sftstudy.errors import StudyError
from sftstudy.files.writing import write_json
from sftstudy.run import finished
from sftstudy.study.layout import Layout
from sftstudy.study.variants import trial_of


def kept_configurations(recommendation: Recommendation, keep: Keep) -> set[str]:
    """Return the configurations that keep their weights, on all tasks.

    Not yet decided ones are no reason to remove anything. Where nothing is feasible,
    ``recommended`` keeps the least violating one, which the report shows in its place.
    """
    if keep == "feasible":
        return {
            entry["configuration"]
            for entry in recommendation["configurations"]
            if entry["status"] != "infeasible"
        }
    least = recommendation["least_violating"]
    shown = recommendation["chosen"] or (least["configuration"] if least else None)
    return {shown} if shown else set()


def retain(
    results: Layout, student: str, variants: Iterable[str], kept: set[str]
) -> dict[str, int]:
    """Remove the weights of a student's `variants` whose configuration is not `kept`.

    Their finished copies in the trainings' scratch go with them: they are the same bytes.

    Returns the bytes that each of these held. Raises `StudyError`, before anything is removed, if
    a checkpoint that is to be kept has lost its weights before, or does not know its own hashes.
    """
    checkpoints = {variant: results.checkpoint(student, variant) for variant in variants}
    stay = {variant for variant in checkpoints if trial_of(variant) in kept}
    lost = [v for v, folder in checkpoints.items() if v in stay and removed_weights(folder)]
    if lost:
        folders = " ".join(str(checkpoints[variant]) for variant in lost)
        raise StudyError(
            f"to be kept now, but their weights were removed before: {', '.join(lost)}; train them "
            f"again with: snakemake --force {folders} (and the --profile and --configfile of this "
            "run)"
        )
    removable = {v: _removable(folder) for v, folder in checkpoints.items() if v not in stay}
    for variant in removable:
        identity = read_provenance(checkpoints[variant] / PROVENANCE)["identity"]
        finished.forget(finished.scratch_folder(results.scratch, identity))
    return {variant: _remove(checkpoints[variant], removable[variant]) for variant in removable}


def _removable(folder: Path) -> dict[str, str]:
    """Return name and hash of the weights of a checkpoint that are there to be removed."""
    hashes = read_provenance(folder / PROVENANCE)["weights_sha256"]
    names = {file.name for file in folder.glob("*.safetensors")}
    if unknown := sorted(names - set(hashes)):
        raise StudyError(
            f"{folder / unknown[0]}: not in the weights_sha256 of provenance.json; nothing was "
            "removed: move the file away, or set keep: all"
        )
    return {name: hashes[name] for name in sorted(names)}


def _remove(folder: Path, weights: dict[str, str]) -> int:
    marker = folder / REMOVED
    removed: Removed = {"bytes": 0, "weights_sha256": {}}
    if marker.is_file():
        removed = read_removed(marker)
    size = sum((folder / name).stat().st_size for name in weights)
    removed["bytes"] = max(removed["bytes"], size)
    if weights:  # the marker first: killed in between, the folder is still what it was
        removed["weights_sha256"] |= weights
        write_json(marker, removed)
    for name in weights:
        (folder / name).unlink()
    return removed["bytes"]
