"""Running the programs in ``scripts/`` and ``tools/`` as a user does."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "scripts"


def program(name: str) -> Path:
    """Return the file of a program: a rule's in ``scripts/``, one for people in ``tools/``."""
    return next(file for file in (SCRIPTS / name, ROOT / "tools" / name) if file.is_file())


def start(name: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    """Start a program in a process of its own, without the caller's HF_* variables."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    return subprocess.Popen(
        [sys.executable, str(program(name)), *map(str, arguments)],
        env=inherited | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(name: str, *arguments: object, **environment: str) -> tuple[int, str]:
    """Run a program in a process of its own; return its exit status and all that it printed."""
    process = start(name, *arguments, **environment)
    output, _ = process.communicate(timeout=120)
    return process.returncode, output


def call(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    *arguments: object,
) -> tuple[int, str]:
    """Run a program in this process, where imports are paid once; return as `run` does."""
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    status = 0
    try:
        runpy.run_path(str(program(name)), run_name="__main__")
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else 0
    captured = capsys.readouterr()
    return status, captured.out + captured.err
