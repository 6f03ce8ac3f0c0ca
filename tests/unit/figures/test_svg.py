"""What becomes of matplotlib's SVG: the same picture in fewer bytes."""

import re
from collections.abc import Iterator

import numpy as np
import pytest

from sftstudy.figures.svg import tidy

LENGTHS = {"M": 2, "L": 2, "H": 1, "V": 1, "C": 6, "Q": 4, "Z": 0}


def points(d: str) -> list[tuple[float, float]]:
    """The points of a path, read by SVG's rules: letters may be left out, numbers run together."""
    found: list[tuple[float, float]] = []
    x = y = 0.0
    start = (0.0, 0.0)
    for letter, numbers in commands(d):
        if letter.upper() == "Z":
            x, y = start
            continue
        base = (x, y) if letter.islower() else (0.0, 0.0)
        if letter.upper() == "H":
            found.append((base[0] + numbers[0], y))
        elif letter.upper() == "V":
            found.append((x, base[1] + numbers[0]))
        else:
            found += [
                (base[0] + a, base[1] + b) for a, b in zip(numbers[::2], numbers[1::2], strict=True)
            ]
        x, y = found[-1]
        start = (x, y) if letter.upper() == "M" else start
    return found


def commands(d: str) -> Iterator[tuple[str, list[float]]]:
    for letter, text in re.findall(r"([A-Za-z])([^A-Za-z]*)", d):
        numbers = [float(number) for number in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", text)]
        size = LENGTHS[letter.upper()]
        for index in range(0, len(numbers), size) if size else [0]:
            yield letter, numbers[index : index + size] if size else []


def wrapped(inside: str) -> str:
    return f'<?xml?>\n<svg width="9pt">\n<title>t</title>\n{inside}\n</svg>'


def shortened(d: str) -> str:
    [found] = re.findall(r' d="([^"]*)"', tidy(wrapped(f'<path d="{d}" style="stroke: red"/>'), {}))
    return found


def test_a_path_keeps_its_points_to_a_tenth() -> None:
    line = np.random.default_rng(0).uniform(-50, 700, (200, 2))
    text = "M " + " \nL ".join(f"{x:.6f} {y:.6f}" for x, y in line) + " \n"
    assert np.array(points(shortened(text))) == pytest.approx(line, abs=0.051)
    assert len(shortened(text)) < 0.6 * len(text)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("M 10.04 20 \nL 30 20 \nL 30 -5.46 \n", "m10 20h20v-25.5"),
        ("M 1 1 \nL 1.01 1.02 \nL 2 3 \n", "m1 1l1 2"),  # what falls together is one point
        ("M 0 0 \nL 1 0 \nz\nM 5 5 \nL 6 6 \nz\n", "m0 0h1zm5 5l1 1z"),  # z goes back
        ("M 0 1 \nC 0.5 1 1 0.5 1 0 \nC 1 -1 0 -1 0 0 \n", "m0 1c.5 0 1-.5 1-1 0-1-1-1-1 0"),
    ],
)
def test_how_paths_are_written(before: str, after: str) -> None:
    assert shortened(before) == after


def test_neighbours_of_one_look_share_a_group() -> None:
    style = 'style="fill: none; stroke: red"'
    one, two = (f'<path d="M {x} 0 \nL {x} 5 \n" {style}/>' for x in (1, 2))
    svg = tidy(wrapped(f'<g id="axes_1">\n{one}\n  {two}\n</g>'), {})
    assert svg.count("stroke:red") == 1
    assert '<g style="fill:none;stroke:red">\n<path d="m1 0v5"/>\n<path d="m2 0v5"/>\n</g>' in svg
    assert "axes_1" not in svg and svg.count("<g") == svg.count("</g>") == 1


def test_stand_ins_become_the_pages_colours() -> None:
    svg = tidy(wrapped('<text style="fill: #010203; font-size: 8px">a</text>'), {"#010203": "red"})
    assert '<text style="fill:red;font-size:8px">a</text>' in svg
