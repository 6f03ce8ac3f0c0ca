"""Columns of a listing."""

from sftstudy.pages.columns import aligned, widths

ROWS = [("partition", "jobs"), ("a", "12"), ("long name", "1,234")]


def test_names_are_aligned_to_the_left_and_numbers_to_the_right() -> None:
    assert aligned(ROWS) == ["partition   jobs", "a             12", "long name  1,234"]


def test_all_columns_may_be_to_the_left_or_to_the_right() -> None:
    assert aligned(ROWS, left=2) == ["partition  jobs", "a          12", "long name  1,234"]
    assert aligned(ROWS, left=0) == ["partition   jobs", "        a     12", "long name  1,234"]
    assert widths(ROWS) == [9, 5]
