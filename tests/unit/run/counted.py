"""Which modules of the library count for which programs; written to ``counted.txt``.

PYTHONPATH=scripts:tests .venv/bin/python -m unit.run.counted
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from repository import ROOT
from sftstudy.run.code import code
from sftstudy.tasks.registry import (
    CONTROLS,
    TASKS,
    judge_file,
    judge_formats,
    lesson_files,
    module_files,
)

FILE = Path(__file__).with_suffix(".txt")
COMMAND = "PYTHONPATH=scripts:tests .venv/bin/python -m unit.run.counted"
LIBRARY = "scripts/sftstudy/"
_OF_A_TASK = re.compile(rf"{LIBRARY}tasks/\w+/")
_PROGRAM = re.compile(r'code_version\(\s*"scripts/(\w+)\.py"')
# What programs import by name, as the rules tell `code_version`: a part of each task, an engine.
_PARTS = {"prepare": "data", "score": "score", "lm_eval_tasks": "score"}
_JUDGES = [judge_file(task, form) for task in CONTROLS for form in judge_formats(task)]
_ENGINES = [f"{LIBRARY}prediction/{engine}.py" for engine in ("hf", "openai", "vllm")]


def listing() -> str:
    """Return a line for each module: the module, and the programs whose output it determines.

    What lies in a task's own folder is that task, and is not listed.
    """
    programs: dict[str, set[str]] = defaultdict(set)
    for program, files in _counted():
        for file in files:
            if file.startswith(LIBRARY) and not _OF_A_TASK.match(file):
                programs[file.removeprefix(LIBRARY)].add(program)
    return "".join(f"{file}: {', '.join(sorted(programs[file]))}\n" for file in sorted(programs))


def _counted() -> Iterator[tuple[str, list[str]]]:
    rules = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "rules").glob("*.smk"))
    for program in sorted(set(_PROGRAM.findall(rules))):
        yield program, code(f"scripts/{program}.py", _by_name(program))
    for task in TASKS + CONTROLS:
        yield "make_smoke_dataset", code(*module_files(task, "smoke"))


def _by_name(program: str) -> list[str]:
    match program:
        case "predict":
            return _ENGINES
        case "build_smoke_student":
            return lesson_files()
        case "ask_judge":
            return _JUDGES
    tasks = TASKS + CONTROLS if program in _PARTS else ()
    files = [file for task in tasks for file in module_files(task, _PARTS[program])]
    return files + _JUDGES if program == "score" else files


if __name__ == "__main__":
    FILE.write_text(listing(), encoding="utf-8")
