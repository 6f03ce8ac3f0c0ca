"""Fixtures on real parts; a test that cannot have its part is skipped and says why.

What tests have measured is printed at the end of the run.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from made_documents import source
from real.parts import SMOLLM2, STUDENTS, NotToBeHad, make_smollm2, student_facts, tokenizer_folder
from sftstudy.documents.rows import Row
from sftstudy.files.writing import write_json
from sftstudy.students.chat import load_tokenizer
from sftstudy.tasks.registry import data_module

MEASURED = "measured"
Rows = Callable[[str], list[Row]]


@dataclass(frozen=True)
class RealTokenizer:
    """A student's tokenizer, and what the catalog says of how the student is used."""

    student: str
    folder: Path
    tokenizer: Any
    template: dict[str, Any]  # chat_template_kwargs
    facts: dict[str, Any]


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of SmolLM2-135M-Instruct in bfloat16, made once for all processes of the run."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    student = folder / SMOLLM2
    with FileLock(folder / f"{SMOLLM2}.lock"):
        if not student.is_dir():
            try:
                make_smollm2(student)
            except NotToBeHad as reason:
                pytest.skip(str(reason))
            write_json(student / "SOURCE.json", source(kind="test", id=None, revision=None))
    return student


@pytest.fixture(scope="session", params=STUDENTS)
def real(request: pytest.FixtureRequest) -> RealTokenizer:
    """Each real tokenizer in turn."""
    student: str = request.param
    try:
        folder = (
            request.getfixturevalue("smollm2") if student == SMOLLM2 else tokenizer_folder(student)
        )
    except NotToBeHad as reason:
        pytest.skip(str(reason))
    facts = student_facts(student)
    template = facts.get("chat_template_kwargs", {})
    return RealTokenizer(student, folder, load_tokenizer(folder, template), template, facts)


@pytest.fixture(scope="session")
def real_rows(shared_data: Path) -> Rows:
    """Function that returns all rows of a task or control, whatever their published split."""

    @cache
    def rows(name: str) -> list[Row]:
        return [
            row for split in data_module(name).read(shared_data / name).values() for row in split
        ]

    return rows


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Function that has a line printed at the end of the run."""
    return lambda line: record_property(MEASURED, line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured."""
    lines = [
        line
        for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
        if report.when == "call"
        for name, line in report.user_properties
        if name == MEASURED
    ]
    if lines:
        terminalreporter.section(MEASURED)
        for line in lines:
            terminalreporter.write_line(line)
