"""Numbers as people read them."""

from sftstudy.pages.numbers import hours, number, p_value, percent, points


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
