"""Bring a dataset or a student: from the hub at its locked commit, or from a local folder.

Of a student that is its `config.json`, safetensors weights, tokenizer and chat template, no code.
"""

import json
from pathlib import Path

from sftstudy.cli import Parser, run
from sftstudy.sources import snapshot
from sftstudy.sources.source import parse


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument(
        "--kind", choices=["datasets", "students"], required=True, help="section of the lock"
    )
    parser.add_argument(
        "--source", type=json.loads, required=True, help="JSON: {hub, revision, files} or {path}"
    )
    parser.add_argument("--name", required=True, help="name in the study file and the lock")
    parser.add_argument("--lock", type=Path, required=True, help="config/sources.lock.yaml")
    parser.add_argument("--output", type=Path, required=True, help="folder to make")
    arguments = parser.parse_args()

    source = parse(arguments.name, arguments.source)
    snapshot.fetch(arguments.kind, arguments.name, source, arguments.lock, arguments.output)


if __name__ == "__main__":
    run(main)
