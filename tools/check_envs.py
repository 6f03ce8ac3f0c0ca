#!/usr/bin/env python3
"""Check that every environment is exactly pinned, complete, and the same everywhere.

Compares envs/*.yaml with envs/*.in, with requirements.txt and with the environment that this
program runs in; those that requirements.in does not include with their envs/*.in alone. Exits with
status 1 and one line per finding.
"""

import argparse
import functools
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import yaml
from lock_envs import (
    CUDA_PREFIXES,
    PIP,
    PYTHON,
    ROOT,
    Pins,
    ResolutionError,
    environment_text,
    is_alone,
    left_open,
    lines,
    normalized,
    pins,
    pip_section,
    resolve,
    without_cuda,
)
from packaging.requirements import Requirement

NO_NETWORK = re.compile("error sending request|dns error")


def direct(source: Path) -> list[Requirement]:
    """Return what a `.in` file asks for, with the files that it includes."""
    found = []
    for line in source.read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            found += direct(source.parent / line.removeprefix("-r "))
        elif line and not line.startswith("#"):
            found.append(Requirement(line))
    return found


@functools.cache
def installed() -> Pins:
    """Return the versions in this interpreter's environment, without build tags such as +cpu."""
    return {
        normalized(distribution.metadata["Name"]): distribution.version.split("+")[0]
        for distribution in metadata.distributions()
    }


@functools.cache
def needed_by(name: str) -> list[Requirement]:
    """Return what an installed distribution needs, with or without its extras."""
    return [Requirement(line) for line in metadata.requires(name) or ()]


def installed_closure(requirements: list[Requirement]) -> set[str]:
    """Return the names of `requirements` and of all that they need, by the metadata of this
    interpreter's environment."""
    closure: set[str] = set()
    seen: set[tuple[str, str]] = set()
    stack = [
        (requirement, extra) for requirement in requirements for extra in {"", *requirement.extras}
    ]
    while stack:
        requirement, extra = stack.pop()
        name = normalized(requirement.name)
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        closure.add(name)
        for needed in needed_by(name):
            # Without an extra these are what the distribution always needs.
            if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                stack += [(needed, extra) for extra in {"", *needed.extras}]
    return closure


def check_form(path: Path) -> Iterator[str]:
    """Findings about one environment file alone."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(document, dict):
        yield f"{path}: no environment: run `make lock`"
        return
    section = pip_section(path)
    versions = pins(section)
    for requirement in section:
        if not pins([requirement]):
            yield f"{path}: {requirement!r} is not an exact pin (name==version)"
    if path.read_text(encoding="utf-8") != environment_text(path.stem, versions):
        yield (
            f"{path}: is not what `make lock` writes (python={PYTHON}, pip={PIP}, sorted pins): "
            f"edit {path.with_suffix('.in').name} instead and run `make lock`"
        )
    for pinned in path.parent.glob(f"{path.stem}.*.pin.txt"):
        yield f"{pinned}: makes Snakemake skip the pip section of {path.name}: remove it"


def check_direct(source: Path) -> Iterator[str]:
    """Findings about one environment file against its `.in`."""
    path = source.with_suffix(".yaml")
    versions = pins(pip_section(path))
    for requirement in direct(source):
        version = versions.get(normalized(requirement.name))
        if version is None or version not in requirement.specifier:
            yield f"{path}: {requirement.name} {version}, but {source.name} asks for {requirement}"


def check_content(source: Path, locked: Pins) -> Iterator[str]:
    """Findings about one environment file against requirements.txt."""
    path = source.with_suffix(".yaml")
    versions = pins(pip_section(path))
    for name, version in without_cuda(versions).items():
        if locked.get(name) != version:
            yield f"{path}: {name}=={version}, but requirements.txt has {locked.get(name)}"
    try:
        closure = installed_closure(direct(source))
    except metadata.PackageNotFoundError as error:
        yield f"{source}: {error.name} is not installed here: install requirements.txt first"
        return
    for name in sorted(closure - versions.keys()):
        if not name.startswith(CUDA_PREFIXES):
            yield f"{path}: {name} is missing from the closure of {source.name}"
    for name in sorted(without_cuda(versions).keys() - closure):
        yield f"{path}: nothing in {source.name} needs {name}"


def check_agreement(paths: list[Path]) -> Iterator[str]:
    """Findings about versions that differ between environment files."""
    first: dict[str, tuple[str, Path]] = {}
    for path in paths:
        for name, version in pins(pip_section(path)).items():
            other, where = first.setdefault(name, (version, path))
            if other != version:
                yield f"{path}: {name}=={version}, but {where.name} has {other}"


def check_local(locked: Pins) -> Iterator[str]:
    """Findings about this interpreter's environment."""
    here = installed()
    for name, version in locked.items():
        if here.get(name) != version:
            yield f"local environment: {name} {here.get(name)}, but requirements.txt has {version}"


def check_index(source: Path) -> Iterator[str]:
    """Findings about what the package index makes of one environment's pins."""
    path = source.with_suffix(".yaml")
    versions = pins(pip_section(path))
    closure = resolve(source, versions, {})
    open_ = left_open(versions, closure)
    if open_:
        yield f"{path}: the pins leave these open: {', '.join(lines(open_))}"
    for name in sorted(versions.keys() - closure.keys()):
        yield f"{path}: nothing in {source.name} needs {name}"


def check_root(root: Path) -> Iterator[str]:
    """All findings that need no network."""
    sources, paths = (sorted((root / "envs").glob(f"*.{kind}")) for kind in ("in", "yaml"))
    for path in {path.with_suffix("") for path in sources} ^ {p.with_suffix("") for p in paths}:
        yield f"{path}: has only one of .in and .yaml: add the .in and run `make lock`"
    forms = [finding for path in paths for finding in check_form(path)]
    yield from forms
    if forms:
        return
    requirements = (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
    for line in requirements:
        if not line.startswith("#") and not pins([line]):
            yield f"requirements.txt: {line!r} is not an exact pin (name==version)"
    locked = pins(requirements)
    together = [source for source in sources if not is_alone(source)]
    for source in sources:
        yield from check_direct(source)
    for source in together:
        yield from check_content(source, locked)
    yield from check_agreement([source.with_suffix(".yaml") for source in together])
    yield from check_local(locked)


def main() -> None:
    """Print findings; exit with status 1 if there are any."""
    parser = argparse.ArgumentParser(description="Check the versions of every environment.")
    parser.add_argument(
        "--resolve", action="store_true", help="also resolve every environment on the package index"
    )
    parser.add_argument("--root", type=Path, default=ROOT, help="folder of requirements.txt")
    arguments = parser.parse_args()

    findings = list(check_root(arguments.root))
    sources = sorted((arguments.root / "envs").glob("*.in"))
    if arguments.resolve and not findings:
        try:
            findings = [finding for source in sources for finding in check_index(source)]
        except ResolutionError as error:
            if NO_NETWORK.search(str(error)):
                print(f"skipped: the package index cannot be reached: {error}", file=sys.stderr)
            else:
                findings = [str(error)]
    print("\n".join(findings) or f"{len(sources)} environments: exactly pinned and in agreement")
    sys.exit(bool(findings))


if __name__ == "__main__":
    main()
