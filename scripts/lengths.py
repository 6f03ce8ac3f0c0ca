"""Count tokens of a task's rows under a student's tokenizer; refuse rows too long to train on."""

import json
from pathlib import Path

from sftstudy.cautions import teaches
from sftstudy.cli import Parser, run
from sftstudy.data.splits import split_files
from sftstudy.documents.lengths import Lengths
from sftstudy.documents.rows import read_rows
from sftstudy.files.writing import write_json


def main() -> None:
    """Parse the arguments and write the lengths of every split, and which train rows to drop."""
    parser = Parser(__doc__)
    parser.add_argument("--task", required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder of the splits")
    parser.add_argument("--student-dir", type=Path, required=True, help="folder of the student")
    parser.add_argument("--max-length", type=int, required=True, help="tokens allowed per row")
    parser.add_argument("--chat-template-kwargs", type=json.loads, default={}, help="JSON object")
    parser.add_argument(
        "--drop-overlong", action="store_true", help="list train rows, do not refuse"
    )
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    kwargs = arguments.chat_template_kwargs
    files = split_files(arguments.data)
    splits = {name: read_rows(path) for name, path in files.items()}

    from sftstudy.data import lengths  # numpy and transformers, only after the inputs were read
    from sftstudy.students.chat import before_reply, load_tokenizer
    from sftstudy.students.limits import require_positions

    student, max_length = arguments.output.stem, arguments.max_length
    require_positions(arguments.student_dir, max_length, student)
    tokenizer = load_tokenizer(arguments.student_dir, kwargs)
    counts = {
        name: lengths.measure(rows, tokenizer, kwargs, str(files[name]))
        for name, rows in splits.items()
    }
    dropped, written = [], ""
    if train := splits.get("train"):
        where = str(files["train"])
        dropped = lengths.overlong(train, counts["train"], max_length)
        if not arguments.drop_overlong:
            lengths.refuse_overlong(train, counts["train"], max_length, where)
        lengths.refuse_all_dropped(train, dropped, where)
        written = before_reply(tokenizer, train[0]["prompt"], kwargs, where)
    if written:
        print(f"warning: {student}: {teaches(written)}", flush=True)
    document: Lengths = {
        "schema": 1,
        "task": arguments.task,
        "student": student,
        "max_length": max_length,
        "chat_template_kwargs": kwargs,
        "splits": {name: lengths.summarise(found) for name, found in counts.items()},
        "dropped": {"train": dropped},
        "before_reply": written,
    }
    write_json(arguments.output, document)


if __name__ == "__main__":
    run(main)
