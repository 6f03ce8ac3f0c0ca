"""Bring a dataset: from the hub at its locked commit, or from a local folder."""

import json
from pathlib import Path

from sftstudy.cli import Parser, run
from sftstudy.sources import snapshot
from sftstudy.sources.source import parse


def main() -> None:
    """Parse the arguments and make the snapshot."""
    parser = Parser(__doc__)
    parser.add_argument(
        "--source", type=json.loads, required=True, help="JSON: {hub, revision, files} or {path}"
    )
    parser.add_argument("--name", required=True, help="name in the configuration and the lock")
    parser.add_argument("--lock", type=Path, required=True, help="config/sources.lock.yaml")
    parser.add_argument("--output", type=Path, required=True, help="folder to make")
    args = parser.parse_args()
    source = parse(args.name, args.source)
    snapshot.fetch("datasets", args.name, source, args.lock, args.output)


if __name__ == "__main__":
    run(main)
