"""Write a recipe: every value that training one trial will use.

The values come resolved from the study file; this program only puts them into a file, so that
training depends on what the recipe says and on nothing else of the study.
"""

import json
from pathlib import Path

from sftstudy.cli import Parser, run


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("--values", type=json.loads, required=True, help="JSON object")
    parser.add_argument("--output", type=Path, required=True, help="YAML file to write")
    arguments = parser.parse_args()

    import yaml

    from sftstudy.files.writing import write_text

    write_text(arguments.output, yaml.safe_dump(arguments.values, sort_keys=False))


if __name__ == "__main__":
    run(main)
