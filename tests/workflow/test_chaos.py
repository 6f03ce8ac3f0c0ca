"""A study that is killed a few times ends like one that was not; `make chaos` kills it 30 times."""

from pathlib import Path

import pytest

from sftstudy.files.reading import read_json
from workflow.chaos import SNAKEMAKE_ALONE, STAGES, Chaos, Kill, contents, kills, prepared

pytestmark = pytest.mark.slow

KILLS = [
    Kill("build_smoke_student", "job", 1.0, skip=0, at_work=False),
    Kill("train", "job", 0.0, skip=0, at_work=True),
    Kill("predict", "snakemake", 0.0, skip=0, at_work=True),
    Kill("predict", "group", 0.0, skip=1, at_work=True),
    Kill("score", "job", 0.1, skip=2, at_work=False),
    Kill("report", "group", 0.5, skip=0, at_work=False),
]


def test_killed_study_ends_like_an_undisturbed_one(mini: Path, tmp_path: Path) -> None:
    chaos = Chaos(prepared(tmp_path), contents(mini))
    late = chaos.round(KILLS)
    assert chaos.done.total() >= 5, f"came too late: {late}"
    assert chaos.continued >= 1, "no killed job went on from what it had saved"


def test_no_kind_of_job_is_spared(mini: Path) -> None:
    """The stages are the programs that the study runs, and the first round kills each itself."""
    records = (mini / "results/mini/records").rglob("*.json")
    programs = {read_json(record)["program"] for record in records}
    assert programs == STAGES.keys() - {SNAKEMAKE_ALONE}
    first = next(kills(0))
    assert {kill.stage for kill in first if kill.victim == "job"} == programs
