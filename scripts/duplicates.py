"""List the rows of a task that occur, exactly or nearly, in another of its splits too."""

from pathlib import Path

from sftstudy.cli import Parser, run
from sftstudy.data.splits import split_files
from sftstudy.documents.duplicates import Duplicates
from sftstudy.documents.rows import read_scored
from sftstudy.files.writing import write_json
from sftstudy.tasks.registry import TASKS


def main() -> None:
    """Parse the arguments and write the ids of the rows."""
    parser = Parser(__doc__)
    parser.add_argument("--task", required=True, choices=TASKS)
    parser.add_argument("--data", type=Path, required=True, help="folder of the splits")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    splits = {name: read_scored(path) for name, path in split_files(arguments.data).items()}

    from sftstudy.data.duplicates import duplicated  # numpy, only after the inputs were read

    document: Duplicates = {"schema": 1, "task": arguments.task, "pairs": duplicated(splits)}
    write_json(arguments.output, document)


if __name__ == "__main__":
    run(main)
