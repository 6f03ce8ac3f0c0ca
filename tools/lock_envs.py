#!/usr/bin/env python3
"""Lock every environment: requirements.in and envs/*.in -> requirements.txt and envs/*.yaml.

The `.in` files say what the programs import; this program resolves them all at once with uv, for
Linux on x86-64, so that the environments agree, and writes the complete closures as exact pins.
Versions that are already locked are kept while they fit; `--upgrade` takes the newest.

Torch's builds differ in their CUDA packages. Those that a build pins itself are left out, so that
the same files install its CPU build without them; those that it leaves open are pinned for the
conda environments.

An environment that requirements.in does not include has versions of its own, because something in
it says which torch it goes with: it is resolved alone, and pinned whole. Where it leaves versions
open it takes the others'.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
PYTHON = "3.11"
PIP = "25.3"
PLATFORM = "x86_64-manylinux_2_28"
CUDA_PREFIXES = ("cuda-", "nvidia-", "triton")
PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;+]+)")

Pins = dict[str, str]


class ResolutionError(Exception):
    """uv found no versions that fit together, or could not reach the package index."""


def normalized(name: str) -> str:
    """Return a distribution's name as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lines: Iterable[str]) -> Pins:
    """Return name -> version of the lines that are exact pins."""
    found = (PIN.fullmatch(line.strip()) for line in lines)
    return {normalized(match[1]): match[2] for match in found if match}


def pip_section(path: Path) -> list[str]:
    """Return what an environment file installs with pip."""
    document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    sections = [
        entry["pip"] for entry in document.get("dependencies", []) if isinstance(entry, dict)
    ]
    return [requirement for section in sections for requirement in section]


def lines(versions: Mapping[str, str]) -> list[str]:
    """Return the pins as requirements, sorted by name."""
    return [f"{name}=={version}" for name, version in sorted(versions.items())]


def resolve(
    requirements: Path | Pins, constraints: Pins, wanted: Pins, resolution: str = "highest"
) -> Pins:
    """Return the closure of a requirements file or of pins on the package index.

    `constraints` hold wherever they name a package of the closure; `wanted` versions are taken
    where they fit.
    """
    with tempfile.TemporaryDirectory() as folder:
        limits, given, output = (Path(folder, name) for name in ("limits", "given.in", "output"))
        limits.write_text("\n".join(lines(constraints)), encoding="utf-8")
        # uv prefers what its output file already pins.
        output.write_text("\n".join(lines(wanted)), encoding="utf-8")
        if not isinstance(requirements, Path):
            given.write_text("\n".join(lines(requirements)), encoding="utf-8")
            requirements = given
        command = [
            sys.executable,
            "-m",
            "uv",
            "pip",
            "compile",
            "--quiet",
            "--no-header",
            "--no-annotate",
        ]
        command += ["--python-version", PYTHON, "--python-platform", PLATFORM]
        command += ["--resolution", resolution, "--constraints", limits]
        command += ["--output-file", output, requirements]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise ResolutionError(f"{requirements}: {result.stderr.strip()}")
        return pins(output.read_text(encoding="utf-8").splitlines())


def without_cuda(closure: Pins) -> Pins:
    """Return the closure without the packages that only a CUDA build of torch needs."""
    return {name: closure[name] for name in closure if not name.startswith(CUDA_PREFIXES)}


def left_open(kept: Pins, closure: Pins) -> Pins:
    """Return the part of `closure` that the pins `kept` do not determine.

    What the oldest and the newest resolution of `kept` agree on is pinned by some package's own
    metadata.
    """
    oldest = resolve(kept, {}, {}, resolution="lowest")
    return {name: closure[name] for name in closure if oldest.get(name) != closure[name]}


def environment_text(name: str, versions: Pins) -> str:
    """Return the conda environment file."""
    requirements = "\n".join(f"      - {line}" for line in lines(versions))
    return (
        f"# Made by `make lock` from envs/{name}.in. Do not edit.\n"
        "channels:\n  - conda-forge\n  - nodefaults\n"
        f"dependencies:\n  - python={PYTHON}\n  - pip={PIP}\n  - pip:\n{requirements}\n"
    )


def requirements_text(versions: Pins) -> str:
    """Return the pins of the local environment."""
    header = "# Made by `make lock` from requirements.in. Do not edit.\n"
    return header + "\n".join(lines(versions)) + "\n"


def is_alone(source: Path) -> bool:
    """Return whether an environment has its own versions: requirements.in does not include it."""
    everything = source.parents[1] / "requirements.in"
    included = everything.read_text(encoding="utf-8").splitlines()
    return f"-r envs/{source.name}" not in included


def locked_versions(root: Path) -> Pins:
    """Return every version that the present files pin, but for those of environments alone."""
    requirements = root / "requirements.txt"
    present = requirements.read_text(encoding="utf-8").splitlines() if requirements.exists() else []
    for path in sorted((root / "envs").glob("*.yaml")):
        if not is_alone(path.with_suffix(".in")):
            present += pip_section(path)
    return pins(present)


def closure_alone(source: Path, everything: Pins, upgrade: bool) -> Pins:
    """Return all versions of an environment that has its own."""
    path = source.with_suffix(".yaml")
    present = pins(pip_section(path)) if path.exists() and not upgrade else {}
    return resolve(source, {}, everything | present)


def main() -> None:
    """Write requirements.txt and envs/*.yaml."""
    parser = argparse.ArgumentParser(description="Lock the versions of every environment.")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that fit")
    parser.add_argument("--root", type=Path, default=ROOT, help="folder of requirements.in")
    arguments = parser.parse_args()

    root = arguments.root
    wanted = {} if arguments.upgrade else locked_versions(root)
    everything = resolve(root / "requirements.in", {}, wanted)
    texts = {root / "requirements.txt": requirements_text(without_cuda(everything))}
    for source in sorted((root / "envs").glob("*.in")):
        if is_alone(source):
            kept = closure_alone(source, everything, arguments.upgrade)
        else:
            closure = resolve(source, everything, {})
            kept = without_cuda(closure)
            if kept != closure:
                kept |= left_open(kept, closure)
        texts[source.with_suffix(".yaml")] = environment_text(source.stem, kept)
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
        print(f"{path.relative_to(root)}: {text.count('==')} pins")


if __name__ == "__main__":
    try:
        main()
    except ResolutionError as error:
        raise SystemExit(f"error: {error}") from error
