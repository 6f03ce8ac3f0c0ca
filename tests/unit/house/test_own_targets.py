"""A reply that says exactly what a row wants is right, on every row of every task's source."""

from pathlib import Path

import pytest

from sftstudy.tasks import registry
from sftstudy.tasks.registry import TASKS


@pytest.mark.parametrize("name", TASKS)
def test_every_target_is_right(name: str, shared_data: Path) -> None:
    score = registry.score_module(name)
    splits = registry.data_module(name).read(shared_data / name)
    rows = [row for split in splits.values() for row in split]
    assert len(rows) > 500
    items = [score.outcomes(row, row["completion"][0]["content"]) for row in rows]
    primary = score.metrics(items)[score.PRIMARY].outcome
    wrong = [row["id"] for row, item in zip(rows, items, strict=True) if item[primary] != 1]
    assert not wrong
