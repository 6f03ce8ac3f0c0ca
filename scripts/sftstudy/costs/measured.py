"""What jobs have cost: seconds of GPUs or CPU, tokens, tokens per second, model FLOPs utilisation.

Measured figures differ from run to run, so they stand in no result of the study, only in the
records of jobs (`sftstudy.records.record`), which this module reads.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sftstudy.documents.record import Record, read_record
from sftstudy.pages.columns import aligned
from sftstudy.study.layout import Layout

# Peak of dense matrix products in bfloat16 or float16, FLOP/s. From NVIDIA's data sheets, whose
# larger numbers "with sparsity" are halved; the part of a device's name comes first that names it
# most closely.
PEAK_FLOPS = {
    "B200": 2.25e15,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "A10G": 70e12,
    "A10": 125e12,
    "L4": 121e12,
    "V100": 125e12,
    "T4": 65e12,
}
_HALF = ("bfloat16", "float16")
ON_CPU = (
    "On the CPU, time is that of a job's processes, on however many cores each of them computes."
)


@dataclass(frozen=True)
class Cost:
    """What one job measured. `variant` is ``base`` or ``{task}/{trial}``; `flops` are those of the
    model, what sharing prefixes saved included; `facts` are all that it noted. On the CPU
    `gpu_seconds`, as records call them, are those of its processes, whatever number of cores they
    use. Of questions to a judge, `student`, `variant` and `suite` say whose replies to which
    control they are about."""

    kind: str  # "train", "predict" or "judge"
    student: str
    variant: str
    suite: str  # of a prediction; of a judge's the control; else ""
    device: str
    dtype: str
    gpu_seconds: float
    tokens: int
    flops: float
    facts: Mapping[str, Any] = field(default_factory=dict)
    judge: str = ""  # the student that was asked; none but by `kind` judge

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens per second of one GPU or process; None if nothing was computed."""
        return self.tokens / self.gpu_seconds if self.gpu_seconds else None

    @property
    def unit(self) -> str:
        """Of what the seconds are: ``CPU`` or ``GPU``."""
        return "CPU" if self.device == "cpu" else "GPU"

    @property
    def mfu(self) -> float | None:
        """Model FLOPs utilisation, a share of the device's peak; None where that is unknown.

        Chowdhery et al. 2022 (PaLM), appendix B, without attention. Shared prefixes count as often
        as samples hold them: with prefix sharing it can exceed what the device computed.
        """
        peak = peak_flops(self.device, self.dtype)
        return self.flops / self.gpu_seconds / peak if peak and self.gpu_seconds else None


def peak_flops(device: str, dtype: str) -> float | None:
    """Return the peak FLOP/s of a device by its name, None where it is not known."""
    if dtype not in _HALF:
        return None
    words = device.replace("-", " ").split()
    for name, peak in PEAK_FLOPS.items():
        if set(name.split()) <= set(words):
            return peak
    return None


def costs(root: Path) -> Iterator[Cost]:
    """Yield what the trainings and predictions of a results folder have cost, a judge's at last."""
    layout = Layout(root)
    for name, record in _records(layout, layout.checkpoint("*", "*/*")):
        if record["program"] == "train":
            student, *variant = name.parts
            yield _cost("train", student, "/".join(variant), "", record)
    for name, record in _records(layout, layout.predictions("*", "**", "*")):
        student, *variant, suite = name.parts
        yield _cost("predict", student, "/".join(variant), suite.rpartition(".")[2], record)
    for name, record in _records(layout, layout.judgements("*", "**", "*", "replies")):
        student, *variant, control, _ = name.parts
        checkpoint = Path(record["command"][record["command"].index("--checkpoint") + 1])
        found = _cost("judge", student, "/".join(variant), control, record)
        yield replace(found, judge=checkpoint.parent.name)


def _records(layout: Layout, outputs: Path) -> Iterator[tuple[Path, Record]]:
    """Yield the records with measured times of the jobs that make `outputs`, a pattern of paths.

    With each comes the name of its job below the stage: student, variant and suite.
    """
    for file in sorted(layout.root.glob(str(layout.record(outputs).relative_to(layout.root)))):
        record = read_record(file)
        if "gpu_seconds" in record["facts"]:
            _, *name = file.relative_to(layout.records).parts
            yield Path(*name).with_name(file.stem), record


def _cost(kind: str, student: str, variant: str, suite: str, record: Record) -> Cost:
    facts = record["facts"]
    return Cost(
        kind,
        student,
        variant,
        suite,
        device=record["hardware"]["device"],
        dtype=facts["dtype"],
        gpu_seconds=facts["gpu_seconds"],
        tokens=facts["tokens"] if kind == "train" else facts["generated_tokens"],
        flops=facts["flops"],
        facts=facts,
    )


def table(found: list[Cost]) -> str:
    """Return one line per job, and the sums."""
    unit = unit_of(cost.unit for cost in found)
    rows = [("job", "device", f"{unit} s", "tokens", "tokens/s", "MFU")]
    rows += [
        (
            " ".join(filter(None, [cost.kind, cost.student, cost.variant, cost.suite])),
            cost.device,
            f"{cost.gpu_seconds:.1f}",
            f"{cost.tokens:,}",
            "-" if cost.tokens_per_second is None else f"{cost.tokens_per_second:,.0f}",
            "unknown" if cost.mfu is None else f"{cost.mfu:.1%}",
        )
        for cost in found
    ]
    lines = aligned(rows)
    for kind in ("train", "predict", "judge"):
        chosen = [cost for cost in found if cost.kind == kind]
        if kind == "judge" and not chosen:
            continue
        tokens = sum(cost.tokens for cost in chosen)
        lines.append(f"{kind}: {len(chosen)} jobs{_hours(chosen)}, {tokens:,} tokens")
    if any(cost.unit == "CPU" for cost in found):
        lines.append(ON_CPU)
    return "\n".join(lines)


def unit_of(units: Iterable[str]) -> str:
    """Return the unit of figures that stand in one column."""
    return " or ".join(sorted(set(units), reverse=True)) or "GPU"


def _hours(found: list[Cost]) -> str:
    parts = []
    for unit in sorted({cost.unit for cost in found}):
        seconds = sum(cost.gpu_seconds for cost in found if cost.unit == unit)
        parts.append(f", {seconds / 3600:.2f} {unit} hours")
    return "".join(parts)
