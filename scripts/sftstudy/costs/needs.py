"""What the trainings of a study need: the largest of each student and method."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sftstudy.pages.columns import aligned
from sftstudy.study import jobs
from sftstudy.study.grid import Study
from sftstudy.study.layout import Layout
from sftstudy.study.variants import BASE
from sftstudy.training.arguments import share_of_step
from sftstudy.training.memory import (
    GIB,
    Estimate,
    Size,
    catalog_size,
    fetched_size,
    training_memory,
)


@dataclass(frozen=True)
class Need:
    """One student and method: its largest trial."""

    student: str
    method: str
    trial: str
    devices: int
    sharded: bool
    tokens: int
    estimate: Estimate


def needs(study: Study, row_tokens: int, folder: Path) -> Iterator[Need]:
    """Yield one need per student and method.

    `row_tokens` is the length of a row; `folder` is where Snakemake runs. Raises `StudyError` for a
    student that is neither fetched nor has a ``size`` in the catalog.
    """
    for student in study.students:
        base = Layout(folder / study.root).checkpoint(student, BASE)
        fetched = (base / "config.json").is_file()
        size = fetched_size(base) if fetched else catalog_size(student, study.student(student))
        largest: dict[str, Need] = {}
        for task in study.tasks:
            for trial in study.trials(student, task):
                need = _need(study, size, student, task, trial, row_tokens)
                known = largest.get(need.method)
                if known is None or need.estimate.device > known.estimate.device:
                    largest[need.method] = need
        yield from largest.values()


def _need(study: Study, size: Size, student: str, task: str, trial: str, row_tokens: int) -> Need:
    facts, recipe = study.student(student), jobs.recipe(study, student, task, trial)
    training, devices = recipe["training"], max(1, facts["gpus"])
    sharded = devices > 1 and "fsdp" in Path(facts["accelerate"] or "").name
    step = training["per_device_train_batch_size"], training["gradient_accumulation_steps"]
    tokens = row_tokens * share_of_step(*step, devices)[0]
    estimate = training_memory(size, recipe, tokens, devices, sharded)
    method = training.get("method", "full")
    return Need(student, method, trial, devices, sharded, tokens, estimate)


def table(study: Study, found: list[Need]) -> str:
    """Return one line per need, in GiB."""
    head = ("student", "method", "devices", "weights", "gradients", "optimizer", "activations")
    rows: list[tuple[str, ...]] = [
        (*head, "gathered", "each device", "main memory", "mem_gb", "trial")
    ]
    for need in found:
        e = need.estimate
        parts = (e.weights, e.gradients, e.optimizer, e.activations, e.gathered, e.device, e.main)
        rows.append(
            (
                need.student,
                need.method,
                f"{need.devices}{' fsdp' if need.sharded else ''}",
                *(f"{part / GIB:.1f}" for part in parts),
                str(study.student(need.student)["mem_gb"]),
                need.trial,
            )
        )
    note = "GiB. The formula, and what is not counted: scripts/sftstudy/training/memory.py."
    return "\n".join([*aligned(rows), "", note])
