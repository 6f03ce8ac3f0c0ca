"""Holm's adjustment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftstudy.statistics.multiplicity import holm


def test_holm_of_a_worked_example():
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, never falling.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_is_between_no_correction_and_bonferronis(p_values):
    adjusted = holm(p_values)
    for plain, value in zip(p_values, adjusted, strict=True):
        assert plain <= value + 1e-12
        assert value <= min(1.0, plain * len(p_values)) + 1e-12 or value == max(
            other for other, raw in zip(adjusted, p_values, strict=True) if raw <= plain
        )
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    assert [adjusted[i] for i in order] == sorted(adjusted)
