"""Make sure, before anything is trained, that a student has room for all that a control asks.

That of a control from lm-eval. A document without room is an error, or is listed and never counted.
"""

import json
from pathlib import Path

from sftstudy.cli import Parser, run


def main() -> None:
    """Parse the arguments and write which documents are dropped."""
    parser = Parser(__doc__)
    parser.add_argument("--raw", type=Path, required=True, help="folder of the raw source")
    parser.add_argument("--data", type=Path, required=True, help="JSONL of rows, as prepared")
    parser.add_argument(
        "--asked",
        type=json.loads,
        required=True,
        help="JSON object with lm_eval, limit, num_fewshot, apply_chat_template and group",
    )
    parser.add_argument("--student-dir", type=Path, required=True, help="folder of the student")
    parser.add_argument("--max-length", type=int, required=True, help="tokens of prompt and reply")
    parser.add_argument("--chat-template-kwargs", type=json.loads, default={}, help="JSON object")
    parser.add_argument("--drop-overlong", action="store_true", help="list rows, do not refuse")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    kwargs, max_length = arguments.chat_template_kwargs, arguments.max_length

    from sftstudy.documents.fits import Fits
    from sftstudy.documents.rows import read_scored
    from sftstudy.files.writing import write_json
    from sftstudy.lm_eval_controls.lengths import measure, most_written, overlong, without_weights
    from sftstudy.lm_eval_controls.task import Asked, offline, opened
    from sftstudy.students.limits import positions, require_positions

    offline()
    rows = read_scored(arguments.data)
    student = arguments.output.stem
    require_positions(arguments.student_dir, max_length, student)
    model = without_weights(arguments.student_dir, kwargs)
    asked = Asked(**arguments.asked)
    with opened(asked, arguments.raw) as task:
        lengths = measure(rows, task, asked, model, arguments.data)
    dropped = overlong(lengths, max_length, arguments.drop_overlong, arguments.data)
    longest = max(read for read, _ in lengths.values())
    document: Fits = {
        "schema": 1,
        "student": student,
        "max_length": max_length,
        "max_new_tokens": most_written(lengths),
        "positions": positions(arguments.student_dir),
        "chat_template_kwargs": kwargs,
        "splits": {"test": {"rows": len(rows), "longest_prompt": longest, "dropped": dropped}},
    }
    write_json(arguments.output, document)
    print(f"{arguments.data}: {len(rows)} documents, {len(dropped)} of them dropped as too long")


if __name__ == "__main__":
    run(main)
