"""The study as programs beside the workflow are told of it: as Snakemake is."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from sftstudy.study.grid import Study
from sftstudy.study.layers import SMOKE, read_layers


def add_study_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--configfile``, ``--config`` and ``--directory``, as Snakemake has them."""
    parser.add_argument(
        "--configfile",
        type=Path,
        nargs="+",
        default=[SMOKE],
        help="default: config/smoke.yaml, as without a profile",
    )
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--directory", type=Path, default=Path(), help="where Snakemake runs")


def study_of(arguments: argparse.Namespace) -> Study:
    """Return the study of the options."""
    return given_study(arguments.configfile, arguments.config)


def given_study(files: Iterable[Path], overrides: Iterable[str]) -> Study:
    """Return the study of study files and of ``KEY=VALUE`` given by ``--config``."""
    layers = read_layers(files, overrides)
    return Study(layers.config, layers.origin, layers.places)
