"""Which modules of this library a program is made of.

Snakemake does not see what a program imports. Rules therefore have a hash of those files among
their parameters, and this module finds them: it follows import statements (at any depth of a file)
without running anything, so that a job runs again exactly when code that determines its output has
changed. As inputs the same files would cost half of Snakemake's time on a large grid.
"""

import ast
import functools
from collections.abc import Iterable
from pathlib import Path

from sftstudy.files.hashing import sha256_file, sha256_json
from sftstudy.files.repository import ROOT

PACKAGE = "sftstudy"

# How files are read and written, how errors are printed, who may write, what is kept of a run, how
# code is told apart and which tasks there are determine no result. Were they counted, a better
# error message would retrain the whole study.
PLUMBING = frozenset(
    {
        "sftstudy",
        "sftstudy.cli",
        "sftstudy.cluster",
        "sftstudy.cluster.gpus",
        "sftstudy.run",
        "sftstudy.cluster.queue",
        "sftstudy.errors",
        "sftstudy.files",
        "sftstudy.files.folders",
        "sftstudy.files.hashing",
        "sftstudy.files.ledger",
        "sftstudy.files.reading",
        "sftstudy.files.repository",
        "sftstudy.files.temporaries",
        "sftstudy.files.writing",
        "sftstudy.run.code",
        "sftstudy.run.owner",
        "sftstudy.run.finished",
        "sftstudy.records",
        "sftstudy.records.record",
        "sftstudy.records.lineage",
        "sftstudy.documents",
        "sftstudy.documents.shapes",
        "sftstudy.tasks",
        "sftstudy.tasks.registry",
        "sftstudy.tasks.task",
    }
)


def code(program: str, modules: Iterable[str] = ()) -> list[str]:
    """Return the sorted paths of a program and of all library modules that it is made of.

    `modules` are files that the program imports by name at run time, such as a task's.

    Paths are relative to the repository, as Snakemake compares them.
    """
    seen: set[str] = set()
    stack = [program, *modules]
    while stack:
        path = stack.pop()
        if path not in seen:
            seen.add(path)
            stack += _imported(path)
    return sorted(seen)


def code_version(program: str, modules: Iterable[str] = ()) -> str:
    """Return a hash of what `code` finds, as text that names the program: a job's parameter."""
    return _code_version(program, tuple(modules))


@functools.cache
def _code_version(program: str, modules: tuple[str, ...]) -> str:
    content = {file: sha256_file(ROOT / file) for file in code(program, modules)}
    return f"{program} {sha256_json(content)[:16]}"


@functools.cache
def _imported(path: str) -> tuple[str, ...]:
    found = set()
    for node in ast.walk(_parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    paths = (_module_path(name) for name in _with_packages(found) - PLUMBING)
    return tuple(path for path in paths if path)


def _with_packages(names: set[str]) -> set[str]:
    """Add the packages above each module: importing one runs their ``__init__``."""
    parts = (name.split(".") for name in names if name.split(".")[0] == PACKAGE)
    return {".".join(part[:end]) for part in parts for end in range(1, len(part) + 1)}


def _module_path(name: str) -> str | None:
    base = Path("scripts", *name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if (ROOT / path).is_file() and _does_something(path.as_posix()):
            return path.as_posix()
    return None


def _does_something(path: str) -> bool:
    """Return whether a module holds more than a docstring, which most packages do not."""
    return not all(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for node in _parsed(path).body
    )


@functools.cache
def _parsed(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), path)


def template_files(package: str) -> list[str]:
    """Return the sorted paths of a package's ``templates``, relative to the repository."""
    folder = ROOT / "scripts" / Path(*package.split(".")) / "templates"
    return sorted(file.relative_to(ROOT).as_posix() for file in folder.rglob("*") if file.is_file())
