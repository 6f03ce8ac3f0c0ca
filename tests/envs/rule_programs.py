"""What the rules run, read from rules/*.smk: their programs, environments and task modules."""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from sftstudy.run.syntax import essence
from sftstudy.tasks.registry import CONTROLS, TASKS, module_files

ROOT = Path(__file__).resolve().parents[2]

# `rule name:` up to the next rule. Rules made by `use rule` inherit program and environment.
RULE = re.compile(r"^rule (?P<name>\w+):\n(?P<body>(?:(?:[ \t].*)?\n)*)", re.MULTILINE)
# The part of each task (data, smoke, score) that the rule's program imports by name.
PART = re.compile(r'module_files\(.+?, "(\w+)"\)')


@dataclass(frozen=True)
class Rule:
    """A rule that runs a program of the repository in a conda environment.

    `instead` are environments that it takes for some students.
    """

    name: str
    program: str
    environment: str
    instead: tuple[str, ...]
    part: str | None

    def modules(self) -> list[str]:
        """Return the paths of the program and of every library module that it can import."""
        tasks = (*TASKS, *CONTROLS) if self.part else ()
        by_name = [file for task in tasks for file in module_files(task, self.part)]
        return imported(self.program, *(file for file in by_name if (ROOT / file).is_file()))


def imported(*files: str) -> list[str]:
    """Return files and every library module that they can import, also those that do not count."""
    seen: set[str] = set()
    stack = list(files)
    while stack:
        file = stack.pop()
        if file not in seen:
            seen.add(file)
            _, imports = essence(ast.parse((ROOT / file).read_text(encoding="utf-8"), file))
            stack += [path for each in imports for path in _files(f"{each.module}.{each.name}")]
    return sorted(seen)


def _files(name: str) -> Iterator[str]:
    """Yield the modules that an import of a name runs: packages above it too."""
    parts = name.strip(".").split(".")
    for end in range(1, len(parts) + 1):
        base = Path("scripts", *parts[:end])
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if (ROOT / path).is_file():
                yield path.as_posix()


def rules() -> list[Rule]:
    """Return every rule of the workflow that runs a program."""
    return [rule for file in sorted((ROOT / "rules").glob("*.smk")) for rule in _rules_of(file)]


def _rules_of(file: Path) -> Iterator[Rule]:
    for match in RULE.finditer(file.read_text(encoding="utf-8")):
        body, found, shell = match["body"].partition("shell:")
        if not found:
            continue  # A name for several files; it runs nothing.
        program = re.search(r"scripts/\w+\.py", shell)
        environments = re.findall(r'"\.\./envs/([\w-]+)\.yaml"', body)
        part = PART.search(body)
        if not program or not environments:
            raise ValueError(f"{file}: rule {match['name']} names no program or no environment")
        usual, *instead = environments
        yield Rule(match["name"], program[0], usual, tuple(instead), part[1] if part else None)


def third_party_imports(module: str) -> set[str]:
    """Return the top-level names that a module imports, at any depth of its code, and that are
    neither the library's nor the standard library's."""
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"), module)
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names - {"sftstudy", *sys.stdlib_module_names}


def distributions() -> dict[str, list[str]]:
    """Return import name -> names of the installed distributions that provide it."""
    return dict(metadata.packages_distributions())
