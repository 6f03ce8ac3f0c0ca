"""What the planner takes for the pass rates of an eval set: from past metrics files, or assumed.

Files in which prompts have several replies tell mean, spread and the noise of training; those of
one reply the mean alone. Each number carries where it is from.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from sftstudy.costs.past_runs import spread_at_gate, spread_of_gains
from sftstudy.documents.metrics import Metrics, read_metrics
from sftstudy.recommendation.judging import Gate
from sftstudy.statistics.pass_rates import PassRates
from sftstudy.statistics.variances import training_noise, variances
from sftstudy.study.layout import Layout
from sftstudy.study.variants import BASE

MEASURED, ASSUMED = "measured", "assumed"
# What is assumed where nothing was measured. The share between prompts is that of
# SmolLM2-135M-Instruct on IFEval, all else a guess; docs/statistics.md, "Before a study", says
# what hangs on it.
RELATIVE_MEAN, TASK_MEAN = 0.7, 0.45
ABOVE_LIMIT = 0.7  # of the way from a gate's limit to 1: 0.97 for a rate above 0.9
BETWEEN = 0.3
RUNS = 0.01  # standard deviation between the true means of trainings: one point
NOISE = 0.6
TASK_NOISE = 1.0  # of training on the task itself, which is there to change replies


@dataclass(frozen=True)
class Basis:
    """Pass rates, and for each of their three numbers whether it is measured or assumed.

    `spread` is the standard deviation between the true means of trainings that differ in their seed
    alone, and `runs` says the same of it.
    """

    rates: PassRates
    mean: str
    between: str
    noise: str
    spread: float = RUNS
    runs: str = ASSUMED


def gate_basis(roots: Sequence[Path], student: str, gate: Gate) -> Basis:
    """Return the pass rates of a gate's control, from results folders in this order.

    Noise is the median over the checkpoints that pass the gate by point estimate: those that are
    broken say nothing of one that is fine. A mean that fails a gate of its own is not fine either,
    and is only taken where the gate is relative.
    """
    past = _past(roots, student, gate.control, gate.metric, "*/*")
    fine = [file for file in past.tuned if _passes(gate, file, past.base)]
    mean = past.mean
    if mean is not None and not gate.relative and mean <= gate.limit:
        mean = None
    assumed = RELATIVE_MEAN if gate.relative else gate.limit + ABOVE_LIMIT * (1 - gate.limit)
    spread = spread_at_gate(roots, student, gate)
    return _basis(past, fine, mean, assumed, NOISE, spread)


def gain_basis(roots: Sequence[Path], student: str, task: str) -> Basis:
    """Return the pass rates of a task's test split, else its val split, of the untuned student.

    Noise is the median over the checkpoints of the task; how runs differ is told of all tasks
    together, since of one there are few runs.
    """
    past = _Past(None, [])
    for split in ("test", "val"):
        past = past if past.base else _past(roots, student, f"{task}.{split}", None, f"{task}/*")
    return _basis(
        past, past.tuned, past.mean, TASK_MEAN, TASK_NOISE, spread_of_gains(roots, student)
    )


Replies = dict[str, np.ndarray]  # by row


@dataclass(frozen=True)
class _Past:
    base: Replies | None
    tuned: list[Replies]

    @property
    def mean(self) -> float | None:
        """The base's mean, None where it is not known, or 0 or 1: no rates are spread around it."""
        mean = _mean(self.base) if self.base else 0.0
        return mean if 0 < mean < 1 else None


def _past(
    roots: Sequence[Path], student: str, evalset: str, metric: str | None, variants: str
) -> _Past:
    """Return the replies of the first folder in which the base has several, else one."""
    found = _Past(None, [])
    for root in roots:
        layout = Layout(root)
        base = _replies(layout.metrics(student, BASE, evalset), metric)
        if base is None or (found.base and not _several(base)):
            continue
        files = sorted(root.glob(str(layout.metrics(student, variants, evalset).relative_to(root))))
        found = _Past(base, [one for file in files if (one := _replies(file, metric))])
        if _several(base):
            break
    return found


def _replies(file: Path, metric: str | None) -> Replies | None:
    """Return the outcomes of the single replies; None without a file, or where it has none."""
    if not file.is_file() or not file.stat().st_size:
        return None
    document = read_metrics(file)
    entry = document["metrics"].get(metric or document["primary"])
    if entry is None:
        return None
    rows: defaultdict[str, list[float]] = defaultdict(list)
    for name, outcome in _outcomes(document, entry["outcome"] or metric or document["primary"]):
        rows[name].append(outcome)
    return {name: np.array(outcomes) for name, outcomes in rows.items()} or None


def _outcomes(document: Metrics, key: str) -> Iterator[tuple[str, float]]:
    """Yield row and outcome of each reply. What is said of a row's replies together, that they are
    always safe, is the outcome `safe` of a single one."""
    replies = document.get("samples") or document["items"]
    if replies and key not in replies[0]:
        key = key.replace("always_", "")
    for reply in replies:
        if reply.get(key) is not None:
            yield reply["id"], float(reply[key])


def _several(replies: Replies) -> bool:
    return any(len(outcomes) > 1 for outcomes in replies.values())


def _mean(replies: Replies) -> float:
    return float(np.mean([outcomes.mean() for outcomes in replies.values()]))


def _passes(gate: Gate, tuned: Replies, base: Replies | None) -> bool:
    baseline = _mean(base) if base else 0.0
    return bool(gate.passes(np.array(_mean(tuned)), np.array(baseline)))


def _basis(
    past: _Past,
    tuned: Sequence[Replies],
    mean: float | None,
    assumed: float,
    noise: float,
    between_runs: float | None,
) -> Basis:
    spread = variances(list(past.base.values())) if past.base and mean is not None else None
    noises = [found for one in tuned if past.base and (found := _noise(past.base, one)) is not None]
    rates = PassRates(
        mean=assumed if mean is None else mean,
        between=BETWEEN if spread is None else spread.share,
        noise=median(noises) if noises else noise,
    )
    return Basis(
        rates,
        ASSUMED if mean is None else MEASURED,
        ASSUMED if spread is None else MEASURED,
        MEASURED if noises else ASSUMED,
        RUNS if between_runs is None else between_runs,
        ASSUMED if between_runs is None else MEASURED,
    )


def _noise(base: Replies, tuned: Replies) -> float | None:
    common = [name for name in base if name in tuned]
    return training_noise([base[name] for name in common], [tuned[name] for name in common])
