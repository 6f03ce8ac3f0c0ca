"""Describe a task's data: counts, hashes, label balance, leakage between splits, lengths."""

from pathlib import Path

from sftstudy.cli import Parser, run
from sftstudy.data.splits import split_files
from sftstudy.documents.card import Card
from sftstudy.documents.lengths import read_lengths
from sftstudy.documents.rows import read_scored
from sftstudy.documents.source import SOURCE, read_source
from sftstudy.files.hashing import sha256_file
from sftstudy.files.writing import write_json
from sftstudy.tasks.registry import CONTROLS, TASKS, data_module


def main() -> None:
    """Parse the arguments and write the card."""
    parser = Parser(__doc__)
    parser.add_argument("--task", required=True, choices=TASKS + CONTROLS)
    parser.add_argument("--data", type=Path, required=True, help="folder of the splits")
    parser.add_argument("--lengths", type=Path, nargs="*", default=[], help="of lengths.py")
    parser.add_argument("--raw", type=Path, required=True, help="folder with SOURCE.json")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    files = split_files(arguments.data)
    splits = {name: read_scored(path) for name, path in files.items()}

    from sftstudy.data import card  # numpy, only after the inputs were read

    lengths = {path.stem: read_lengths(path) for path in sorted(arguments.lengths)}
    document: Card = {
        "schema": 1,
        "task": arguments.task,
        "task_version": data_module(arguments.task).VERSION,
        "source": read_source(arguments.raw / SOURCE),
        "splits": {
            name: card.describe_split(rows, sha256_file(files[name]))
            for name, rows in splits.items()
        },
        "leakage": card.leakage(splits),
        "lengths": lengths,
    }
    write_json(arguments.output, document)


if __name__ == "__main__":
    run(main)
