"""Make sure, before anything is trained, that a student has room for every eval set of a study.

A row whose prompt leaves no room for the reply is an error, or is listed and never asked.
"""

import json
from pathlib import Path

from sftstudy.cli import Parser, run
from sftstudy.documents.fits import Asked, Fits
from sftstudy.documents.rows import read_prompts
from sftstudy.files.writing import write_json


def main() -> None:
    """Parse the arguments and write which rows of each eval set are dropped."""
    parser = Parser(__doc__)
    parser.add_argument("--evalsets", nargs="+", required=True, help="their names")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="JSONL of rows of each")
    parser.add_argument(
        "--max-new-tokens", type=int, nargs="+", required=True, help="most tokens of a reply"
    )
    parser.add_argument("--student-dir", type=Path, required=True, help="folder of the student")
    parser.add_argument("--max-length", type=int, required=True, help="tokens of prompt and reply")
    parser.add_argument("--chat-template-kwargs", type=json.loads, default={}, help="JSON object")
    parser.add_argument("--drop-overlong", action="store_true", help="list rows, do not refuse")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    if not len(arguments.evalsets) == len(arguments.data) == len(arguments.max_new_tokens):
        parser.error("--evalsets, --data and --max-new-tokens must be equally many")
    kwargs, max_length = arguments.chat_template_kwargs, arguments.max_length
    rows = {file: read_prompts(file) for file in arguments.data}

    from sftstudy.data.lengths import measure_prompts  # transformers, after the inputs were read
    from sftstudy.students.chat import load_tokenizer
    from sftstudy.students.limits import positions, require_positions, without_room

    student, drop = arguments.output.stem, arguments.drop_overlong
    require_positions(arguments.student_dir, max_length, student)
    tokenizer = load_tokenizer(arguments.student_dir, kwargs)
    evalsets: dict[str, Asked] = {}
    for name, file, limit in zip(
        arguments.evalsets, arguments.data, arguments.max_new_tokens, strict=True
    ):
        ids, tokens = (
            [row["id"] for row in rows[file]],
            measure_prompts(rows[file], tokenizer, kwargs),
        )
        dropped = without_room(ids, tokens, limit, max_length, drop, str(file))
        evalsets[name] = {
            "rows": len(ids),
            "max_new_tokens": limit,
            "longest_prompt": max(tokens, default=0),
            "dropped": dropped,
        }
        print(f"{name}: {len(ids)} rows, {len(dropped)} of them dropped as too long", flush=True)
    document: Fits = {
        "schema": 1,
        "student": student,
        "max_length": max_length,
        "positions": positions(arguments.student_dir),
        "chat_template_kwargs": kwargs,
        "evalsets": evalsets,
    }
    write_json(arguments.output, document)


if __name__ == "__main__":
    run(main)
