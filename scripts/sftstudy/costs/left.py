"""How long the jobs that a study still has will take, from those of the same kind that have ended.

This is rough: jobs of one kind differ, and machines do. So it is told in one figure, with what it
rests on, or not at all.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import fmean

from sftstudy.documents.record import read_record
from sftstudy.pages.numbers import lasting

Kind = tuple[str, str]  # student, and what is done with it: train, a suite, score
SAMPLE = 10  # records that are read of each kind; a large study has thousands


def mean_seconds(records: Mapping[Kind, Iterable[Path]]) -> dict[Kind, float]:
    """Return how long a job of each kind took, from the newest records of jobs that have ended.

    A kind without any is left out. Snakemake puts an empty file in a failed job's place.
    """
    means = {}
    for kind, files in records.items():
        sizes = [(file.stat(), file) for file in files if file.is_file()]
        newest = sorted((s.st_mtime, file) for s, file in sizes if s.st_size)[-SAMPLE:]
        if newest:
            means[kind] = fmean(read_record(file)["seconds"] for _, file in newest)
    return means


def time_left(left: Counter[Kind], means: Mapping[Kind, float], running: int) -> str:
    """Return a sentence on the time that `left` jobs of each kind take, `running` at a time."""
    unknown = [kind for kind in left if kind not in means]
    if unknown:
        student, what = unknown[0]
        more = f", nor of {len(unknown) - 1:,} other kinds" if len(unknown) > 1 else ""
        return f"Time left: not known yet (no job `{what}` of {student} has ended{more})."
    seconds = sum(count * means[kind] for kind, count in left.items())
    time = lasting(seconds / max(1, running))
    at_a_time = f"{running:,} jobs at a time, as now" if running > 1 else "one job at a time"
    return (
        f"Time left: roughly {time} with {at_a_time}, if they take as long as jobs\n"
        "of the same kind have."
    )
