"""Choose a student's default configuration, with evidence, from the metrics of all its trials.

Writes the recommendation as JSON and Markdown, and the run files for TRL, oumi and axolotl. Metrics
or provenance files that do not exist are missing cells: reported, never counted as a pass or as 0.
"""

import argparse
from pathlib import Path

from sftstudy.cli import Parser, run
from sftstudy.recommendation.given import add_options, plan_of, read_if_there, readers_of


def parse_arguments() -> argparse.Namespace:
    parser = Parser(__doc__.splitlines()[0])
    add_options(parser)
    parser.add_argument(
        "--choice",
        type=Path,
        help="what choose.py wrote: an error where this choice is another one",
    )
    parser.add_argument(
        "--data",
        help="folder of training rows that the run files name as an example; by default the "
        "first task's data beside the metrics",
    )
    parser.add_argument(
        "--duplicates",
        nargs="*",
        type=Path,
        default=[],
        metavar="FILE",
        help="duplicates.json of the tasks' data; of a task whose file is not named or does not "
        "exist, the gain without duplicates is not told (null)",
    )
    parser.add_argument("--output", required=True, type=Path, help="recommendation, JSON")
    parser.add_argument("--markdown", required=True, type=Path, help="recommendation for people")
    for tool in ("trl", "oumi", "axolotl"):
        parser.add_argument(f"--{tool}", required=True, type=Path, help=f"run file of {tool}")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    plan = plan_of(arguments)

    from sftstudy.documents.choice import read_choice
    from sftstudy.documents.duplicates import read_duplicates
    from sftstudy.files.writing import write_json, write_text
    from sftstudy.recommendation.choosing import require_same
    from sftstudy.recommendation.document import recommend
    from sftstudy.recommendation.markdown import to_markdown
    from sftstudy.recommendation.run_files import run_files

    duplicates = [read_if_there(read_duplicates, path) for path in arguments.duplicates]
    document = recommend(
        plan, *readers_of(arguments), {file["task"]: file for file in duplicates if file}
    )
    if arguments.choice:
        require_same(read_choice(arguments.choice), document["chosen"], arguments.choice)
    beside = arguments.metrics_root.parent.parent / "data" / plan["tasks"][0]
    files = run_files(document, arguments.data or str(beside))
    document["files"] = {tool: getattr(arguments, tool).name for tool in files}
    for tool, text in files.items():
        write_text(getattr(arguments, tool), text)
    write_text(arguments.markdown, to_markdown(document))
    write_json(arguments.output, document)
    print(f"{document['student']}: {document['verdict']} {document['chosen'] or ''}".rstrip())


if __name__ == "__main__":
    run(main)
