"""Choose a student's default configuration, with evidence, from the metrics of all its trials.

Writes the recommendation as JSON and Markdown, and the run files for TRL, oumi and axolotl. Metrics
or provenance files that do not exist are missing cells: reported, never counted as a pass or as 0.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sftstudy.cli import Parser, run
from sftstudy.documents.plan import RecommendationPlan
from sftstudy.errors import StudyError
from sftstudy.files.reading import read_json
from sftstudy.files.writing import write_json, write_text

T = TypeVar("T")
PLAN_KEYS = ("student", "source", "tasks", "controls", "trials", "gates")


def parse_arguments() -> argparse.Namespace:
    parser = Parser(__doc__.splitlines()[0])
    parser.add_argument("--student", required=True, help="name of the student")
    parser.add_argument("--plan", required=True, help="the study's plan: a JSON file, or JSON text")
    parser.add_argument(
        "--metrics-root", required=True, type=Path, help="holds {variant}/{evalset}.json"
    )
    parser.add_argument(
        "--checkpoints-root", required=True, type=Path, help="holds {variant}/provenance.json"
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


def read_plan(text: str, student: str) -> RecommendationPlan:
    """Return the plan from a JSON file or JSON text, with its defaults filled in."""
    plan: RecommendationPlan
    if text.lstrip().startswith("{"):
        try:
            plan = json.loads(text)
        except json.JSONDecodeError as error:
            raise StudyError(f"--plan: not valid JSON ({error})") from None
    else:
        plan = read_json(Path(text))
    for key in PLAN_KEYS:
        if key not in plan:
            raise StudyError(f"--plan: the key '{key}' is missing; expected {', '.join(PLAN_KEYS)}")
    if plan["student"] != student:
        raise StudyError(f"--plan: is for student '{plan['student']}', --student says '{student}'")
    return {"seed": 0, "resamples": 10_000, **plan}


def main() -> None:
    arguments = parse_arguments()
    plan = read_plan(arguments.plan, arguments.student)

    from sftstudy.documents.duplicates import read_duplicates
    from sftstudy.documents.metrics import read_metrics
    from sftstudy.documents.provenance import read_provenance
    from sftstudy.recommendation.document import recommend
    from sftstudy.recommendation.markdown import to_markdown
    from sftstudy.recommendation.run_files import run_files

    def read(reader: Callable[[Path], T], path: Path) -> T | None:
        return reader(path) if path.exists() else None

    duplicates = [read(read_duplicates, path) for path in arguments.duplicates]
    document = recommend(
        plan,
        lambda variant, evalset: read(
            read_metrics, arguments.metrics_root / variant / f"{evalset}.json"
        ),
        lambda variant: read(
            read_provenance, arguments.checkpoints_root / variant / "provenance.json"
        ),
        {file["task"]: file for file in duplicates if file},
    )
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
