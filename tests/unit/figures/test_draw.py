"""The figures: named in advance, honest SVG that a page can carry, the same bytes every time."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qsl
from xml.etree import ElementTree

import pytest

from repository import ROOT
from sftstudy.figures.names import figures
from sftstudy.tables.collect import collect
from sftstudy.tables.results import load
from sftstudy.tables.schema import COLUMNS
from synthetic_study import Study, write_study

STUDENTS, TASKS = ["tiny", "a<b&c"], ["banking77", "tatqa"]
SPACE = {
    "learning_rate": [1e-5, 5e-5],
    "num_train_epochs": [1],
    "per_device_train_batch_size": [2, 4],
}
TEXT, LINK = "{http://www.w3.org/2000/svg}text", "{http://www.w3.org/2000/svg}a"
HREF = "{http://www.w3.org/1999/xlink}href"


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict]]:
    root = tmp_path_factory.mktemp("study")
    gone = (("tiny", "tatqa", trial) for trial in ("lr1e-05_ep1_bs2", "lr5e-05_ep1_bs4"))
    study = Study(root, tuple(STUDENTS), tuple(TASKS), space=SPACE, rows=20, missing=tuple(gone))
    write_study(study)
    rows = collect(load(root / "plan.json", study.results))
    return {
        name: [{key: row.get(key) for key in COLUMNS[name]} for row in rows[name]] for name in rows
    }


@pytest.fixture(scope="module")
def drawn(tables: dict, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from sftstudy.figures.draw import draw_all

    folder = tmp_path_factory.mktemp("figures")
    draw_all(tables, STUDENTS, TASKS, folder)
    return folder


def texts(path: Path) -> list[str]:
    return ["".join(node.itertext()) for node in ElementTree.parse(path).iter(TEXT)]


def test_names_are_known_without_matplotlib_and_are_what_is_drawn(drawn: Path) -> None:
    script = (
        "import sys; from sftstudy.figures.names import figures;"
        "print(len(figures(['s'], ['a', 'b'])), 'matplotlib' in sys.modules)"
    )
    output = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(ROOT / "scripts")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert output.stdout.split() == ["9", "False"]
    names = [f"{figure.name}.svg" for figure in figures(STUDENTS, TASKS)]
    assert len(names) == len(set(names))
    files = {path.relative_to(drawn).as_posix() for path in drawn.rglob("*.svg")}
    assert files == set(names)


def test_every_figure_names_an_existing_table() -> None:
    assert {figure.source for figure in figures(STUDENTS, TASKS)} <= set(COLUMNS)


def test_svg_is_wellformed_with_text_as_text(drawn: Path) -> None:
    for path in drawn.rglob("*.svg"):
        root = ElementTree.parse(path).getroot()
        title = root.findtext("{http://www.w3.org/2000/svg}title")
        assert title
        # An image has no parts for screen readers: a figure with links in it is a named group.
        holds_links = next(root.iter(LINK), None) is not None
        assert root.get("role") == ("group" if holds_links else "img")
        assert root.get("aria-label") == (title if holds_links else None)
        assert texts(path)
    assert "a<b&c" in texts(drawn / "gains.svg")


def test_svg_asks_for_nothing_and_does_not_style_its_page(drawn: Path) -> None:
    for path in drawn.rglob("*.svg"):
        svg = path.read_text()
        assert "<style" not in svg and "<script" not in svg and "<!DOCTYPE" not in svg
        links = re.findall(r"(?:href|src)=\"([^\"]*)\"|url\(([^)]*)\)", svg)
        assert all((a or b).startswith("#") for a, b in links)
        assert "currentColor" in svg and "#000000" not in svg


def test_ids_do_not_collide_within_one_page(drawn: Path) -> None:
    seen: dict[str, str] = {}
    for path in drawn.rglob("*.svg"):
        for identifier in set(re.findall(r'\bid="([^"]+)"', path.read_text())):
            other = seen.setdefault(identifier, str(path))
            assert other == str(path), f"{identifier} is in {other} and {path}"


def test_axes_have_names_and_units(drawn: Path) -> None:
    wanted = {
        "gains.svg": {"change, percentage points"},
        "pareto/tiny.svg": {"mean gain on val splits, percentage points"},
        "curves/tiny.svg": {"optimizer step", "loss, nats per token"},
        "trials/tiny/banking77.svg": {"learning rate", "score, %", "ifeval", "batch size 2"},
        "effects/a<b&c.svg": {
            "learning rate",
            "batch size",
            "mean gain, points",
            "control loss, %",
        },
        "parallel/tiny.svg": {"learning rate", "batch size", "mean gain", "points"},
        "forgetting/tiny.svg": {"trained on", "banking77", "ifeval"},
    }
    for name, labels in wanted.items():
        assert labels <= set(texts(drawn / name)), name


def test_heat_map_shows_the_tables_changes(drawn: Path, tables: dict) -> None:
    shown = texts(drawn / "forgetting" / "tiny.svg")
    rows = [row for row in tables["forgetting"] if row["student"] == "tiny"]
    for row in rows:
        if row["change"] is not None and abs(row["change"]) > 0.001:
            assert f"{100 * row['change']:+.1f}".replace("-", "\u2212") in shown
    assert shown.count("missing") == sum(row["change"] is None for row in rows)


def test_same_tables_give_the_same_bytes(drawn: Path, tables: dict, tmp_path: Path) -> None:
    from sftstudy.figures.draw import draw_all

    draw_all(tables, STUDENTS[:1], TASKS[:1], tmp_path)
    for name in (
        "effects/tiny.svg",
        "parallel/tiny.svg",
        "pareto/tiny.svg",
        "curves/tiny.svg",
        "trials/tiny/banking77.svg",
    ):
        assert (tmp_path / name).read_bytes() == (drawn / name).read_bytes(), name


def test_study_without_any_result_still_has_every_figure(tmp_path: Path) -> None:
    from sftstudy.figures.draw import draw_all

    draw_all({name: [] for name in COLUMNS}, ["s"], ["a"], tmp_path)
    assert len(list(tmp_path.rglob("*.svg"))) == len(figures(["s"], ["a"]))
    assert "No trial of a has been trained." in texts(tmp_path / "trials/s/a.svg")


def links(path: Path) -> dict[tuple[str, str], ElementTree.Element]:
    """The links to replies in a figure, by trial and eval set."""
    found = {}
    for link in ElementTree.parse(path).iter(LINK):
        section, _, query = link.attrib[HREF].partition("?")
        assert section == "#predictions" and "+" not in query
        asked = dict(parse_qsl(query, strict_parsing=True))
        assert list(asked) == ["student", "trained", "trial", "evalset", "outcome"]
        assert asked["outcome"] == "all"
        found[asked["trial"], asked["evalset"]] = link
    return found


def test_points_of_trials_lead_to_their_replies(drawn: Path, tables: dict) -> None:
    for student in STUDENTS:
        for task in TASKS:
            scored = {
                (row["trial"], f"{task}.val")
                for row in tables["trials"]
                if (row["student"], row["task"]) == (student, task) and row["value"] is not None
            }
            failed = {
                (row["trial"], row["control"])
                for row in tables["gates"]
                if (row["student"], row["task"], row["passes"]) == (student, task, False)
                and row["value"] is not None
            }
            assert scored
            assert set(links(drawn / f"trials/{student}/{task}.svg")) == scored | failed
    assert any(not row["passes"] and row["value"] is not None for row in tables["gates"])


def test_a_link_is_named_is_no_stop_of_the_keyboard_and_shows_nothing(drawn: Path) -> None:
    found = links(drawn / "trials/a<b&c/banking77.svg")
    for (trial, evalset), link in found.items():
        assert link.attrib["aria-label"] == f"replies of {trial} to {evalset}"
        assert link.attrib["tabindex"] == "-1" and link.attrib["fill-opacity"] == "0"
        assert link.findtext("{http://www.w3.org/2000/svg}title") == trial
        assert "target" not in link.attrib
        assert parse_qsl(link.attrib[HREF].partition("?")[2])[0] == ("student", "a<b&c")


def effect_rows(**keys: object) -> list[dict]:
    row = dict.fromkeys(COLUMNS["effects"]) | {
        "student": "s", "outcome": "gain", "axis": "num_train_epochs", "note": "", "mean": 0.2,
        "difference": -0.05, "low": -0.06, "high": -0.04, "largest": 0.1, "largest_low": 0.08,
        "largest_high": 0.12, "distinguishable": True, "share": 0.4,
    }  # fmt: skip
    loss = {"outcome": "loss", "mean": None}
    return [row | {"value": value} | more | keys for more in ({}, loss) for value in (1, 3)]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({}, ["differ by 10.0 (8.0 to 12.0)", "40% of the variance"]),
        ({"distinguishable": False}, ["not distinguishable", "from noise of the rows"]),
        (
            {"largest": None, "mean": None, "note": "cannot be told apart from other things"},
            ["cannot be told apart from", "other things"],
        ),
    ],
)
def test_effects_say_what_is_only_noise(tmp_path: Path, keys: dict, said: list[str]) -> None:
    from sftstudy.figures.draw import draw_all

    tables = {name: [] for name in COLUMNS} | {"effects": effect_rows(**keys)}
    draw_all(tables, ["s"], ["a"], tmp_path)
    shown = texts(tmp_path / "effects/s.svg")
    assert set(said) <= set(shown) and "epochs" in shown
    assert "control loss, %" not in shown  # it was not measured


def parallel_texts(tables: dict, folder: Path, **changes: object) -> list[str]:
    from sftstudy.figures.draw import draw_all

    rows = [
        row | (changes if row["student"] == "tiny" and row["configuration"] else {})
        for row in tables["configurations"]
    ]
    draw_all(tables | {"configurations": rows}, ["tiny"], [], folder)
    return texts(folder / "parallel/tiny.svg")


def test_parallel_names_the_shown_configuration_and_labels_values(
    tables: dict, tmp_path: Path
) -> None:
    shown = parallel_texts(tables, tmp_path / "a")
    verdict = next(row for row in tables["recommendations"] if row["student"] == "tiny")
    assert (verdict["chosen"] or verdict["least_violating"]) in shown
    assert {"1e-5", "5e-5", "2", "4", "%, less is up", "2 incomplete: not drawn"} <= set(shown)
    without = parallel_texts(tables, tmp_path / "b", control_loss=None, train_flops=None)
    assert "control loss" not in without and "compute" not in without


def test_no_text_is_small(drawn: Path) -> None:
    """A figure is shown at 4/3 pixels a point, and may be shrunk to 84 % on a phone."""
    for path in drawn.rglob("*.svg"):
        sizes = map(float, re.findall(r"font-size:([\d.]+)px", path.read_text()))
        assert min(sizes) >= 7.4, path
