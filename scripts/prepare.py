"""Make the splits of a task, or the test rows of a control, from its raw source."""

import argparse
from pathlib import Path

from sftstudy.cli import Parser, run
from sftstudy.data.splits import check_rows, limit_rows, split
from sftstudy.documents.rows import Row
from sftstudy.errors import StudyError
from sftstudy.files.writing import atomic_paths, jsonl
from sftstudy.tasks.registry import CONTROLS, TASKS, data_module


def main() -> None:
    """Parse the arguments and write ``train.jsonl``, ``val.jsonl`` and ``test.jsonl``."""
    parser = Parser(__doc__)
    parser.add_argument("--task", required=True, choices=TASKS + CONTROLS)
    parser.add_argument("--raw", type=Path, required=True, help="folder of the raw source")
    parser.add_argument("--strategy", help="stratified, grouped or tail (tasks only)")
    parser.add_argument("--val", type=_positive, help="validation rows (tasks only)")
    parser.add_argument("--test", type=_test, help="'published' or a number (tasks only)")
    parser.add_argument("--seed", type=int, default=0, help="seed of splits and of the sample")
    parser.add_argument("--limit", type=_positive, help="at most so many rows per split")
    parser.add_argument("--output-dir", type=Path, required=True)
    arguments = parser.parse_args()
    if arguments.task in TASKS and None in (arguments.strategy, arguments.val, arguments.test):
        parser.error("a task needs --strategy, --val and --test")

    splits = _splits(arguments)
    for name, rows in splits.items():
        if arguments.limit:
            splits[name] = limit_rows(rows, arguments.limit, arguments.seed, name)
        print(f"{arguments.task}: {len(splits[name])} {name} rows", flush=True)
    paths = [arguments.output_dir / f"{name}.jsonl" for name in splits]
    with atomic_paths(*paths) as temporaries:
        for temporary, rows in zip(temporaries, splits.values(), strict=True):
            temporary.write_text(jsonl(rows), encoding="utf-8", newline="\n")


def _splits(arguments: argparse.Namespace) -> dict[str, list[Row]]:
    published = data_module(arguments.task).read(arguments.raw)
    check_rows([row for rows in published.values() for row in rows], str(arguments.raw))
    if arguments.task in TASKS:
        where = f"{arguments.task} ({arguments.raw})"
        return split(
            published, arguments.strategy, arguments.val, arguments.test, arguments.seed, where
        )
    if not published.get("test"):
        raise StudyError(f"{arguments.raw}: the control {arguments.task} has no prompts")
    return {"test": published["test"]}


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"found {text}, expected at least 1")
    return number


def _test(text: str) -> str | int:
    return text if text == "published" else _positive(text)


if __name__ == "__main__":
    run(main)
