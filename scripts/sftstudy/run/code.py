"""Which modules of this library a program is made of, and which version of them.

Snakemake does not see what a program imports. Rules therefore have a hash of those modules among
their parameters, and this module finds them: it follows import statements (at any depth of a file)
without running anything, so that a job runs again exactly when code that determines its output has
changed. As inputs the same files would cost half of Snakemake's time on a large grid.

Style does not count (see `sftstudy.run.syntax`), nor do the names of modules: the hash is made of
what modules hold and of which imports which name from which. What determines no result (how files
are written, how errors are worded, what is kept of a run) says so where it lives, by the line
``DETERMINES_NO_RESULT = True`` in the ``__init__.py`` of a package, for all that is in it, or in a
module. Were it counted, a better error message would retrain the whole study.
"""

import ast
import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sftstudy.files.hashing import sha256_json
from sftstudy.files.repository import ROOT
from sftstudy.run.syntax import PACKAGE, Import, essence

MARK = "DETERMINES_NO_RESULT"
_LIBRARY = Path("scripts", PACKAGE)
_VERSION = re.compile(r"scripts/[\w/]+\.py [0-9a-f]{16}")


def code(program: str, modules: Iterable[str] = ()) -> list[str]:
    """Return the sorted paths of a program and of all library modules that determine its output.

    `modules` are files that the program imports by name at run time, such as a task's.

    Paths are relative to the repository, as Snakemake compares them.
    """
    seen: set[str] = set()
    stack = [program, *modules]
    while stack:
        path = stack.pop()
        if path not in seen:
            seen.add(path)
            stack += [target for _, target in _module(path).imports]
    return sorted(seen)


def code_sha256(program: str, modules: Iterable[str] = ()) -> str:
    """Return a hash of what `code` finds: of the modules' contents, and of who imports what."""
    return _code_sha256(program, tuple(modules))


def code_version(program: str, modules: Iterable[str] = ()) -> str:
    """Return the hash of a program's code as text that names it: a job's parameter."""
    return f"{program} {code_sha256(program, modules)[:16]}"


def is_code_version(text: str) -> bool:
    """Return whether a job's parameter is one of `code_version`."""
    return bool(_VERSION.fullmatch(text))


def determines_no_result(path: str) -> bool:
    """Return whether a module of the library, or a package above it, says so; see `MARK`."""
    packages = [parent / "__init__.py" for parent in Path(path).parents if parent != _LIBRARY]
    inside = [file for file in packages if file.is_relative_to(_LIBRARY)]
    return any(_is_marked(file.as_posix()) for file in (*inside, Path(path)))


@functools.cache
def _code_sha256(program: str, modules: tuple[str, ...]) -> str:
    found = [_module(path) for path in code(program, modules)]
    imports = (
        f"{module.content} {name} {_module(target).content}"
        for module in found
        for name, target in module.imports
    )
    return sha256_json([sorted(module.content for module in found), sorted(imports)])


@dataclass(frozen=True)
class _Module:
    """The hash of what counts of a file, and what it imports: name -> path of what counts."""

    content: str
    imports: tuple[tuple[str, str], ...]


@functools.cache
def _module(path: str) -> _Module:
    text, imported = _essence(path)
    found = {(each.name, target) for each in imported for target in _targets(each)}
    return _Module(sha256_json(text), tuple(sorted(found)))


def _targets(imported: Import) -> list[str]:
    """Return the files that an import runs and that count; of a package that is ``__init__``."""
    parts = [*imported.module.split("."), *([imported.name] if imported.name else [])]
    paths = (_path(".".join(parts[:end])) for end in range(1, len(parts) + 1))
    return [path for path in paths if path]


@functools.cache
def _path(module: str) -> str | None:
    """Return the file of a module; None if it is none, does nothing, or determines no result."""
    base = Path("scripts", *module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        name = path.as_posix()
        if (ROOT / path).is_file() and not determines_no_result(name) and does_something(name):
            return name
    return None


def does_something(path: str) -> bool:
    """Return whether a module holds more than a docstring, which most packages do not."""
    text, _ = _essence(path)
    return text != "[]"


@functools.cache
def _essence(path: str) -> tuple[str, list[Import]]:
    return essence(_parsed(path))


@functools.cache
def _is_marked(path: str) -> bool:
    if not (ROOT / path).is_file():
        return False
    for node in _parsed(path).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=True)):
                if name == MARK:
                    return True
    return False


@functools.cache
def _parsed(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), path)


def template_files(package: str) -> list[str]:
    """Return the sorted paths of a package's ``templates``, relative to the repository."""
    folder = ROOT / "scripts" / Path(*package.split(".")) / "templates"
    return sorted(file.relative_to(ROOT).as_posix() for file in folder.rglob("*") if file.is_file())
