"""Make the prompts of a control from lm-eval, and say what it measures."""

import json
from pathlib import Path

from sftstudy.cli import Parser, run


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("--control", required=True, help="name in the study file")
    parser.add_argument("--raw", type=Path, required=True, help="folder of the raw source")
    parser.add_argument(
        "--asked",
        type=json.loads,
        required=True,
        help="JSON object with lm_eval, limit, num_fewshot, apply_chat_template and group",
    )
    parser.add_argument("--output", type=Path, required=True, help="JSONL of rows to write")
    parser.add_argument("--task", type=Path, required=True, help="JSON to write: its metrics")
    arguments = parser.parse_args()

    from sftstudy.files.writing import write_json, write_jsonl
    from sftstudy.lm_eval_controls.rows import describe, rows
    from sftstudy.lm_eval_controls.task import Asked, offline, opened

    offline()
    asked = Asked(**arguments.asked)
    with opened(asked, arguments.raw) as task:
        made = rows(task, asked)
        document = describe(arguments.control, task, asked)
    write_jsonl(arguments.output, made)
    write_json(arguments.task, document)
    names = ", ".join(metric["name"] for metric in document["metrics"] if metric["mean"])
    print(f"{arguments.control}: {len(made)} documents, metrics {names}")


if __name__ == "__main__":
    run(main)
