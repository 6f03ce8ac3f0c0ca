"""Which files a rule declares: exactly what its program is made of."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from repository import ROOT
from sftstudy.run import code as code_module
from sftstudy.run.code import PLUMBING, code
from sftstudy.tasks.registry import CONTROLS, TASKS, module_files

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
    assert "scripts/sftstudy/students/chat.py" in files
    assert not [file for file in files if "/tasks/" in file or "/statistics/" in file]


def asked_for_help(program: str) -> tuple[str, list[str], list[str]]:
    """Run ``--help``; return what it printed, the library's files and the modules it imported."""
    probe = (
        "import json, runpy, sys; sys.argv = [sys.argv[1], '--help']\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as stop: assert not stop.code, stop.code\n"
        "ours = [m.__file__ for n, m in sys.modules.items() if n.startswith('sftstudy')]\n"
        "print(json.dumps([ours, list(sys.modules)]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe, f"scripts/{program}"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "scripts"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    *text, last = done.stdout.splitlines()
    ours, modules = json.loads(last)
    return "\n".join(text), ours, modules


def test_the_version_of_a_rule_s_code_follows_the_content_of_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        "scripts/a.py": "def main():\n    from sftstudy.deep import used\n",
        "scripts/sftstudy/deep.py": "import sftstudy.deeper\n",
        "scripts/sftstudy/deeper.py": "VALUE = 1\n",
        "scripts/sftstudy/other.py": "VALUE = 1\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(code_module, "ROOT", tmp_path)

    def version() -> str:
        for cached in (code_module._code_version, code_module._imported, code_module._parsed):
            cached.cache_clear()
        return code_module.code_version("scripts/a.py")

    before = version()
    (tmp_path / "scripts/sftstudy/other.py").write_text("VALUE = 2\n", encoding="utf-8")
    assert version() == before
    (tmp_path / "scripts/sftstudy/deeper.py").write_text("VALUE = 2\n", encoding="utf-8")
    assert version() != before


def test_a_package_of_a_docstring_only_is_no_code_and_one_with_statements_is() -> None:
    """Describing a package anew must not train anything again."""
    counted = {
        init
        for init in (ROOT / "scripts/sftstudy").rglob("__init__.py")
        if code_module._does_something(init.relative_to(ROOT).as_posix())
    }
    assert not counted


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
def test_help_loads_nothing_heavy_and_nothing_that_the_static_walk_does_not_know(
    program: str,
) -> None:
    """``--help`` answers in under a second, and imports some of the library by running it."""
    text, ours, modules = asked_for_help(program)
    heavy = {"torch", "transformers", "trl", "datasets", "pandas", "matplotlib", "scipy", "lm_eval"}
    assert "usage: " in text
    assert not heavy & set(modules)
    loaded = {Path(file).relative_to(ROOT).as_posix() for file in ours}
    plumbing = {f"scripts/{name.replace('.', '/')}.py" for name in PLUMBING}
    packages = {file for file in loaded if file.endswith("/__init__.py")}
    assert "scripts/sftstudy/cli.py" in loaded
    assert loaded - plumbing - packages <= set(code(f"scripts/{program}"))
