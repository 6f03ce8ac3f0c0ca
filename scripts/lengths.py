"""Count tokens of a task's rows under a student's tokenizer; refuse rows that are too long."""

import json
from pathlib import Path

from sftstudy.cli import Parser, run
from sftstudy.data.splits import split_files
from sftstudy.documents.lengths import Lengths
from sftstudy.documents.rows import read_rows
from sftstudy.files.writing import write_json


def main() -> None:
    """Parse the arguments and write the length statistics of every split."""
    parser = Parser(__doc__)
    parser.add_argument("--task", required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder of the splits")
    parser.add_argument("--student-dir", type=Path, required=True, help="folder of the student")
    parser.add_argument("--max-length", type=int, required=True, help="tokens allowed per row")
    parser.add_argument("--chat-template-kwargs", type=json.loads, default={}, help="JSON object")
    parser.add_argument("--drop-overlong", action="store_true", help="list rows, do not refuse")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    kwargs = arguments.chat_template_kwargs
    files = split_files(arguments.data)
    splits = {name: read_rows(path) for name, path in files.items()}

    from sftstudy.data import lengths  # numpy and transformers, only after the inputs were read
    from sftstudy.students.chat import load_tokenizer

    tokenizer = load_tokenizer(arguments.student_dir, kwargs)
    summaries, dropped = {}, {}
    for name, rows in splits.items():
        counts = lengths.measure(rows, tokenizer, kwargs, str(files[name]))
        if not arguments.drop_overlong:
            lengths.refuse_overlong(rows, counts, arguments.max_length, str(files[name]))
        summaries[name] = lengths.summarise(counts)
        dropped[name] = lengths.overlong(rows, counts, arguments.max_length)
    document: Lengths = {
        "schema": 1,
        "task": arguments.task,
        "student": arguments.output.stem,
        "max_length": arguments.max_length,
        "chat_template_kwargs": kwargs,
        "splits": summaries,
        "dropped": dropped,
    }
    write_json(arguments.output, document)


if __name__ == "__main__":
    run(main)
