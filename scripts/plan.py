"""Write down what a study consists of, for the programs that summarise it."""

import json
from pathlib import Path

from sftstudy.cli import Parser, run


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("--values", type=json.loads, required=True, help="JSON object")
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write")
    arguments = parser.parse_args()

    from sftstudy.files.writing import write_json

    write_json(arguments.output, arguments.values)


if __name__ == "__main__":
    run(main)
