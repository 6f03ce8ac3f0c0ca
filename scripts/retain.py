"""Remove the weights of a student's checkpoints that its recommendation does not need.

All other files of a checkpoint stay. Writes which variants kept their weights and which did not.
"""

from pathlib import Path

from sftstudy.cli import Parser, run


def main() -> None:
    parser = Parser(__doc__)
    parser.add_argument("--recommendation", type=Path, required=True, help="JSON of recommend.py")
    parser.add_argument("--keep", choices=("feasible", "recommended"), required=True)
    parser.add_argument("--results", type=Path, required=True, help="results folder of the study")
    parser.add_argument("--student", required=True)
    parser.add_argument("--variants", nargs="+", required=True, help="{task}/{trial}, all of them")
    parser.add_argument("--output", type=Path, required=True, help="JSON to write")
    arguments = parser.parse_args()

    from sftstudy.documents.recommendation import read_recommendation
    from sftstudy.documents.retained import Retained
    from sftstudy.files.writing import write_json
    from sftstudy.retention import kept_configurations, retain
    from sftstudy.study.layout import Layout

    kept = kept_configurations(read_recommendation(arguments.recommendation), arguments.keep)
    results = Layout(arguments.results)
    removed = retain(results, arguments.student, arguments.variants, kept)
    document: Retained = {
        "keep": arguments.keep,
        "kept": [variant for variant in arguments.variants if variant not in removed],
        "removed": removed,
    }
    write_json(arguments.output, document)


if __name__ == "__main__":
    run(main)
