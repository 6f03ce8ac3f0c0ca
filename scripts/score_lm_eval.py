"""Score what lm-eval said of one variant on one control."""

from pathlib import Path

from sftstudy.cli import Parser, run


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("--predictions", type=Path, required=True, help="JSONL of outcomes")
    parser.add_argument("--data", type=Path, required=True, help="JSONL of the control's rows")
    parser.add_argument("--task", type=Path, required=True, help="JSON: what it measures")
    parser.add_argument("--student", required=True)
    parser.add_argument("--variant", required=True, help="'base' or '{task}/{trial}'")
    parser.add_argument("--output", type=Path, required=True, help="metrics JSON to write")
    arguments = parser.parse_args()

    from sftstudy.files.writing import write_json
    from sftstudy.scoring.lm_eval import lm_eval_document

    document = lm_eval_document(
        student=arguments.student,
        variant=arguments.variant,
        predictions_file=arguments.predictions,
        data_file=arguments.data,
        task_file=arguments.task,
    )
    write_json(arguments.output, document)
    primary = document["metrics"][document["primary"]]
    print(f"{document['evalset']}: {document['primary']} {primary['value']}, n = {primary['n']}")


if __name__ == "__main__":
    run(main)
