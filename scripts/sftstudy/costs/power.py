"""Before a study: how likely each gate and gain is proven when the truth is fine, and at what cost.

Studies are drawn from `sftstudy.statistics.pass_rates`, and judged by the functions that judge real
ones. One baseline serves all of a study's gates, so that what is unlucky about it is so for all of
them at once. Fine means: no true change of a control's mean rate, and a true gain of a given size
on each task. With replicates that is so of the mean over trainings, and runs differ around it.
"""

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from sftstudy.costs.eval_sizes import Rows, eval_rows
from sftstudy.costs.past_rates import Basis, gain_basis, gate_basis
from sftstudy.errors import StudyError
from sftstudy.recommendation.judging import DEFAULT_RATIO, Gate, read_gates
from sftstudy.statistics.evidence import Evidence, of_change
from sftstudy.statistics.multiplicity import holm
from sftstudy.statistics.pass_rates import (
    PassRates,
    base_rates,
    mean_of_replies,
    runs_rates,
    tuned_rates,
)
from sftstudy.statistics.runs import (
    evidence_of_runs,
    gain_over_runs,
    rate_evidence_over_runs,
    ratio_gate_over_runs,
)
from sftstudy.study import jobs
from sftstudy.study.grid import Study
from sftstudy.study.plan import recommendation_plan

REPLIES = (1, 2, 4, 8, 16)
OWN = 0  # replies: as many as the study file says of each eval set
REPLICATES = (0, 2, 4)  # one gives no proofs
TIMES = (1, 2, 4)  # as many prompts
GAIN = 0.1  # of accuracy: what is assumed of training on a task
DRAWS = 200
ALIKE = 0.2  # latent correlation of rows of one document or database
_PLACES = 4096  # of prompts between hard and easy, that rates are looked up at


@dataclass(frozen=True)
class Requirement:
    """An eval set of a study as it is drawn: rows and pass rates, and what must be proven of it.

    `gate` is None for a task's test split, whose true gain is `gain`. `sampled` says whether it can
    have several replies to a prompt, `samples` how many the study file asks for.
    """

    name: str
    rows: Rows
    basis: Basis
    gate: Gate | None = None
    gain: float = 0.0
    sampled: bool = True
    samples: int = 1

    def replies(self, asked: int) -> int:
        """Return how many replies a prompt has where so many are asked for, or `OWN`."""
        if asked == OWN:
            return self.samples
        return asked if self.sampled else 1

    @property
    def label(self) -> str:
        """What must be proven, in a few words."""
        if self.gate is None:
            return f"{self.name}: gain of {100 * self.gain:g} points"
        gate = self.gate
        rule = f"at least {gate.limit:g} of base" if gate.relative else gate.rule
        return f"{self.name}: {gate.metric} {rule}"


@dataclass(frozen=True)
class Drawn:
    """How often each was proven, in `draws` studies: shares by eval set, and of all together.

    `one` is of a single checkpoint, `every` of those of all tasks; of a gain both are the same.
    """

    draws: int
    one: dict[str, float]
    every: dict[str, float]
    recommended: float


@dataclass
class Power:
    """A student's eval sets, and what was drawn.

    Attributes:
        tasks: The number of tasks trained on.
        drawn: By (times, replies), with the replicates of the study file.
        replicated: By the number of replicates, with the prompts and replies of the study file.
    """

    student: str
    tasks: int
    requirements: list[Requirement]
    drawn: dict[tuple[int, int], Drawn] = field(default_factory=dict)
    replicated: dict[int, Drawn] = field(default_factory=dict)


def requirements(
    study: Study, student: str, folder: Path, past: Sequence[Path], gain: float
) -> list[Requirement]:
    """Return what a student's configuration must prove, gates first.

    `folder` is where Snakemake runs, `past` are results folders of other studies to learn from. A
    gain is cut where a rate would leave (0, 1): to half of what is left.
    """
    roots = [folder / study.root, *past]
    found = []
    for gate in read_gates(recommendation_plan(study, student)):
        rows, basis = eval_rows(study, folder, gate.control), gate_basis(roots, student, gate)
        sampled = "lm_eval" not in study.catalog["controls"][gate.control]
        found.append(
            Requirement(
                gate.control,
                rows,
                basis,
                gate,
                sampled=sampled,
                samples=_samples(study, gate.control) if sampled else 1,
            )
        )
    for task in study.tasks:
        basis = gain_basis(roots, student, task)
        most = (1 - basis.rates.mean) / 2
        found.append(
            Requirement(
                task,
                eval_rows(study, folder, task),
                basis,
                gain=min(gain, most),
                samples=_samples(study, task),
            )
        )
    return found


def _samples(study: Study, name: str) -> int:
    decoding = jobs.decoding(study, name)
    return decoding["samples"] if decoding else 1


def powers(
    study: Study,
    folder: Path,
    past: Sequence[Path] = (),
    gain: float = GAIN,
    draws: int = DRAWS,
) -> Iterator[Power]:
    """Yield a student's chances; students of whom the same is known share what is drawn.

    Raises `StudyError` for a gain that is no share, or fewer than one draw.
    """
    if not 0 < gain < 1 or draws < 1:
        raise StudyError(
            f"gain {gain:g}, draws {draws}: expected a gain above 0 and below 1 (0.1 is 10 points) "
            "and at least one draw"
        )
    known: list[Power] = []
    for student in study.students:
        mine = requirements(study, student, folder, past, gain)
        same = next((one for one in known if _same(one.requirements, mine)), None)
        power = Power(student, len(study.tasks), mine)
        if same:
            power.drawn, power.replicated = same.drawn, same.replicated
        else:
            _draw_all(power, study.replicates, draws)
        known.append(power)
        yield power


def _draw_all(power: Power, replicates: int, draws: int) -> None:
    """Draw what is told of a student, in a study with so many replicates."""

    def drawn(replies: int, times: int, replicates: int) -> Drawn:
        return draw_studies(power.requirements, power.tasks, replies, times, draws, replicates)

    for times in TIMES:
        for replies in REPLIES:
            power.drawn[times, replies] = drawn(replies, times, replicates)
    asked = {one.samples for one in power.requirements if one.sampled}
    own = asked.pop() if len(asked) == 1 else OWN
    for number in sorted({*REPLICATES, replicates}):
        known = power.drawn.get((1, own)) if number == replicates else None
        power.replicated[number] = known or drawn(own, 1, number)


def _same(one: Sequence[Requirement], other: Sequence[Requirement]) -> bool:
    return [(t.name, t.basis, t.gain, t.rows.n) for t in one] == [
        (t.name, t.basis, t.gain, t.rows.n) for t in other
    ]


# -- drawing ---------------------------------------------------------------------------------------


def draw_studies(
    requirements: Sequence[Requirement],
    tasks: int,
    replies: int,
    times: int,
    draws: int,
    replicates: int = 0,
) -> Drawn:
    """Return what is proven in `draws` studies of so many replies a prompt, prompts, replicates.

    Draws are equal for equal arguments. RECOMMENDED as the recommendation gives it: every gate of
    every checkpoint proven, every gain proven by Holm over the tasks, no gate that the baseline
    fails; over all runs of a checkpoint where there are replicates.
    """
    gates = [one for one in requirements if one.gate]
    gains = [one for one in requirements if not one.gate]
    codes = {one.name: one.rows.times(times) for one in requirements}
    asked = {one.name: one.replies(replies) for one in requirements}
    proven = {
        one.name: np.zeros((draws, tasks if one.gate else 1), dtype=bool) for one in requirements
    }
    recommended = np.ones(draws, dtype=bool)
    for number in range(draws):
        generator = np.random.default_rng([number, replies, times])
        draw = functools.partial(_outcomes, runs=1 + replicates, generator=generator)
        for one in gates:
            base, tuned = draw(one, codes[one.name], asked[one.name], tasks)
            fine, proven[one.name][number] = _judge_gate(one.gate, base, tuned, codes[one.name])
            recommended[number] &= fine
        drawn = {one.name: draw(one, codes[one.name], asked[one.name], 1) for one in gains}
        for name, found in _judge_gains(drawn, codes).items():
            proven[name][number] = found
        recommended[number] &= all(proven[one.name][number].all() for one in requirements)
    return Drawn(
        draws,
        {name: float(found.mean()) for name, found in proven.items()},
        {name: float(found.all(axis=1).mean()) for name, found in proven.items()},
        float(recommended.mean()),
    )


Outcomes = tuple[np.ndarray, list[np.ndarray]]  # of the baseline (n,), of checkpoints (n, runs)


def _judge_gate(
    gate: Gate | None, base: np.ndarray, tuned: Sequence[np.ndarray], codes: np.ndarray
) -> tuple[bool, list[bool]]:
    """Return whether the baseline passes the gate, and of which checkpoints it is proven.

    Where the baseline fails one of a rate, non-inferiority to it is what is proven.
    """
    assert gate is not None, "of a gate"
    fine = bool(base.any()) if gate.relative else bool(gate.passes(base.mean(), base.mean()))
    if not fine and not gate.relative:
        gate = replace(gate, limit=DEFAULT_RATIO, relative=True)
    return fine, [_evidence(gate, runs, base, codes) == "proven" for runs in tuned]


def _evidence(gate: Gate, tuned: np.ndarray, base: np.ndarray, codes: np.ndarray) -> Evidence:
    """Return the evidence of a gate by the runs `tuned` (n, m)."""
    if gate.relative:
        evidence = ratio_gate_over_runs(tuned, base, codes, gate.limit).evidence
    else:
        evidence = rate_evidence_over_runs(tuned, codes, gate.limit)
    holds = tuned.shape[1] == 1 or bool(gate.passes(tuned.mean(axis=0), base.mean()).all())
    return evidence_of_runs(evidence, holds)


def _judge_gains(drawn: Mapping[str, Outcomes], codes: Mapping[str, np.ndarray]) -> dict[str, bool]:
    """Return of which tasks the gain is proven, from their outcomes and the codes of their rows."""
    found = {
        name: gain_over_runs(tuned, base, codes[name]) for name, (base, [tuned]) in drawn.items()
    }
    proven = {}
    adjusted = holm([gain.p for gain in found.values()])
    for (name, (base, [tuned])), p in zip(drawn.items(), adjusted, strict=True):
        gained = bool((tuned.mean(axis=0) > base.mean()).all())
        proven[name] = evidence_of_runs(of_change(found[name].value, p), gained) == "proven"
    return proven


def _outcomes(
    one: Requirement,
    codes: np.ndarray,
    replies: int,
    tasks: int,
    runs: int,
    generator: np.random.Generator,
) -> Outcomes:
    """Return the rows' outcomes of the baseline, and of the runs of `tasks` checkpoints."""
    rates, spread = one.basis.rates, one.basis.spread
    base = _base_rates(rates, codes, generator)
    if runs == 1:
        # What is fine is the one training that there is: it differs from no other.
        tuned = [tuned_rates(rates, base, generator, one.gain)[:, None] for _ in range(tasks)]
    else:
        tuned = [runs_rates(rates, base, generator, one.gain, spread, runs) for _ in range(tasks)]
    means = [mean_of_replies(column, replies, generator) for column in (base, *tuned)]
    if one.gate and "always_" in one.gate.metric:
        means = [(mean == 1).astype(float) for mean in means]
    return means[0], means[1:]


def _base_rates(
    pass_rates: PassRates, codes: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    groups, n = int(codes.max()) + 1, len(codes)
    if groups == n:
        places = generator.random(n)
    else:
        shared = math.sqrt(ALIKE) * generator.standard_normal(groups)[codes]
        places = _normal_cdf(shared + math.sqrt(1 - ALIKE) * generator.standard_normal(n))
    return _table(pass_rates)[(places * _PLACES).astype(int).clip(0, _PLACES - 1)]


@functools.lru_cache(maxsize=64)
def _table(pass_rates: PassRates) -> np.ndarray:
    """Return the rates at `_PLACES` places: to invert the distribution for each draw takes long."""
    return base_rates(pass_rates, (np.arange(_PLACES) + 0.5) / _PLACES)


def _normal_cdf(values: np.ndarray) -> np.ndarray:
    from scipy.special import ndtr

    found: np.ndarray = ndtr(values)
    return found
