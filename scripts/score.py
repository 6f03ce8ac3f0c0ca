"""Score the predictions of one variant on one eval set."""

import json
from pathlib import Path

from sftstudy.cli import Parser, run
from sftstudy.tasks.registry import CONTROLS, TASKS


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("--predictions", type=Path, required=True, help="JSONL of replies")
    parser.add_argument("--data", type=Path, required=True, help="JSONL of the eval set's rows")
    parser.add_argument("--student", required=True)
    parser.add_argument("--variant", required=True, help="'base' or '{task}/{trial}'")
    parser.add_argument("--task", required=True, choices=TASKS + CONTROLS)
    parser.add_argument("--split", default="", choices=["", "val", "test"], help="none: a control")
    parser.add_argument(
        "--options", type=json.loads, default={}, help="JSON object: options of this task alone"
    )
    parser.add_argument(
        "--decoding",
        type=json.loads,
        help="JSON object with samples, temperature and top_p (default: one greedy reply to a row)",
    )
    parser.add_argument("--judgements", type=Path, help="a judge's replies to `ask_judge.py`")
    parser.add_argument(
        "--judge",
        type=json.loads,
        default={},
        help="JSON object with student and format of the judge that made them",
    )
    parser.add_argument("--review", type=Path, help="CSV of a person's verdicts on replies")
    parser.add_argument("--seed", type=int, default=0, help="of the order that a review asks in")
    parser.add_argument("--output", type=Path, required=True, help="metrics JSON to write")
    arguments = parser.parse_args()
    if bool(arguments.judge) != (arguments.judgements is not None):
        parser.error("--judgements and --judge belong together")

    from sftstudy.documents.reviews import read_review
    from sftstudy.files.writing import write_json
    from sftstudy.scoring.document import metrics_document
    from sftstudy.scoring.review import Review

    review = arguments.review and Review(read_review(arguments.review), arguments.seed)
    document = metrics_document(
        task=arguments.task,
        split=arguments.split,
        student=arguments.student,
        variant=arguments.variant,
        predictions_file=arguments.predictions,
        data_file=arguments.data,
        options=arguments.options,
        judgements_file=arguments.judgements,
        judge=arguments.judge or None,
        review=review,
        decoding=arguments.decoding,
    )
    write_json(arguments.output, document)
    primary = document["metrics"][document["primary"]]
    print(
        f"{document['evalset']}: {document['primary']} {primary['value']:.3f} "
        f"[{primary['low']:.3f}, {primary['high']:.3f}], n = {primary['n']}"
    )


if __name__ == "__main__":
    run(main)
