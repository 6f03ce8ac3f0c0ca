"""Print how far a study is: every trial, done, running, failed or missing, and its score so far.

Give it the configuration as you give it to Snakemake; it reads files only.
"""

import argparse
from pathlib import Path
from typing import Any

import yaml

from sftstudy.cli import run
from sftstudy.errors import StudyError
from sftstudy.files import read_text


def configuration(files: list[Path], overrides: list[str]) -> dict[str, Any]:
    """Return the configuration that Snakemake makes of ``--configfile`` and ``--config``."""
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--configfile",
        type=Path,
        nargs="+",
        default=[Path("config/smoke.yaml")],
        help="default: config/smoke.yaml, as without a profile",
    )
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--directory", type=Path, default=Path(), help="where Snakemake runs")
    arguments = parser.parse_args()

    from sftstudy.status import attention, rows, table
    from sftstudy.study import Study

    names = " + ".join(map(str, arguments.configfile))
    study = Study(configuration(arguments.configfile, arguments.config), names)
    print(table(list(rows(study, arguments.directory))))
    if problems := attention(study, arguments.directory):
        print(problems)


if __name__ == "__main__":
    run(main)
