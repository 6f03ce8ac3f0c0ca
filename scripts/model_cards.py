"""Write a student's model cards: what its trainings said, with what the study measured."""

import json
from pathlib import Path

from sftstudy.cli import Parser, run
from sftstudy.files.writing import atomic_path


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument(
        "--variants", type=json.loads, required=True, help="JSON: variant -> its eval sets"
    )
    parser.add_argument(
        "--sources", type=json.loads, required=True, help="JSON: task or control -> its source"
    )
    parser.add_argument(
        "--metrics-root", type=Path, required=True, help="holds {variant}/{evalset}.json"
    )
    parser.add_argument(
        "--checkpoints-root", type=Path, required=True, help="holds {variant}/README.md"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of cards to make")
    arguments = parser.parse_args()

    from sftstudy.exports.model_cards import write

    with atomic_path(arguments.output) as folder:
        write(
            folder,
            arguments.variants,
            arguments.sources,
            arguments.metrics_root,
            arguments.checkpoints_root,
        )


if __name__ == "__main__":
    run(main)
