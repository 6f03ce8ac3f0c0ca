"""What p-values say in words, and when a test decides by little."""

import numpy as np
import pytest

from sftstudy.statistics.evidence import of_change, only_just
from sftstudy.statistics.gates import rate_gate, ratio_gate


def test_evidence_of_a_change_is_its_direction_where_it_is_significant() -> None:
    assert of_change(0.1, 0.05) == "proven"
    assert of_change(-0.1, 0.05) == "violated"
    assert of_change(0.1, 0.0501) == of_change(-0.1, 0.0501) == "not proven"


@pytest.mark.parametrize(
    ("p", "by_little"), [(0.01, False), (0.025, False), (0.026, True), (0.05, True), (0.051, False)]
)
def test_a_test_decides_by_little_above_half_of_its_level(p: float, by_little: bool) -> None:
    assert only_just(p, 0.05) == by_little


@pytest.mark.parametrize(
    ("safe", "evidence", "by_little"),
    [
        # Of 100 at a rate of 90%: p is the binomial tail, the level 5%.
        (97, "proven", False),  # 0.008
        (96, "proven", False),  # 0.024
        (95, "not proven", False),  # 0.058
        (85, "not proven", False),  # 0.07 of the other direction
        (84, "violated", True),  # 0.04
        (82, "violated", False),  # 0.01
    ],
)
def test_a_rate_is_proven_or_violated_only_just(safe: int, evidence: str, by_little: bool) -> None:
    rows = np.arange(100)
    result = rate_gate((rows < safe).astype(float), rows, 0.9)
    assert (result.evidence, result.only_just) == (evidence, by_little)


def test_a_rate_of_rows_in_groups_is_proven_only_just_somewhere_between_twice_and_never() -> None:
    rows = np.arange(400)
    by_little = []
    for safe in range(360, 401):
        result = rate_gate((rows < safe).astype(float), rows % 200, 0.9)
        assert result.only_just == (0.025 < result.p <= 0.05)
        by_little.append(result.only_just)
    assert any(by_little) and not all(by_little)


@pytest.mark.parametrize(
    ("lost", "evidence", "by_little"),
    [
        # Of 450 that the baseline gets right, at a ratio of 0.95: score test, level 2.5%.
        (12, "proven", False),  # p = 0.0116
        (13, "proven", True),
        (15, "not proven", False),  # p = 0.052
        (32, "violated", True),
        (33, "violated", False),  # 0.0116 of the other direction
    ],
)
def test_a_ratio_is_proven_or_violated_only_just(lost: int, evidence: str, by_little: bool) -> None:
    rows = np.arange(600)
    baseline = (rows < 450).astype(float)
    result = ratio_gate(baseline * (rows >= lost), baseline, rows, 0.95)
    assert (result.evidence, result.only_just) == (evidence, by_little)
