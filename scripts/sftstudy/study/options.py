"""The study as programs beside the workflow are told of it: as Snakemake is."""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from sftstudy.errors import StudyError
from sftstudy.files.ledger import shown
from sftstudy.files.reading import read_text
from sftstudy.study.grid import Study


def add_study_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--configfile``, ``--config`` and ``--directory``, as Snakemake has them."""
    parser.add_argument(
        "--configfile",
        type=Path,
        nargs="+",
        default=[Path("config/smoke.yaml")],
        help="default: config/smoke.yaml, as without a profile",
    )
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--directory", type=Path, default=Path(), help="where Snakemake runs")


def study_of(arguments: argparse.Namespace) -> Study:
    """Return the study of the options."""
    overridden = [override.partition("=")[0] for override in arguments.config]
    return Study(
        merged_config(arguments.configfile, arguments.config),
        origin(arguments.configfile, overridden),
    )


def origin(files: Iterable[Path], overridden: Iterable[str]) -> str:
    """Return what errors call a study: its files, and the keys given by ``--config``."""
    parts = [shown(Path(file)) for file in files]
    if keys := " ".join(overridden):
        parts.append(f"--config {keys}")
    return " + ".join(parts)


def merged_config(files: list[Path], overrides: list[str]) -> dict[str, Any]:
    """Return the ``config`` that Snakemake makes of ``--configfile`` and ``--config``."""
    config: dict[str, Any] = {}
    for file in files:
        _update(config, yaml.safe_load(read_text(file)) or {})
    for override in overrides:
        key, found, value = override.partition("=")
        if not found:
            raise StudyError(f"--config: found {override!r}; expected KEY=VALUE")
        _update(config, {key: yaml.safe_load(value)})
    return config


def _update(config: dict[str, Any], other: dict[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(config.get(key), dict):
            _update(config[key], value)
        else:
            config[key] = value
