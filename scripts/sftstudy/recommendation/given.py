"""What the programs that choose and recommend are given: the plan, and a student's files."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sftstudy.documents.plan import RecommendationPlan
from sftstudy.errors import StudyError
from sftstudy.files.reading import read_json

if TYPE_CHECKING:
    from sftstudy.recommendation.cells import ReadMetrics, ReadProvenance

T = TypeVar("T")
PLAN_KEYS = ("student", "source", "tasks", "controls", "trials", "gates")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that both programs have."""
    parser.add_argument("--student", required=True, help="name of the student")
    parser.add_argument("--plan", required=True, help="the study's plan: a JSON file, or JSON text")
    parser.add_argument(
        "--metrics-root", required=True, type=Path, help="holds {variant}/{evalset}.json"
    )
    parser.add_argument(
        "--checkpoints-root", required=True, type=Path, help="holds {variant}/provenance.json"
    )


def plan_of(arguments: argparse.Namespace) -> RecommendationPlan:
    """Return the plan from a JSON file or JSON text, with its defaults filled in."""
    text, student = arguments.plan, arguments.student
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
    return {"seed": 0, "resamples": 10_000, "replicates": 0, **plan}


def readers_of(arguments: argparse.Namespace) -> "tuple[ReadMetrics, ReadProvenance]":
    """Return the readers of metrics and of provenance; they give None where there is no file."""
    from sftstudy.documents.metrics import read_metrics
    from sftstudy.documents.provenance import read_provenance

    return (
        lambda variant, evalset: read_if_there(
            read_metrics, arguments.metrics_root / variant / f"{evalset}.json"
        ),
        lambda variant: read_if_there(
            read_provenance, arguments.checkpoints_root / variant / "provenance.json"
        ),
    )


def read_if_there(reader: Callable[[Path], T], path: Path) -> T | None:
    """Return what a file says, None where there is none."""
    return reader(path) if path.exists() else None
