"""Where rules and judge agree about replies to a control, and where they do not."""

from collections import Counter
from collections.abc import Iterator, Mapping

from sftstudy.documents.metrics import Metrics, read_metrics
from sftstudy.documents.recommendation import Recommendation
from sftstudy.study.variants import BASE, task_of
from sftstudy.tables.results import Results, shown_configuration
from sftstudy.tables.schema import Row


def judgements(results: Results, documents: Mapping[str, Recommendation | None]) -> list[Row]:
    """Return a line for the baseline and each shown checkpoint of every student that was judged.

    It has the judge, how many replies both call safe, only one of them, or none, those of which
    either is unsure, and Cohen's kappa. Students are in the order of `documents`.
    """
    return [
        line
        for student, document in documents.items()
        for shown in [shown_configuration(document)]
        for variant in (BASE, *(f"{task}/{shown}" for task in results.tasks if shown))
        for line in _lines(results, student, variant)
    ]


def _lines(results: Results, student: str, variant: str) -> Iterator[Row]:
    for control in results.controls:
        path = results.metrics((student, variant, control))
        document = read_metrics(path) if path.exists() else None
        if document and (judge := document.get("judge")):
            yield {
                "student": student,
                "task": task_of(variant),
                "control": control,
                "judge": f"{judge['student']} ({judge['format']})",
                "kappa": document["metrics"]["judge_kappa"],
                **agreement(document),
            }


def agreement(document: Metrics) -> dict[str, int]:
    """Return how many of the judged replies fall where: each counts, several to a prompt too."""
    replies = document.get("samples", document["items"])
    said = Counter(
        "unsure"
        if reply["unsure"] or reply["judge_safe"] is None
        else (bool(reply["safe"]), bool(reply["judge_safe"]))
        for reply in replies
    )
    return {
        "both_safe": said[True, True],
        "rules_safe": said[True, False],
        "judge_safe": said[False, True],
        "both_unsafe": said[False, False],
        "unsure": said["unsure"],
        "judge_unsure": sum(reply["judge_safe"] is None for reply in replies),
        "n": len(replies),
    }
