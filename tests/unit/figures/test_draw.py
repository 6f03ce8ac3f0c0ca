"""The figures: named in advance, honest SVG that a page can carry, the same bytes every time."""

import re
import subprocess
import sys
from pathlib import Path
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
TEXT = "{http://www.w3.org/2000/svg}text"


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
    assert output.stdout.split() == ["7", "False"]
    names = [f"{figure.name}.svg" for figure in figures(STUDENTS, TASKS)]
    assert len(names) == len(set(names))
    files = {path.relative_to(drawn).as_posix() for path in drawn.rglob("*.svg")}
    assert files == set(names)


def test_every_figure_names_an_existing_table() -> None:
    assert {figure.source for figure in figures(STUDENTS, TASKS)} <= set(COLUMNS)


def test_svg_is_wellformed_with_text_as_text(drawn: Path) -> None:
    for path in drawn.rglob("*.svg"):
        root = ElementTree.parse(path).getroot()
        assert root.get("role") == "img"
        assert root.findtext("{http://www.w3.org/2000/svg}title")
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
    for name in ("pareto/tiny.svg", "curves/tiny.svg", "trials/tiny/banking77.svg"):
        assert (tmp_path / name).read_bytes() == (drawn / name).read_bytes(), name


def test_study_without_any_result_still_has_every_figure(tmp_path: Path) -> None:
    from sftstudy.figures.draw import draw_all

    draw_all({name: [] for name in COLUMNS}, ["s"], ["a"], tmp_path)
    assert len(list(tmp_path.rglob("*.svg"))) == len(figures(["s"], ["a"]))
    assert "No trial of a has been trained." in texts(tmp_path / "trials/s/a.svg")
