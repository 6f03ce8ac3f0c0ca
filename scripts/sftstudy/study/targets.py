"""Files of all variants of students: what targets, summaries and choices are made of.

As in `sftstudy.study.jobs` files are named as Snakemake has them, with ``<results>`` for the
results folder.
"""

from pathlib import Path
from typing import Any

from sftstudy.documents.choice import read_choice
from sftstudy.study.grid import Study
from sftstudy.study.jobs import judged_controls
from sftstudy.study.layout import Layout

_RESULTS = Layout(Path("<results>"))


def checkpoint_folders(study: Study, *students: str) -> list[str]:
    """Return the checkpoint of every variant."""
    return [
        str(_RESULTS.checkpoint(student, variant))
        for student in students
        for variant in study.variants(student)
    ]


def predictions_files(study: Study, *students: str) -> list[str]:
    """Return the predictions of every variant on every one of its eval sets."""
    return [str(_RESULTS.predictions(*cell)) for cell in study.cells(*students)]


def metrics_files(study: Study, *students: str) -> list[str]:
    """Return the metrics of every variant on every one of its eval sets."""
    return [str(_RESULTS.metrics(*cell)) for cell in study.cells(*students)]


def choice_metrics_files(study: Study, student: str) -> list[str]:
    """Return the metrics that a student's choice rests on: all but those of `confirm`."""
    return [
        str(_RESULTS.metrics(student, variant, evalset))
        for variant in study.variants(student)
        for evalset in (*study.select_evalsets(variant), *study.controls)
    ]


def replicates_to_come(study: Study, students: list[str]) -> str:
    """Return how many trainings follow the choices of students that are not made; empty if none."""
    if not students or not study.replicates:
        return ""
    return (
        f"Not among these jobs, since it is not known of which configuration: up to "
        f"{study.replicates * len(study.tasks)} more trainings of {', '.join(sorted(students))}"
        f"{' each' if len(students) > 1 else ''} (replicates: {study.replicates}), with what "
        "predicts and scores them. They are planned once a configuration is chosen."
    )


def chosen_replicates(study: Study, student: str, checkpoints: Any) -> list[str]:
    """Return the checkpoints and metrics of the replicates of a student's choice.

    `checkpoints` are Snakemake's: until the choice is made they stop whoever asks, and Snakemake
    asks again.
    """
    if not study.replicates:
        return []
    return replicate_files(study, student, _choice(student, checkpoints))


def _choice(student: str, checkpoints: Any) -> str | None:
    file = checkpoints.choose.get(student=student).output[0]
    return read_choice(Path(file), enter=False)["chosen"]


def replicate_files(study: Study, student: str, configuration: str | None) -> list[str]:
    """Return the checkpoints and metrics of the replicates of a configuration."""
    variants = study.replicates_of(configuration)
    return [
        *(str(_RESULTS.checkpoint(student, variant)) for variant in variants),
        *(
            str(_RESULTS.metrics(student, variant, evalset))
            for variant in variants
            for evalset in study.evalsets(variant)
        ),
    ]


def retained_files(study: Study) -> list[str]:
    """Return the targets that remove weights which need not stay, one per student."""
    if study.config["keep"] == "all":
        return []
    return [str(_RESULTS.retained(student)) for student in study.students]


def judged_files(study: Study, student: str, checkpoints: Any) -> dict[str, list[str]]:
    """Return the files that the list of a student's replies to review is made of, by their kind.

    `checkpoints` as in `chosen_replicates`.
    """
    chosen = _choice(student, checkpoints) if study.replicates else None
    cells = [
        (student, variant, control)
        for variant in (*study.variants(student), *study.replicates_of(chosen))
        for control in judged_controls(study)
    ]
    return {
        "metrics": [str(_RESULTS.metrics(*cell)) for cell in cells],
        "predictions": [str(_RESULTS.predictions(*cell)) for cell in cells],
        "data": [str(_RESULTS.rows(control, "test")) for control in judged_controls(study)],
    }
