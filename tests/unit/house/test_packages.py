"""Packages of the library: in which order they stand, and where their tests are."""

import ast
import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from repository import ROOT

LIBRARY = ROOT / "scripts/sftstudy"
TESTS = ROOT / "tests/unit"
HOUSE = "house"  # tests of the repository itself
Graph = Mapping[str, set[str]]


def parts() -> set[str]:
    """Return the packages of the library, and its modules that lie in none."""
    modules = {file.stem for file in LIBRARY.glob("*.py")} - {"__init__"}
    return modules | {file.parent.name for file in LIBRARY.glob("*/__init__.py")}


def imported(file: Path) -> Iterator[str]:
    """Yield the modules of the library that a file imports, at any depth of it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.startswith(f"{LIBRARY.name}."))


def graph(library: Path) -> Graph:
    """Return which packages each package imports."""
    found: dict[str, set[str]] = {}
    for file in library.rglob("*.py"):
        package = file.relative_to(library).parts[0].removesuffix(".py")
        if package == "__init__":
            continue
        others = {name.split(".")[1] for name in imported(file)} - {package}
        found.setdefault(package, set()).update(others)
    return found


def ring(found: Graph) -> list[str]:
    """Return a ring of packages; empty where there is none."""
    try:
        TopologicalSorter(found).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def upwards(found: Graph, order: list[str]) -> set[tuple[str, str]]:
    """Return the imports of what stands later in the order."""
    place = {package: number for number, package in enumerate(order)}
    return {
        (a, b) for a, others in found.items() if a in place for b in others if place[b] > place[a]
    }


def documented_order() -> list[str]:
    """Return the rooms as docs/code.md lists them, from below to above."""
    text = (ROOT / "docs/code.md").read_text(encoding="utf-8")
    _, _, section = text.partition("## The rooms, from below to above\n")
    section = section.partition("\n## ")[0]
    rooms = re.findall(r"^\| (`.+?) \|", section, flags=re.MULTILINE)
    return [name for room in rooms for name in re.findall(r"`(\w+)(?:/|\.py)`", room)]


def test_imports_form_no_ring() -> None:
    assert not ring(graph(LIBRARY))


def test_the_documented_order_has_every_package_once() -> None:
    assert sorted(documented_order()) == sorted(parts())


def test_packages_import_only_what_stands_below_them() -> None:
    assert not upwards(graph(LIBRARY), documented_order())


@pytest.mark.parametrize(
    "statement",
    [
        "import sftstudy.high.module",
        "from sftstudy.high import module",
        "from sftstudy import high",
        "def function():\n    from sftstudy.high.module import name",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import sftstudy.high",
    ],
)
def test_a_planted_ring_is_found(tmp_path: Path, statement: str) -> None:
    files = {
        "low/module.py": statement,
        "middle.py": "",
        "high/module.py": "import sftstudy.middle",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n", encoding="utf-8")
    order = ["low", "middle", "high"]
    assert not ring(graph(tmp_path))
    assert upwards(graph(tmp_path), order) == {("low", "high")}
    (tmp_path / "middle.py").write_text("from sftstudy.low.module import name\n", encoding="utf-8")
    assert set(ring(graph(tmp_path))) == set(order)


def test_tests_lie_as_the_library_does() -> None:
    folders = {file.parent.relative_to(TESTS).parts[0] for file in TESTS.glob("*/test_*.py")}
    modules = {file.stem.removeprefix("test_") for file in TESTS.glob("test_*.py")}
    packages = {file.parent.name for file in LIBRARY.glob("*/__init__.py")}
    assert folders == packages | {HOUSE}
    assert modules <= parts() - packages
