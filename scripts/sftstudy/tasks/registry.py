"""Which tasks and controls there are, and where the parts of each are."""

import functools
import importlib
from pathlib import Path
from types import ModuleType

from sftstudy.files.repository import ROOT

TASKS = ("banking77", "pubmedqa", "tatqa", "nl2sql")
CONTROLS = ("ifeval", "simple_safety_tests")

_FOLDER = Path(__file__).parent


def data_module(name: str) -> ModuleType:
    """Return the task's ``data`` module."""
    return importlib.import_module(f"sftstudy.tasks.{name}.data")


def score_module(name: str) -> ModuleType:
    """Return the task's ``score`` module."""
    return importlib.import_module(f"sftstudy.tasks.{name}.score")


def smoke_module(name: str) -> ModuleType:
    """Return the task's ``smoke`` module."""
    return importlib.import_module(f"sftstudy.tasks.{name}.smoke")


@functools.cache  # asked for by every job of a large grid
def module_files(name: str, part: str) -> list[str]:
    """Return the files behind a part (``data``, ``smoke``, ``score``) of a task, for rules.

    The ``score`` part is every module of the folder that is not one of the other two. Paths are
    relative to the repository.
    """
    files = [_FOLDER / name / f"{part}.py"]
    if part == "score":
        modules = sorted((_FOLDER / name).glob("*.py"))
        files = [file for file in modules if file.stem not in ("__init__", "data", "smoke")]
    return [file.relative_to(ROOT).as_posix() for file in files]
