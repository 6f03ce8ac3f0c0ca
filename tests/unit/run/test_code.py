"""Which files a rule declares: exactly what its program is made of."""

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from repository import ROOT
from sftstudy.run import code as code_module
from sftstudy.run.code import code, code_version, determines_no_result, is_code_version
from sftstudy.tasks.registry import CONTROLS, TASKS, module_files
from unit.run import counted

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


LIBRARY = {
    "scripts/a.py": "def main():\n    from sftstudy.deep import used\n    used()\n",
    "scripts/sftstudy/__init__.py": "",
    "scripts/sftstudy/deep.py": "import sftstudy.deeper\ndef used(): pass\n",
    "scripts/sftstudy/deeper.py": "VALUE = 1\n",
    "scripts/sftstudy/other.py": "VALUE = 2\n",
    "scripts/sftstudy/room/__init__.py": '"""A room."""\n',
    "scripts/sftstudy/room/inside.py": "VALUE = 3\n",
}
Version = Callable[[dict[str, str | None]], str]


@pytest.fixture
def version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Version]:
    """A small library; returns the version of its program's code after edits (None: removed)."""
    monkeypatch.setattr(code_module, "ROOT", tmp_path)
    cached = [each for each in vars(code_module).values() if hasattr(each, "cache_clear")]

    def edited(edits: dict[str, str | None]) -> str:
        shutil.rmtree(tmp_path / "scripts", ignore_errors=True)
        for name, text in (LIBRARY | {f"scripts/{k}": text for k, text in edits.items()}).items():
            if text is not None:
                (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / name).write_text(text, encoding="utf-8")
        for function in cached:
            function.cache_clear()
        return code_version("scripts/a.py")

    yield edited
    for function in cached:
        function.cache_clear()


def test_the_version_of_a_rule_s_code_follows_what_its_modules_hold(version: Version) -> None:
    before = version({})
    assert is_code_version(before) and not is_code_version("scripts/a.py")
    assert version({"sftstudy/other.py": "VALUE = 3\n"}) == before, "nobody imports it"
    assert version({"sftstudy/deeper.py": "VALUE = 2\n"}) != before
    assert version({"sftstudy/deeper.py": '"""It."""\nVALUE: int = 1  # one\n'}) == before


def test_a_moved_module_of_the_same_content_changes_no_version(version: Version) -> None:
    moved = {
        "a.py": LIBRARY["scripts/a.py"].replace("sftstudy.deep ", "sftstudy.room.renamed "),
        "sftstudy/room/renamed.py": LIBRARY["scripts/sftstudy/deep.py"],
        "sftstudy/deep.py": None,
    }
    assert version(moved) == version({})


def test_a_name_that_comes_from_another_module_changes_the_version(version: Version) -> None:
    """Both modules are reached before and after; only whose `VALUE` is used has changed."""
    both = "from sftstudy import deeper, other\nfrom sftstudy.{} import VALUE\n"
    assert version({"a.py": both.format("deeper")}) != version({"a.py": both.format("other")})


def test_what_determines_no_result_says_so_where_it_lives(version: Version) -> None:
    imports = "from sftstudy.room.inside import VALUE\nfrom sftstudy.other import VALUE as other\n"
    mark = f"{code_module.MARK} = True\n"
    program = {"a.py": imports}
    room = program | {"sftstudy/room/__init__.py": f'"""A room."""\n\n{mark}'}
    module = program | {"sftstudy/other.py": f"{mark}VALUE = 2\n"}
    inside, other = {"sftstudy/room/inside.py": "VALUE = 9\n"}, {"sftstudy/other.py": "VALUE = 9\n"}
    assert len({version(program), version(program | inside), version(program | other)}) == 3
    assert version(room | inside) == version(room) != version(room | other)
    assert version(module | {"sftstudy/other.py": f"{mark}VALUE = 9\n"}) == version(module)
    assert version(module | inside) != version(module)


def test_a_new_module_is_decided_on_by_whoever_adds_it() -> None:
    """Or an edit of a helper that determines no result would retrain other people's studies."""
    listed = set(counted.FILE.read_text(encoding="utf-8").splitlines())
    now = set(counted.listing().splitlines())
    told = [*(f"- {line}" for line in listed - now), *(f"+ {line}" for line in now - listed)]
    assert now == listed, "\n".join(
        [
            f"other modules count for programs than {counted.FILE.name} says:",
            *sorted(told),
            "An edit of a module that counts runs these programs again, trainings of weeks too. "
            "If it determines nothing of what they make, move it to a package that says "
            f"{code_module.MARK} in its __init__.py, or say so at its head. If it does, write the "
            f"list anew: {counted.COMMAND}",
        ]
    )


def test_no_package_has_statements_that_count() -> None:
    """Describing a package anew must not train anything again."""
    inits = (file.relative_to(ROOT).as_posix() for file in ROOT.glob("scripts/**/__init__.py"))
    counts = (init for init in inits if not determines_no_result(init))
    assert not [init for init in counts if code_module.does_something(init)]


def test_no_module_that_counts_reads_annotations_at_run_time() -> None:
    """They are no part of a code's version."""
    readers = ("__annotations__", "get_type_hints", "get_annotations", "singledispatch")
    for file in (ROOT / "scripts").rglob("*.py"):
        if not determines_no_result(file.relative_to(ROOT).as_posix()):
            text = file.read_text(encoding="utf-8")
            assert not [reader for reader in readers if reader in text], file


def test_every_import_of_the_library_finds_what_it_names() -> None:
    """Imports inside functions too. Read, not run: some of the modules take seconds to import."""
    for file in sorted((ROOT / "scripts").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            assert not getattr(node, "level", 0), f"{file}: a relative import is not followed"
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
    plumbing = {file for file in loaded if determines_no_result(file)}
    packages = {file for file in loaded if file.endswith("/__init__.py")}
    assert "scripts/sftstudy/cli.py" in loaded
    assert loaded - plumbing - packages <= set(code(f"scripts/{program}"))
