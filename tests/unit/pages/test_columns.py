"""Lines of aligned columns."""

from sftstudy.pages.columns import aligned, widths

ROWS = [("name", "n", ""), ("a", "1,000", "note"), ("longer", "7", "")]


def test_names_stand_to_the_left_and_numbers_to_the_right() -> None:
    assert aligned([row[:2] for row in ROWS]) == ["name        n", "a       1,000", "longer      7"]


def test_columns_of_text_and_no_blanks_at_the_end() -> None:
    assert aligned(ROWS, left=3) == ["name    n", "a       1,000  note", "longer  7"]
    assert widths(ROWS) == [6, 5, 4]
