"""Resolve hub sources to commits and checksums, and write them to the lock file."""

import json
from pathlib import Path

from sftstudy.cli import Parser, run
from sftstudy.sources import lock
from sftstudy.sources.source import parse


def main() -> None:
    """Parse the arguments, ask the hub and write the lock: completely or not at all."""
    parser = Parser(__doc__)
    parser.add_argument(
        "--sources",
        type=json.loads,
        required=True,
        help="JSON: {datasets: {name: source}, students: {name: source}}",
    )
    parser.add_argument("--output", type=Path, required=True, help="config/sources.lock.yaml")
    arguments = parser.parse_args()
    document = lock.read(arguments.output)
    for section in lock.KIND:
        for name, described in sorted(arguments.sources.get(section, {}).items()):
            if "hub" not in described:
                continue
            source = parse(name, described)
            document[section][name] = lock.lock_source(section, name, source)
            print(f"{section}.{name}: {source.hub} at {document[section][name]['commit']}")
    lock.write(arguments.output, document)


if __name__ == "__main__":
    run(main)
