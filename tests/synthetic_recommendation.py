"""The recommendation of a synthetic study's student, by the real procedure, from its files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sftstudy.documents.duplicates import read_duplicates
from sftstudy.documents.metrics import read_metrics
from sftstudy.documents.plan import RecommendationPlan
from sftstudy.documents.provenance import read_provenance
from sftstudy.documents.recommendation import Recommendation
from sftstudy.recommendation.document import recommend
from sftstudy.study.layout import Layout

T = TypeVar("T")


def recommendation(study: Any, student: str) -> Recommendation:
    """Return the recommendation for one student of a `synthetic_study.Study` that was written."""
    layout = Layout(study.results)
    plan: RecommendationPlan = {
        "student": student,
        "source": f"example/{student}",
        "tasks": list(study.tasks),
        "controls": list(study.controls),
        "trials": {task: list(study.trials) for task in study.tasks},
        "gates": study.plan["gates"],
        "seed": study.plan["seed"],
        "resamples": 2000,
    }
    document = recommend(
        plan,
        lambda variant, evalset: _read(read_metrics, layout.metrics(student, variant, evalset)),
        lambda variant: _read(
            read_provenance, layout.checkpoint(student, variant) / "provenance.json"
        ),
        {task: read_duplicates(layout.duplicates(task)) for task in study.tasks},
    )
    document["files"] = {tool: f"{student}.{tool}.yaml" for tool in ("trl", "oumi", "axolotl")}
    return document


def _read(reader: Callable[[Path], T], path: Path) -> T | None:
    return reader(path) if path.exists() else None
