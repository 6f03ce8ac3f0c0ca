"""Which files a rule declares: exactly what its program is made of."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from repository import ROOT
from sftstudy import imports
from sftstudy.imports import PLUMBING, code
from sftstudy.tasks import CONTROLS, TASKS, module_files

PROGRAMS = sorted(path.name for path in (ROOT / "scripts").glob("*.py"))


@pytest.mark.parametrize("task", TASKS + CONTROLS)
def test_scorer_and_data_of_a_task_do_not_touch(task: str) -> None:
    data = code("scripts/prepare.py", module_files(task, "data"))
    assert f"scripts/sftstudy/tasks/{task}/score.py" not in data
    assert not [file for file in data if "/statistics/" in file]


@pytest.mark.parametrize("task", TASKS + CONTROLS)
def test_scorer_of_a_task_touches_no_other_task(task: str) -> None:
    scorer = code("scripts/score.py", module_files(task, "score"))
    others = [name for name in TASKS + CONTROLS if name != task]
    assert not [file for file in scorer for name in others if f"/tasks/{name}/" in file]
    assert f"scripts/sftstudy/tasks/{task}/score.py" in scorer


def test_training_depends_on_no_task_module_and_no_statistics() -> None:
    files = code("scripts/train.py")
    assert "scripts/sftstudy/training/trial.py" in files
    assert "scripts/sftstudy/chat.py" in files
    assert not [file for file in files if "/tasks/" in file or "/statistics/" in file]


@pytest.mark.parametrize("program", PROGRAMS)
def test_static_walk_finds_what_python_imports(program: str) -> None:
    """Running ``--help`` imports some of the library: all of it must be in the static list."""
    probe = (
        "import runpy, sys; sys.argv = [sys.argv[1], '--help']\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit: pass\n"
        "ours = [m.__file__ for n, m in sys.modules.items() if n.startswith('sftstudy')]\n"
        "print(*ours, sep='\\n')"
    )
    command = [sys.executable, "-c", probe, f"scripts/{program}"]
    environment = {"PYTHONPATH": str(ROOT / "scripts"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith(str(ROOT))]
    loaded = {Path(line).relative_to(ROOT).as_posix() for line in lines}
    plumbing = {f"scripts/{name.replace('.', '/')}.py" for name in PLUMBING}
    plumbing |= {f"scripts/{name.replace('.', '/')}/__init__.py" for name in PLUMBING}
    packages = {file for file in loaded if file.endswith("/__init__.py")}
    assert loaded - plumbing - packages <= set(code(f"scripts/{program}"))


def test_a_package_of_a_docstring_only_is_no_code_and_one_with_statements_is() -> None:
    """Describing a package anew must not train anything again."""
    counted = {
        init
        for init in (ROOT / "scripts/sftstudy").rglob("__init__.py")
        if imports._does_something(init.relative_to(ROOT).as_posix())
    }
    assert {init.parent.name for init in counted} == {"tasks"}  # the registry, which is plumbing


def test_every_import_of_the_library_finds_what_it_names() -> None:
    """Imports inside functions too. Read, not run: some of the modules take seconds to import."""
    for file in sorted((ROOT / "scripts").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sftstudy":
                base = ROOT / "scripts" / Path(*node.module.split("."))
                module = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
                names = {part.stem for part in base.glob("*")} | defined_names(module)
                missing = {alias.name for alias in node.names} - names
                assert not missing, f"{file.relative_to(ROOT)}, line {node.lineno}: {missing}"


def defined_names(module: Path) -> set[str]:
    """Return all names that a module defines (those inside its functions too, which is enough)."""
    names = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.alias(name=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
    return names


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_loads_nothing_heavy(program: str) -> None:
    """``--help`` answers in under a second because none of these is imported for it."""
    heavy = ["torch", "transformers", "trl", "datasets", "pandas", "matplotlib", "scipy", "lm_eval"]
    probe = (
        "import runpy, sys; sys.argv = [sys.argv[1], '--help']\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as stop: assert not stop.code, stop.code\n"
        f"print('HEAVY', [name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe, f"scripts/{program}"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "scripts"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "usage: " in done.stdout
    assert done.stdout.rstrip().endswith("HEAVY []")
