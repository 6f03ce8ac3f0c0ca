"""Write a small, deterministic source in a task's raw format."""

from pathlib import Path

from sftstudy.cli import Parser, run
from sftstudy.documents.source import SOURCE
from sftstudy.files.writing import atomic_path, write_json
from sftstudy.sources.description import describe
from sftstudy.tasks.registry import CONTROLS, TASKS, smoke_module


def main() -> None:
    """Parse the arguments and write the source."""
    parser = Parser(__doc__)
    parser.add_argument("--task", required=True, choices=TASKS + CONTROLS)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--train", type=int, required=True, help="training rows")
    parser.add_argument("--test", type=int, required=True, help="test rows")
    parser.add_argument("--output", type=Path, required=True, help="folder to make")
    arguments = parser.parse_args()
    with atomic_path(arguments.output) as folder:
        folder.mkdir()
        smoke_module(arguments.task).write(folder, arguments.seed, arguments.train, arguments.test)
        identity = (
            f"{arguments.task}, seed {arguments.seed}, "
            f"{arguments.train} train, {arguments.test} test"
        )
        write_json(folder / SOURCE, describe("smoke", identity, None, folder))


if __name__ == "__main__":
    run(main)
