"""A finished training stays finished, even if Snakemake was killed before it could record it.

Snakemake calls the output of a job that outlived it incomplete, removes it and starts the job
again. So a training that has made its checkpoint keeps a second set of names for the same files
(hard links, which take no space) in its scratch folder, and the next attempt publishes it again.
The copy goes when Snakemake has recorded the checkpoint, or when its weights are removed.

The copy serves the same training only: the same recipe, data and base name the scratch folder;
whether code and packages are the same, its provenance tells.
"""

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from sftstudy.documents.provenance import PROVENANCE, Provenance, read_provenance
from sftstudy.errors import StudyError
from sftstudy.files.hashing import weights_sha256
from sftstudy.files.ledger import shown
from sftstudy.files.reading import read_json
from sftstudy.files.writing import NO_HARD_LINKS, atomic_path, link_or_copy, write_json

COPY = ".finished"
MARKER = ".finished.json"  # written last: a copy without it was cut short


class _NoHardLinks(Exception):
    pass


def scratch_folder(root: Path, identity: str) -> Path:
    """Return where a training keeps what it saves; `identity` is that of its provenance."""
    return root / identity[:16]


def keep(output: Path, scratch: Path) -> None:
    """Keep a copy of a finished checkpoint.

    Where there are no hard links, or no space for the names, say so and keep none: the training is
    done.
    """
    try:
        with atomic_path(scratch / COPY) as folder:
            _repeat(output, folder, _link)
        write_json(scratch / MARKER, {"output": shown(output)})
    except (_NoHardLinks, StudyError) as error:
        forget(scratch)
        print(
            f"no copy of the finished checkpoint in {scratch}: {error}; were Snakemake killed "
            "before it records this job, the training would be done again",
            flush=True,
        )


def kept(scratch: Path) -> Provenance | None:
    """Return the provenance of the copy, None if there is none; it may be of another version."""
    if not (scratch / MARKER).is_file():
        return None
    return read_provenance(scratch / COPY / PROVENANCE, enter=False)


def publish(scratch: Path, output: Path, provenance: Provenance) -> None:
    """Put the copy in the place of the checkpoint.

    Raises `StudyError`, and removes the copy, if its weights are not those that were trained.
    """
    if weights_sha256(scratch / COPY) != provenance["weights_sha256"]:
        forget(scratch)
        raise StudyError(
            f"{scratch / COPY}: the weights of this copy of the finished checkpoint were changed "
            "since; the copy is removed, run again to train from the start"
        )
    with atomic_path(output) as folder:
        # Copied where links fail here, say on a node that reaches the disk in another way.
        _repeat(scratch / COPY, folder, link_or_copy)


def forget(scratch: Path) -> None:
    """Remove the copy of a training, if there is one."""
    (scratch / MARKER).unlink(missing_ok=True)
    shutil.rmtree(scratch / COPY, ignore_errors=True)
    if scratch.is_dir() and not any(scratch.iterdir()):
        scratch.rmdir()


def forget_recorded(scratch_root: Path, incomplete: Callable[[Iterable[str]], set[str]]) -> None:
    """Remove the copies of all checkpoints but those that Snakemake holds to be incomplete.

    `incomplete` tells which of some outputs these are.
    """
    markers = sorted(scratch_root.glob(f"*/{MARKER}"))
    outputs = {marker: read_json(marker, enter=False)["output"] for marker in markers}
    begun = incomplete(outputs.values())
    for marker, output in outputs.items():
        if output not in begun:
            forget(marker.parent)


def _repeat(source: Path, target: Path, repeat_file: Callable[[Path, Path], object]) -> None:
    """Make the folder `target` with the same files as `source`."""
    target.mkdir()
    for path in sorted(source.rglob("*")):
        copy = target / path.relative_to(source)
        if path.is_dir():
            copy.mkdir()
        else:
            repeat_file(path, copy)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno in NO_HARD_LINKS:
            raise _NoHardLinks(f"hard links fail ({error.strerror})") from None
        raise
