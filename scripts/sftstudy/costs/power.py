"""Before a study: how likely each gate and gain is proven when the truth is fine, and at what cost.

Studies are drawn from `sftstudy.statistics.pass_rates`, and judged by the functions that judge real
ones. One baseline serves all of a study's gates, so that what is unlucky about it is so for all of
them at once. Fine means: no true change of a control's mean rate, and a true gain of a given size
on each task.
"""

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sftstudy.costs.eval_sizes import Rows, eval_rows
from sftstudy.costs.past_rates import Basis, gain_basis, gate_basis
from sftstudy.errors import StudyError
from sftstudy.recommendation.judging import DEFAULT_RATIO, Gate, read_gates
from sftstudy.statistics.evidence import Evidence, of_change
from sftstudy.statistics.gates import rate_evidence, ratio_gate
from sftstudy.statistics.multiplicity import holm
from sftstudy.statistics.paired import paired_gain
from sftstudy.statistics.pass_rates import PassRates, base_rates, mean_of_replies, tuned_rates
from sftstudy.study.grid import Study
from sftstudy.study.plan import recommendation_plan

REPLIES = (1, 2, 4, 8, 16)
TIMES = (1, 2, 4)  # as many prompts
GAIN = 0.1  # of accuracy: what is assumed of training on a task
DRAWS = 200
ALIKE = 0.2  # latent correlation of rows of one document or database
_PLACES = 4096  # of prompts between hard and easy, that rates are looked up at


@dataclass(frozen=True)
class Requirement:
    """An eval set of a study as it is drawn: rows and pass rates, and what must be proven of it.

    `gate` is None for a task's test split, whose true gain is `gain`. `sampled` says whether it can
    have several replies to a prompt.
    """

    name: str
    rows: Rows
    basis: Basis
    gate: Gate | None = None
    gain: float = 0.0
    sampled: bool = True

    @property
    def label(self) -> str:
        """What must be proven, in a few words."""
        if self.gate is None:
            return f"{self.name}: gain of {100 * self.gain:g} points"
        return f"{self.name}: {self.gate.metric} {self.gate.rule}"


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
    """A student's eval sets, the number of trained tasks, what was drawn by (times, replies)."""

    student: str
    tasks: int
    requirements: list[Requirement]
    drawn: dict[tuple[int, int], Drawn] = field(default_factory=dict)


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
        found.append(Requirement(gate.control, rows, basis, gate, sampled=sampled))
    for task in study.tasks:
        basis = gain_basis(roots, student, task)
        most = (1 - basis.rates.mean) / 2
        found.append(Requirement(task, eval_rows(study, folder, task), basis, gain=min(gain, most)))
    return found


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
        power = Power(student, len(study.tasks), mine, same.drawn if same else {})
        known.append(power)
        if not same:
            for times in TIMES:
                for replies in REPLIES:
                    power.drawn[times, replies] = draw_studies(
                        mine, len(study.tasks), replies, times, draws
                    )
        yield power


def _same(one: Sequence[Requirement], other: Sequence[Requirement]) -> bool:
    return [(t.name, t.basis, t.gain, t.rows.n) for t in one] == [
        (t.name, t.basis, t.gain, t.rows.n) for t in other
    ]


# -- drawing ---------------------------------------------------------------------------------------


def draw_studies(
    requirements: Sequence[Requirement], tasks: int, replies: int, times: int, draws: int
) -> Drawn:
    """Return what is proven in `draws` studies of so many replies a prompt, and prompts.

    Draws are equal for equal arguments. RECOMMENDED as the recommendation gives it: every gate of
    every checkpoint proven, every gain proven by Holm over the tasks, no gate that the baseline
    fails.
    """
    gates = [one for one in requirements if one.gate]
    gains = [one for one in requirements if not one.gate]
    codes = {one.name: one.rows.times(times) for one in requirements}
    proven = {
        one.name: np.zeros((draws, tasks if one.gate else 1), dtype=bool) for one in requirements
    }
    recommended = np.ones(draws, dtype=bool)
    for number in range(draws):
        generator = np.random.default_rng([number, replies, times])
        for one in gates:
            fine, proven[one.name][number] = _draw_gate(
                one, codes[one.name], tasks, replies, generator
            )
            recommended[number] &= fine
        p_values, values = [], []
        for one in gains:
            base, tuned = _outcomes(one, codes[one.name], 1, replies, generator)
            result = paired_gain(tuned[0], base, codes[one.name])
            p_values.append(result.p)
            values.append(result.value)
        for one, value, p in zip(gains, values, holm(p_values), strict=True):
            proven[one.name][number] = of_change(value, p) == "proven"
        recommended[number] &= all(proven[one.name][number].all() for one in requirements)
    return Drawn(
        draws,
        {name: float(found.mean()) for name, found in proven.items()},
        {name: float(found.all(axis=1).mean()) for name, found in proven.items()},
        float(recommended.mean()),
    )


def _draw_gate(
    one: Requirement, codes: np.ndarray, tasks: int, replies: int, generator: np.random.Generator
) -> tuple[bool, list[bool]]:
    """Return whether the baseline passes the gate, and of which checkpoints it is proven."""
    gate = one.gate
    assert gate is not None, "of a gate"
    base, tuned = _outcomes(one, codes, tasks, replies, generator)
    fine = bool(base.any()) if gate.relative else bool(gate.passes(base.mean(), base.mean()))
    return fine, [_evidence(gate, fine, values, base, codes) == "proven" for values in tuned]


def _evidence(
    gate: Gate, fine: bool, tuned: np.ndarray, base: np.ndarray, codes: np.ndarray
) -> Evidence:
    """Return the evidence of a gate; of non-inferiority where the baseline fails one of a rate."""
    if gate.relative or not fine:
        least = gate.limit if gate.relative else DEFAULT_RATIO
        return ratio_gate(tuned, base, codes, least).evidence
    return rate_evidence(tuned, codes, gate.limit)


def _outcomes(
    one: Requirement, codes: np.ndarray, tasks: int, replies: int, generator: np.random.Generator
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the rows' outcomes (n,) of the baseline, and of `tasks` checkpoints."""
    rates, count = one.basis.rates, replies if one.sampled else 1
    base = _base_rates(rates, codes, generator)
    columns = [base, *(tuned_rates(rates, base, generator, one.gain) for _ in range(tasks))]
    means = [mean_of_replies(column, count, generator) for column in columns]
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
