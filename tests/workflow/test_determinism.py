"""A study from scratch, once more and with more jobs at once, is the same to the last byte."""

from pathlib import Path

import pytest
import yaml

from repository import ROOT
from sftstudy.study import jobs
from sftstudy.study.grid import Study
from sftstudy.study.plan import recommendation_plan, study_plan
from workflow.chaos import contents
from workflow.running import MINI, copy_repository, snakemake


@pytest.mark.slow
def test_sixteen_jobs_at_once_give_what_two_gave(mini: Path, tmp_path: Path) -> None:
    """Weights, predictions, metrics, tables, figures, recommendation; times are left out."""
    again = copy_repository(tmp_path)
    snakemake(again, "--cores", "16", "--configfile", MINI)
    first, second = contents(mini), contents(again)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
    kinds = {name.split("/")[0] for name in first}
    assert kinds >= {"checkpoints", "predictions", "metrics", "tables", "recommendations"}


def test_every_seed_is_written_down() -> None:
    """Splits, order of rows, bootstrap. Generation is greedy and draws nothing."""
    config = yaml.safe_load((ROOT / MINI).read_text(encoding="utf-8"))
    study = Study(config | {"seed": 5, "training": config["training"] | {"seed": 7}}, MINI)
    assert "--seed=5" in jobs.prepare_options(study, "banking77")
    assert jobs.recipe(study, "smoke", "banking77", "lr0.001")["training"]["seed"] == 7
    assert study_plan(study)["seed"] == recommendation_plan(study, "smoke")["seed"] == 5
