"""Model cards of trained checkpoints, with what the study measured.

A checkpoint carries a card from its training, which knows no evaluation yet. It is an input of
all that is measured, so the study does not write into it again: the card made here replaces the
checkpoint's README.md where the checkpoint is published.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftstudy.cautions import dequantised
from sftstudy.documents.decoding import Decoding
from sftstudy.documents.metrics import Measured, read_metrics
from sftstudy.documents.provenance import PROVENANCE, Provenance, read_provenance
from sftstudy.files.writing import write_text
from sftstudy.pages.text import in_words
from sftstudy.study.variants import BASE

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

_BEFORE_EVALUATION = " Evaluation is in the study's metrics files."


def write(
    folder: Path,
    variants: dict[str, list[str]],
    sources: dict[str, dict[str, Any]],
    metrics_root: Path,
    checkpoints_root: Path,
) -> None:
    """Write ``{task}/{trial}.md`` for every trained variant of a student.

    Args:
        folder: takes the cards.
        variants: ``base`` and ``{task}/{trial}`` -> the eval sets that it was measured on.
        sources: task or control -> its source in the study file.
        metrics_root: holds ``{variant}/{evalset}.json``.
        checkpoints_root: holds ``{variant}/README.md`` and ``provenance.json``.
    """
    results = {
        variant: [_result(metrics_root / variant / f"{name}.json") for name in evalsets]
        for variant, evalsets in variants.items()
    }
    baseline = {result.evalset: result for result in results.pop(BASE)}
    for variant, measured in results.items():
        checkpoint = checkpoints_root / variant
        write_text(folder / f"{variant}.md", _card(checkpoint, measured, baseline, sources))


@dataclass(frozen=True)
class _Result:
    """The primary metric of one metrics file."""

    student: str
    variant: str
    evalset: str
    task: str
    split: str
    n: int
    metric: str
    measured: Measured
    decoding: Decoding | None


def _result(file: Path) -> _Result:
    """Return the primary metric of a metrics file; its items, most of the file, are not kept."""
    document = read_metrics(file)
    return _Result(
        student=document["student"],
        variant=document["variant"],
        evalset=document["evalset"],
        task=document["task"],
        split=document["split"],
        n=document["n"],
        metric=document["primary"],
        measured=document["metrics"][document["primary"]],
        decoding=document.get("decoding"),
    )


def _card(
    checkpoint: Path,
    measured: list[_Result],
    baseline: dict[str, _Result],
    sources: dict[str, dict[str, Any]],
) -> str:
    from huggingface_hub import ModelCard

    card = ModelCard.load(checkpoint / "README.md")
    trained_on = sources[measured[0].task]
    card.data.datasets = [trained_on["hub"]] if "hub" in trained_on else None
    card.data.model_name = f"{measured[0].student}/{measured[0].variant}"
    card.data.eval_results = [
        _eval_result(result, result.measured["value"], sources[result.task])
        for result in measured
        if result.measured["value"] is not None
    ]
    provenance = read_provenance(checkpoint / PROVENANCE)
    training = card.text.replace(_BEFORE_EVALUATION, "").strip()
    card.text = "\n\n".join([training, _evaluation(measured, baseline), _provenance(provenance)])
    return f"{card}\n"


def _eval_result(result: _Result, value: float, source: dict[str, Any]) -> "EvalResult":
    from huggingface_hub import EvalResult

    return EvalResult(
        task_type="text-generation",
        dataset_type=source.get("hub", result.task),
        dataset_name=result.task,
        dataset_split=result.split,
        metric_type=result.metric,
        metric_name=f"{result.metric}: {result.measured['description']}",
        metric_value=round(value, 4),
    )


def _evaluation(measured: list[_Result], baseline: dict[str, _Result]) -> str:
    lines = [
        f"| {result.evalset} | {result.metric} | {_number(baseline[result.evalset])} "
        f"| {_number(result)} | {_interval(result)} | {_count(result)} |"
        for result in measured
    ]
    return (
        "## Evaluation\n\n"
        f"{_decoding(measured)} *val* chose between configurations, *test* did not; the others are "
        "controls. The interval is a 95% confidence interval of the fine-tuned model.\n\n"
        "| eval set | metric | before | fine-tuned | interval | n |\n|---|---|---|---|---|---|\n"
        + "\n".join(lines)
    )


def _decoding(measured: list[_Result]) -> str:
    drawn = [f"{r.evalset}: {in_words(r.decoding)}." for r in measured if r.decoding]
    return " ".join(["Greedy decoding, but for these:", *drawn] if drawn else ["Greedy decoding."])


def _count(result: _Result) -> str:
    unsure = result.measured.get("unsure")
    return f"{result.n} (unsure of {unsure}, counted as failed)" if unsure else str(result.n)


def _provenance(provenance: Provenance) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in provenance["packages"].items())
    base = provenance["base"]
    types = base.get("dequantised")
    rows = {
        **({"base": dequantised(str(base["id"]), types)} if types else {}),
        "base, SHA-256": provenance["base_sha256"],
        "training data, SHA-256": provenance["data_sha256"],
        "device": f"{provenance['processes']} x {provenance['device']}",
        "training time": f"{provenance['train_seconds'] / 3600:.3g} hours",
        "packages": packages,
    }
    lines = "\n".join(f"| {key} | {value} |" for key, value in rows.items())
    return f"## Provenance\n\n| | |\n|---|---|\n{lines}"


def _number(result: _Result) -> str:
    value = result.measured["value"]
    return "-" if value is None else f"{value:.3f}"


def _interval(result: _Result) -> str:
    low, high = result.measured["low"], result.measured["high"]
    return "-" if low is None else f"{low:.3f} to {high:.3f}"
