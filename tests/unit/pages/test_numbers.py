"""Numbers as people read them."""

import pytest

from sftstudy.pages.numbers import hours, near, number, p_digits, p_value, percent, points


def test_numbers_are_rounded_signed_and_never_invented() -> None:
    assert (percent(0.7315), percent(None), percent(0.0)) == ("73.2", "\u2013", "0.0")
    assert (points(0.123), points(-0.04), points(-0.0001)) == ("+12.3", "\u22124.0", "0.0")
    assert (hours(30), hours(600), hours(7200), hours(None)) == (
        "30 s",
        "10.0 min",
        "2.0 h",
        "\u2013",
    )
    assert (p_value(0.0001), p_value(0.034), p_value(None)) == ("p < 0.001", "p = 0.034", "")
    assert (number(5e-5), number(3080), number(None), number(True)) == (
        "5e-5", "3,080", "\u2013", "yes",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "limit", "text"),
    [
        (0.9513, 0.95, "0.951"),
        (0.95004, 0.95, "0.95004"),
        (0.9496, 0.95, "0.9496"),
        (0.95, 0.95, "0.95"),
        (0.1 + 0.2, 0.3, "0.30"),  # equal but for the last bit
        (0.95, 0.9, "0.95"),
        (1.05, 0.95, "1.05"),
        (0.950000004, 0.95, "just above 0.95"),
        (0.949999996, 0.95, "just below 0.95"),
        (0.9552, 0.957, "0.955"),  # 0.96 would be on the other side of the limit
        (0.0499, 0.05, "0.0499"),
        (-0.004, 0.0, "\u22120.004"),
    ],
)
def test_a_value_beside_its_limit_does_not_read_like_it(
    value: float, limit: float, text: str
) -> None:
    assert near(value, limit) == text


def test_a_value_beside_its_limit_in_percent() -> None:
    assert near(0.9004, 0.9, decimals=1, scale=100) == "90.04"
    assert near(0.7124, 0.7125, decimals=1, scale=100) == "71.24"
    assert near(0.7125, 0.7124, decimals=1, scale=100) == "71.25"
    assert near(0.29, 0.29, decimals=1, scale=100) == "29.0"
    assert near(0.290000001, 0.29, decimals=1, scale=100) == "just above 29"


def test_a_p_value_beside_its_level_does_not_read_like_it() -> None:
    assert p_value(0.0504) == "p = 0.0504" and p_value(0.0496) == "p = 0.0496"
    assert p_value(0.05) == "p = 0.050" and p_value(0.051) == "p = 0.051"
    assert p_value(0.0004) == "p < 0.001" and p_value(None) == ""
    assert p_value(0.0249, 0.025) == "p = 0.0249" and p_value(0.0496, 0.025) == "p = 0.05"
    assert (p_digits(0.002), p_digits(0.31), p_digits(9.7e-27)) == ("0.002", "0.31", "9.7e-27")
