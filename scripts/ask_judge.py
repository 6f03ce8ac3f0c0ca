"""Write the questions that a judge model is asked about a variant's replies to a control."""

import itertools
from pathlib import Path

from sftstudy.cli import Parser, run
from sftstudy.tasks.registry import CONTROLS, can_be_judged, judge_formats, judge_module


def main() -> None:
    parser = Parser(__doc__)
    judged = [name for name in CONTROLS if can_be_judged(name)]
    formats = sorted({form for name in judged for form in judge_formats(name)})
    parser.add_argument("--control", required=True, choices=judged)
    parser.add_argument(
        "--format", choices=formats, default="words", help="that the judge speaks (default: words)"
    )
    parser.add_argument("--data", type=Path, required=True, help="JSONL of the control's prompts")
    parser.add_argument("--predictions", type=Path, required=True, help="JSONL of replies to them")
    parser.add_argument("--output", type=Path, required=True, help="JSONL of rows to write")
    arguments = parser.parse_args()

    from sftstudy.documents.rows import read_scored
    from sftstudy.files.writing import write_jsonl
    from sftstudy.scoring.document import answered
    from sftstudy.tasks.replies import reply_name

    judge = judge_module(arguments.control, arguments.format)
    rows, replies = answered(read_scored(arguments.data), arguments.predictions, arguments.data)
    asked = (
        judge.questions({**row, "id": reply_name(row["id"], number, len(own))}, reply["text"])
        for row in rows
        for own in [replies[row["id"]]]
        for number, reply in enumerate(own)
    )
    write_jsonl(arguments.output, itertools.chain.from_iterable(asked))


if __name__ == "__main__":
    run(main)
