"""Make sure, before anything is trained, that a student has room for every row that it is asked.

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
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="JSONL of each split")
    parser.add_argument("--max-new-tokens", type=int, required=True, help="most tokens of a reply")
    parser.add_argument("--student-dir", type=Path, required=True, help="folder of the student")
    parser.add_argument("--max-length", type=int, required=True, help="tokens of prompt and reply")
    parser.add_argument("--chat-template-kwargs", type=json.loads, default={}, help="JSON object")
    parser.add_argument("--drop-overlong", action="store_true", help="list rows, do not refuse")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    kwargs, max_length = arguments.chat_template_kwargs, arguments.max_length
    splits = {file: read_prompts(file) for file in arguments.data}

    from sftstudy.data.lengths import measure_prompts  # transformers, after the inputs were read
    from sftstudy.students.chat import load_tokenizer
    from sftstudy.students.limits import positions, require_positions, without_room

    student, limit = arguments.output.stem, arguments.max_new_tokens
    require_positions(arguments.student_dir, max_length, student)
    tokenizer = load_tokenizer(arguments.student_dir, kwargs)
    asked: dict[str, Asked] = {}
    for file, rows in splits.items():
        ids, tokens = [row["id"] for row in rows], measure_prompts(rows, tokenizer, kwargs)
        dropped = without_room(ids, tokens, limit, max_length, arguments.drop_overlong, str(file))
        longest = max(tokens, default=0)
        asked[file.stem] = {"rows": len(rows), "longest_prompt": longest, "dropped": dropped}
        print(f"{file}: {len(rows)} rows, {len(dropped)} of them dropped as too long", flush=True)
    document: Fits = {
        "schema": 1,
        "student": student,
        "max_length": max_length,
        "max_new_tokens": limit,
        "positions": positions(arguments.student_dir),
        "chat_template_kwargs": kwargs,
        "splits": asked,
    }
    write_json(arguments.output, document)


if __name__ == "__main__":
    run(main)
