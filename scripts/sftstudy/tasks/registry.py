"""Which tasks and controls there are, and what each one offers (see `sftstudy.tasks.task`)."""

import functools
import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from sftstudy.errors import StudyError
from sftstudy.files.repository import ROOT
from sftstudy.tasks.task import (
    Data,
    Judge,
    Lesson,
    Option,
    Options,
    Published,
    Score,
    Smoke,
    Teaches,
)

DETERMINES_NO_RESULT = True

TASKS = ("banking77", "pubmedqa", "tatqa", "nl2sql")
CONTROLS = ("ifeval", "simple_safety_tests")

_FOLDER = Path(__file__).parent
# Modules of a task that determine no score, or that are parts of their own.
_NOT_SCORING = ("__init__", "data", "smoke", "options", "published", "judged")
_JUDGES = "judges"  # folder of the formats that judges speak, a module each


def data_module(name: str) -> Data:
    """Return the task's ``data`` module."""
    module = _module(name, "data")
    if not isinstance(module, Data):
        raise _incomplete(module, Data)
    return module


def score_module(name: str) -> Score:
    """Return the task's ``score`` module."""
    module = _module(name, "score")
    if not isinstance(module, Score):
        raise _incomplete(module, Score)
    return module


def smoke_module(name: str) -> Smoke:
    """Return the task's ``smoke`` module."""
    module = _module(name, "smoke")
    if not isinstance(module, Smoke):
        raise _incomplete(module, Smoke)
    return module


def judge_module(name: str, form: str) -> Judge:
    """Return the control's module of a format that judges speak."""
    module = _module(name, f"{_JUDGES}/{form}")
    if not isinstance(module, Judge):
        raise _incomplete(module, Judge)
    return module


def judge_file(name: str, form: str) -> str:
    """Return the file of `judge_module`, for rules: relative to the repository."""
    return (_FOLDER / name / _JUDGES / f"{form}.py").relative_to(ROOT).as_posix()


@functools.cache
def judge_formats(name: str) -> tuple[str, ...]:
    """Return the formats in which judge models can be asked about replies to a control."""
    files = (_FOLDER / name / _JUDGES).glob("*.py")
    return tuple(sorted(file.stem for file in files if file.stem != "__init__"))


@functools.cache
def can_be_judged(name: str) -> bool:
    """Return whether a judge model can be asked about replies to a control."""
    return bool(judge_formats(name))


def judged_rates(name: str) -> tuple[str, ...]:
    """Return the metrics of a control that can be by a judge or a person instead of by rules."""
    rates: tuple[str, ...] = importlib.import_module(f"sftstudy.tasks.{name}.judged").RATES
    return rates


@functools.cache
def options(name: str) -> tuple[Option, ...]:
    """Return what the study file may hold for this task alone."""
    if not _has(name, "options"):
        return ()
    module = _module(name, "options")
    if not isinstance(module, Options):
        raise _incomplete(module, Options)
    return module.OPTIONS


def scoring_options(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task's options as its scorer takes them; a `StudyError` for one that it has not."""
    known = {option.name: option for option in options(name)}
    if unknown := sorted(set(values) - set(known)):
        raise StudyError(
            f"{name} has no option {unknown[0]!r}; "
            f"{'it has ' + ', '.join(known) if known else 'it has none'}"
        )
    return {key: Path(value) if known[key].is_path else value for key, value in values.items()}


def published(name: str) -> Published | None:
    """Return how large the task's test split is as published; None where its folder does not say,
    and of a control from lm-eval."""
    if not _has(name, "published"):
        return None
    module = _module(name, "published")
    if not isinstance(module, Published):
        raise _incomplete(module, Published)
    return module


def lessons(name: str) -> tuple[Lesson, ...]:
    """Return what the smoke student is taught of a task; nothing by most tasks of one's own."""
    module = _module(name, "smoke") if _has(name, "smoke") else None
    return module.LESSONS if isinstance(module, Teaches) else ()


@functools.cache  # asked for by every job of a large grid
def module_files(name: str, part: str) -> list[str]:
    """Return the files behind a part of a task, one of the contract's modules, for rules.

    The ``score`` part is every module of the folder that is no other part. Paths are relative to
    the repository.
    """
    files = [_FOLDER / name / f"{part}.py"]
    if part == "score":
        modules = sorted((_FOLDER / name).glob("*.py"))
        files = [file for file in modules if file.stem not in _NOT_SCORING]
    return [file.relative_to(ROOT).as_posix() for file in files]


def lesson_files() -> list[str]:
    """Return the files that teach the smoke student, for rules."""
    return [
        file
        for name in CONTROLS + TASKS
        if _has(name, "smoke")
        for file in module_files(name, "smoke")
    ]


def _has(name: str, part: str) -> bool:
    return (_FOLDER / name / f"{part}.py").is_file()


def _module(name: str, part: str) -> ModuleType:
    if not _has(name, part):
        file = (_FOLDER / name / f"{part}.py").relative_to(ROOT)
        raise StudyError(f"{file}: no such file; docs/adding_a_task.md says what belongs there")
    return importlib.import_module(f"sftstudy.tasks.{name}.{part.replace('/', '.')}")


def _incomplete(module: ModuleType, contract: type) -> StudyError:
    names = [*contract.__annotations__, *(name for name in vars(contract) if name[0] != "_")]
    missing = ", ".join(name for name in names if not hasattr(module, name))
    return StudyError(
        f"{module.__file__}: has no {missing}; see {contract.__name__} in tasks/task.py"
    )
