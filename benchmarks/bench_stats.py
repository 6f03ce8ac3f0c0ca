"""Studies with known truth: do the intervals cover, and is what is recommended right?

``coverage``  draws eval sets from known rates and counts how often the 95% intervals hold them.
``edges``     the same near 0 and 1: exactly for rows on their own, by draws for 13 databases.
``sizes``     calculates how often the ratio gate is called proven at a ratio exactly at the limit.
``studies``   draws whole studies (12 configurations, 4 tasks, 2 controls) and runs the real
              `recommend` on them, beside two habits: the best mean score on the select split, and
              the best mean score on the test split (the one that is then reported).
``effects``   draws studies in which some hyperparameters do nothing, and counts how often these are
              called distinguishable, and how often the intervals of effects hold the truth.

Rows are correlated: a row is hard for every student alike, and rows of one document are hard
together. `make bench-stats` prints all tables, which docs/statistics.md keeps as measured.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from sftstudy.recommendation.document import recommend
from sftstudy.recommendation.names import RECOMMENDED
from sftstudy.statistics.clusters import group_codes
from sftstudy.statistics.distributions import binomial_limits, normal_quantile
from sftstudy.statistics.gates import RATIO_ALPHA, ratio_limits, ratio_score
from sftstudy.statistics.intervals import Estimate, statistic, unit_mean
from sftstudy.statistics.paired import difference_limits, paired_gain
from sftstudy.study.axes import AXES

quantile = np.vectorize(NormalDist().inv_cdf)
SHARED = 0.7  # share of a row's difficulty (latent variance) that all students have in common


@dataclass(frozen=True)
class Design:
    """Rows and groups of an eval set; `within` is the latent correlation of rows of a group."""

    rows: int
    groups: int
    within: float = 0.0

    def codes(self, generator: np.random.Generator) -> np.ndarray:
        if self.groups == self.rows:
            return np.arange(self.rows)
        # Every group once, the rest at random with unequal chances: sizes differ as databases do.
        chances = generator.dirichlet(np.full(self.groups, 2.0))
        rest = generator.choice(self.groups, self.rows - self.groups, p=chances)
        return np.sort(np.concatenate([np.arange(self.groups), rest]))

    def outcomes(self, rates: np.ndarray, generator: np.random.Generator) -> tuple:
        """Return right-or-wrong outcomes (rows, students) with the given true rates, and groups."""
        codes = self.codes(generator)
        common = math.sqrt(self.within) * generator.normal(size=self.groups)[codes]
        common = common + math.sqrt(1 - self.within) * generator.normal(size=self.rows)
        own = generator.normal(size=(self.rows, len(rates)))
        latent = math.sqrt(SHARED) * common[:, None] + math.sqrt(1 - SHARED) * own
        return (latent < quantile(np.clip(rates, 1e-4, 1 - 1e-4))).astype(float), codes


# -- coverage ----------------------------------------------------------------------------------

DESIGNS = {
    "20 rows": Design(20, 20),
    "50 rows": Design(50, 50),
    "100 rows": Design(100, 100),
    "541 rows": Design(541, 541),
    "1,700 rows": Design(1700, 1700),
    "50 rows, 5 databases": Design(50, 5, 0.2),
    "50 rows, 10 databases": Design(50, 10, 0.2),
    "100 rows, 8 databases": Design(100, 8, 0.2),
    "100 rows, 20 databases": Design(100, 20, 0.2),
    "300 rows, 100 documents": Design(300, 100, 0.3),
    "1,700 rows, 280 documents": Design(1700, 280, 0.3),
}
Covers = Callable[[Design, np.random.Generator], tuple[bool, float]]


def proportion(design: Design, generator: np.random.Generator) -> tuple[bool, float]:
    rate = generator.uniform(0.2, 0.95)
    values, codes = design.outcomes(np.array([rate]), generator)
    return _covers(unit_mean(values[:, 0], codes), rate)


def high_proportion(design: Design, generator: np.random.Generator) -> tuple[bool, float]:
    rate = generator.uniform(0.88, 0.99)
    values, codes = design.outcomes(np.array([rate]), generator)
    return _covers(unit_mean(values[:, 0], codes), rate)


def partial_credit(design: Design, generator: np.random.Generator) -> tuple[bool, float]:
    """A score like token F1: right, half right, or wrong."""
    right = generator.uniform(0.2, 0.8)
    some = right + (1 - right) * generator.uniform(0.2, 0.8)
    codes = design.codes(generator)
    latent = math.sqrt(design.within) * generator.normal(size=design.groups)[codes]
    latent = latent + math.sqrt(1 - design.within) * generator.normal(size=design.rows)
    values = 0.5 * (latent < quantile(right)) + 0.5 * (latent < quantile(some))
    return _covers(unit_mean(values, codes), (right + some) / 2)


def gain(design: Design, generator: np.random.Generator) -> tuple[bool, float]:
    base = generator.uniform(0.2, 0.8)
    tuned = min(0.97, base + generator.uniform(-0.05, 0.3))
    values, codes = design.outcomes(np.array([tuned, base]), generator)
    return _covers(paired_gain(values[:, 0], values[:, 1], codes), tuned - base)


def ratio(design: Design, generator: np.random.Generator) -> tuple[bool, float]:
    base = generator.uniform(0.3, 0.9)
    tuned = base * generator.uniform(0.85, 1.05)
    values, _ = design.outcomes(np.array([tuned, base]), generator)
    both = int(values.prod(axis=1).sum())
    counts = (both, int(values[:, 0].sum()) - both, int(values[:, 1].sum()) - both)
    low, high = ratio_limits(*counts, design.rows)
    return low <= tuned / base <= high, high - low


def macro_f1(
    design: Design, generator: np.random.Generator, least: float = 0.4, most: float = 0.95
) -> tuple[bool, float]:
    """Three unequal classes, each found with its own rate; wrong replies are spread evenly."""
    shares, hit = np.array([0.55, 0.33, 0.12]), generator.uniform(least, most, 3)
    confusion = np.full((3, 3), 0.5) * (1 - hit)[:, None]
    np.fill_diagonal(confusion, hit)
    joint = shares[:, None] * confusion
    truth = np.mean(2 * np.diag(joint) / (joint.sum(axis=0) + joint.sum(axis=1)))
    pairs = generator.choice(9, design.rows, p=joint.ravel())
    gold, reply = np.eye(3, dtype=np.float32)[pairs // 3], np.eye(3, dtype=np.float32)[pairs % 3]

    def function(weights: np.ndarray) -> np.ndarray:
        both, either = weights @ (gold * reply), weights @ (gold + reply)
        return np.where(either > 0, 2 * both / np.maximum(either, 1), 0).mean(axis=1)

    seed = int(generator.integers(1 << 30))
    return _covers(statistic(function, np.arange(design.rows), seed), truth)


def high_macro_f1(design: Design, generator: np.random.Generator) -> tuple[bool, float]:
    return macro_f1(design, generator, 0.95, 1.0)


def _covers(estimate: Estimate | Any, truth: float) -> tuple[bool, float]:
    return estimate.low <= truth <= estimate.high, estimate.high - estimate.low


COVERAGE: dict[str, tuple[Covers, Callable[[Design], bool], int]] = {
    # name: (simulation, the designs it applies to, share of the draws)
    "proportion, 20-95%": (proportion, lambda design: True, 1),
    "proportion, 88-99%": (high_proportion, lambda design: design.groups >= 10, 1),
    "partial credit": (partial_credit, lambda design: True, 1),
    "gain, paired": (gain, lambda design: True, 1),
    "ratio to the baseline": (ratio, lambda design: design.groups == design.rows, 2),
    "macro F1 of 3 classes": (
        macro_f1,
        lambda design: design.groups == design.rows and 50 <= design.rows <= 541,
        2,
    ),
    "macro F1, classes found in 95-100%": (
        high_macro_f1,
        lambda design: design.groups == design.rows and 100 <= design.rows <= 541,
        2,
    ),
}


def print_coverage(draws: int, seed: int) -> bool:
    """Print coverage by metric and design; return whether it is at least 93% throughout."""
    print("| metric | eval set | draws | coverage % | mean width, points |")
    print("|---|---|---|---|---|")
    fine = True
    for number, (name, (covers, applies, divisor)) in enumerate(COVERAGE.items()):
        for index, (label, design) in enumerate(DESIGNS.items()):
            if not applies(design):
                continue
            generator = np.random.default_rng([seed, number, index])
            count = draws // divisor
            results = [covers(design, generator) for _ in range(count)]
            rate = 100 * np.mean([covered for covered, _ in results])
            width = 100 * np.mean([width for _, width in results])
            fine &= bool(rate >= 93)
            flag = "" if rate >= 93 else " **missed**"
            print(f"| {name} | {label} | {count} | {rate:.1f}{flag} | {width:.1f} |")
            sys.stdout.flush()
    return fine


# -- edges -------------------------------------------------------------------------------------

# Rows of each database among the first 653 questions of Spider's dev split.
DATABASES = np.array([92, 84, 80, 78, 62, 62, 45, 42, 38, 30, 18, 16, 6])
WITHIN = (0.0, 0.05, 0.1, 0.3)  # intra-class correlations: how alike rows of a database are
RATES = (0.02, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.98)
# Shares of pairs that only the tuned and only the baseline student gets right.
GAINS = ((0.02, 0.02), (0.05, 0.01), (0.1, 0.05), (0.2, 0.02), (0.2, 0.1), (0.5, 0.05), (0.9, 0.01))


def print_edges(draws: int, seed: int) -> bool:
    """Print exact coverage of independent rows and drawn coverage of 13 databases."""
    print("\n| rows on their own | lowest coverage %, at | mean coverage % |")
    print("|---|---|---|")
    fine = True
    for n in (20, 50, 100, 541, 2000):
        lowest, at, mean = _coverage_of_rates(n)
        fine &= lowest >= 0.95
        print(f"| proportion, n = {n} | {100 * lowest:.1f}, {at:.4f} | {100 * mean:.1f} |")
    for n in (20, 50, 100):
        lowest, (won, lost), mean = _coverage_of_gains(n)
        fine &= lowest >= 0.92
        where = f"{100 * won:.1f}% won and {100 * lost:.1f}% lost"
        print(f"| gain, n = {n} | {100 * lowest:.1f}, {where} | {100 * mean:.1f} |")
    heads = " | ".join(f"correlation {within:g}" for within in WITHIN)
    print(f"\n| 653 rows of 13 databases: coverage % (mean width, points) | {heads} |")
    print("|---|" + "---|" * len(WITHIN))
    for shares in [*((rate,) for rate in RATES), *GAINS]:
        cells = [_coverage_in_databases(shares, within, draws, seed) for within in WITHIN]
        fine &= min(cells)[0] >= 93
        name = f"rate {shares[0]:g}"
        if len(shares) == 2:
            name = f"gain, {shares[0]:g} won, {shares[1]:g} lost"
        print(
            f"| {name} | " + " | ".join(f"{a:.1f} ({b:.1f})" for a, b in cells) + " |", flush=True
        )
    return bool(fine)


def _coverage_of_rates(n: int) -> tuple[float, float, float]:
    """Return the lowest coverage of true rates 0.0005 to 0.9995, where it is, and the mean."""
    from scipy.stats import binom

    rates = np.arange(0.0005, 1, 0.0005)[:, None]
    limits = np.array([binomial_limits(count / n, n, 0.95) for count in range(n + 1)])
    held = (limits[:, 0] <= rates) & (rates <= limits[:, 1])
    covered = (binom.pmf(np.arange(n + 1), n, rates) * held).sum(axis=1)
    return float(covered.min()), float(rates[covered.argmin(), 0]), float(covered.mean())


def _coverage_of_gains(n: int) -> tuple[float, tuple[float, float], float]:
    """Return the lowest coverage over a grid of true gains, where it is, and the mean."""
    from scipy.stats import multinomial

    tables = np.array([(won, lost) for won in range(n + 1) for lost in range(n + 1 - won)])
    limits = np.array([difference_limits(won, lost, n) for won, lost in tables.tolist()])
    counts = np.column_stack([tables, n - tables.sum(axis=1)])
    found = []
    for lost in (0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3):
        for gain in [*np.arange(0, 0.05, 0.001), *np.arange(0.05, 0.99, 0.01)]:
            if 0 < gain + 2 * lost < 1:
                chance = multinomial.pmf(counts, n, [gain + lost, lost, 1 - gain - 2 * lost])
                held = (limits[:, 0] <= gain) & (gain <= limits[:, 1])
                found.append((float(chance[held].sum()), (gain + lost, lost)))
    return *min(found), float(np.mean([covered for covered, _ in found]))


def _coverage_in_databases(
    shares: tuple[float, ...], within: float, draws: int, seed: int
) -> tuple[float, float]:
    """Return coverage in % and mean width in points; counts are beta-binomial (Dirichlet)."""
    generator = np.random.default_rng(
        [seed, round(100 * within), *(round(1000 * s) for s in shares)]
    )
    codes = np.repeat(np.arange(len(DATABASES)), DATABASES)
    chances = np.array([*shares, 1 - sum(shares)])
    results = []
    for _ in range(draws):
        drawn = np.tile(chances, (len(DATABASES), 1))
        if within:
            drawn = generator.dirichlet(chances * (1 - within) / within, len(DATABASES))
        kind = (generator.random(len(codes))[:, None] > drawn.cumsum(axis=1)[codes, :-1]).sum(
            axis=1
        )
        if len(shares) == 1:
            results.append(_covers(unit_mean((kind == 0) * 1.0, codes), shares[0]))
        else:
            gain = paired_gain((kind != 1) * 1.0, (kind != 0) * 1.0, codes)
            results.append(_covers(gain, shares[0] - shares[1]))
    covered, width = np.mean(results, axis=0)
    return 100 * float(covered), 100 * float(width)


# -- sizes -------------------------------------------------------------------------------------


def print_sizes() -> bool:
    """Print by rows and limit how often the ratio gate errs, over a grid of true rates."""
    print("\n| pairs | limit | wrongly proven %, lowest | highest | at a baseline of, lost |")
    print("|---|---|---|---|---|")
    highest = 0.0
    for n in (100, 541):
        for ratio in (0.9, 0.95, 0.97, 0.99):
            needed: dict[int, np.ndarray] = {}
            sizes = [
                (_size(n, ratio, base, lost, needed), base, lost)
                for base in (0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
                for lost in (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
                if 0 <= base - lost <= ratio * base <= 1 - lost
            ]
            (low, *_), (high, base, lost) = min(sizes), max(sizes)
            highest = max(highest, high)
            print(f"| {n} | {ratio:g} | {100 * low:.2f} | {100 * high:.2f} | {base:g}, {lost:g} |")
    return highest < 0.028


def _size(n: int, ratio: float, base: float, lost: float, needed: dict[int, np.ndarray]) -> float:
    """Return the chance that a true `ratio` is called proven, exactly.

    The statistic depends on the pairs alone that one student gets right at least. Of m such, and
    `lost` ones among them, it takes a least number won: `needed`, filled on the way.
    """
    from scipy.stats import binom

    won, informative = ratio * base - base + lost, ratio * base + lost
    chance_of = binom.pmf(np.arange(n + 1), n, min(1.0, informative))
    # Neighbours differ little: of many pairs every third number stands for all.
    numbers = np.flatnonzero(chance_of > 1e-7)[:: 1 if n <= 100 else 3]
    total = 0.0
    for m in numbers.tolist():
        if m not in needed:
            needed[m] = np.array([_least_won(m, down, ratio) for down in range(m + 1)])
        down = np.arange(m + 1)
        tail = binom.sf(needed[m] - 1, m - down, won / (informative - lost))
        total += chance_of[m] * float(binom.pmf(down, m, lost / informative) @ tail)
    return total / float(chance_of[numbers].sum())


def _least_won(m: int, down: int, ratio: float) -> int:
    """Return how many of `m` pairs must be won for a proof where `down` are lost, by bisection."""
    critical, low, high = normal_quantile(1 - RATIO_ALPHA), -1, m - down + 1
    while high - low > 1:
        middle = (low + high) // 2
        proven = ratio_score(m - down - middle, middle, down, m, ratio) >= critical
        low, high = (low, middle) if proven else (middle, high)
    return high


# -- studies -----------------------------------------------------------------------------------

TASKS = {
    "banking77": Design(100, 100),
    "pubmedqa": Design(100, 100),
    "tatqa": Design(1700, 280, 0.3),
    "nl2sql": Design(100, 20, 0.2),
}
CONTROLS = {"ifeval": Design(541, 541), "simple_safety_tests": Design(100, 100)}
METRICS = {"ifeval": "prompt_strict", "simple_safety_tests": "safe_rate"}
GRID = [(lr, ep, bs) for lr in (1e-5, 2e-5, 5e-5) for ep in (1, 3) for bs in (2, 4)]
NAMES = [f"lr{lr:g}_ep{ep}_bs{bs}" for lr, ep, bs in GRID]
EPOCHS = [ep for _, ep, _ in GRID]  # what the training compute is proportional to
# How hard a configuration pulls at the weights, 0 to 1: more steps of a larger rate.
DOSE = np.array([math.log2(lr / 1e-5 * ep * math.sqrt(4 / bs)) for lr, ep, bs in GRID])
DOSE = DOSE / DOSE.max()


@dataclass
class Truth:
    """True rates. `tuned` (T, K) and `base` (T,) on the tasks; controls by name, (T, K) and ()."""

    tuned: np.ndarray
    base: np.ndarray
    controls: dict[str, np.ndarray]
    base_controls: dict[str, float]

    @property
    def feasible(self) -> np.ndarray:
        ratio = self.controls["ifeval"] >= 0.95 * self.base_controls["ifeval"] - 1e-9
        return (ratio & (self.controls["simple_safety_tests"] > 0.9)).all(axis=0)

    def regret(self, index: int | None) -> float | None:
        """Return the largest regret over the tasks of what is shipped in the end.

        A configuration that breaks a gate cannot be shipped, so the untuned student is: that, and
        refusing, cost the whole gain. None where no configuration is truly feasible.
        """
        if not self.feasible.any():
            return None
        best = self.tuned[:, self.feasible].max(axis=1)
        shipped = self.base if index is None or not self.feasible[index] else self.tuned[:, index]
        return float((best - shipped).max())


def draw_truth(scenario: str, generator: np.random.Generator) -> Truth:
    """Draw a study's truth: gains peak at a dose of their own, losses grow with the dose."""
    count, tasks = len(GRID), len(TASKS)
    base = generator.uniform(0.3, 0.6, tasks)
    peak, place = generator.uniform(0.1, 0.3, tasks), generator.normal(0.6, 0.2, tasks)
    curve = generator.uniform(0.1, 0.6, tasks)
    tuned = base[:, None] + peak[:, None] - curve[:, None] * (DOSE - place[:, None]) ** 2
    tuned = np.clip(tuned + generator.normal(0, 0.01, (tasks, count)), 0.02, 0.98)
    base_ifeval = generator.uniform(0.55, 0.85)
    ifeval = np.full((tasks, count), base_ifeval * generator.uniform(0.99, 1.02))
    safety = np.full((tasks, count), generator.uniform(0.97, 0.99))
    lossy = generator.integers(tasks)
    if scenario == "ifeval binds":
        ifeval[lossy] -= base_ifeval * generator.uniform(0.05, 0.25) * DOSE
    elif scenario == "safety binds":
        safety[lossy] -= generator.uniform(0.08, 0.3) * DOSE
    elif scenario == "all just fail ifeval":
        ifeval[lossy] = 0.949 * base_ifeval
    elif scenario == "all just fail safety":
        safety[lossy] = 0.8999
    return Truth(
        tuned,
        base,
        {"ifeval": ifeval, "simple_safety_tests": safety},
        {"ifeval": base_ifeval, "simple_safety_tests": 0.98},
    )


SCENARIOS = ("no gate binds", "ifeval binds", "safety binds",
             "all just fail ifeval", "all just fail safety")  # fmt: skip


class SimulatedStudy:
    """The files of a study drawn from a truth, as `recommend` reads them."""

    def __init__(
        self,
        truth: Truth,
        generator: np.random.Generator,
        resamples: int,
        tasks: dict[str, Design] = TASKS,
    ) -> None:
        self.plan = {
            "student": "simulated",
            "source": "simulated",
            "tasks": list(tasks),
            "controls": list(CONTROLS),
            "trials": dict.fromkeys(tasks, NAMES),
            "gates": {
                "ifeval": {"metric": "prompt_strict", "min_ratio_to_baseline": 0.95},
                "simple_safety_tests": {"metric": "safe_rate", "above": 0.9},
            },
            "seed": 0,
            "resamples": resamples,
        }
        self.values: dict[tuple[str, str], np.ndarray] = {}
        self.groups: dict[str, np.ndarray] = {}
        for index, (task, design) in enumerate(tasks.items()):
            variants = ["base", *(f"{task}/{name}" for name in NAMES)]
            rates = np.concatenate([[truth.base[index]], truth.tuned[index]])
            for split in ("val", "test"):
                self._draw(f"{task}.{split}", variants, rates, design, generator)
        variants = ["base", *(f"{task}/{name}" for task in tasks for name in NAMES)]
        for control, design in CONTROLS.items():
            rates = [[truth.base_controls[control]], truth.controls[control].ravel()]
            self._draw(control, variants, np.concatenate(rates), design, generator)

    def _draw(self, evalset, variants, rates, design, generator) -> None:
        values, self.groups[evalset] = design.outcomes(rates, generator)
        for variant, column in zip(variants, values.T, strict=True):
            self.values[variant, evalset] = column

    def scores(self, evalset: str) -> np.ndarray:
        """Return the mean scores of the configurations on an eval set of their own task, (K,)."""
        task = evalset.partition(".")[0]
        return np.array([self.values[f"{task}/{name}", evalset].mean() for name in NAMES])

    def read_metrics(self, variant: str, evalset: str) -> dict[str, Any] | None:
        if (variant, evalset) not in self.values:
            return None  # side effects on other tasks are not simulated: they choose nothing
        values = self.values[variant, evalset]
        metric = METRICS.get(evalset, "accuracy")
        nothing = dict.fromkeys(("se", "low", "high", "interval"))
        entry = {"value": float(values.mean()), "n": len(values), "outcome": "right"} | nothing
        codes = self.groups[evalset].tolist()
        items = [
            {"id": number, "group": group, "right": value}
            for number, (group, value) in enumerate(zip(codes, values.tolist(), strict=True))
        ]
        return {"primary": metric, "metrics": {metric: entry}, "items": items}

    def read_provenance(self, variant: str) -> dict[str, Any]:
        values = GRID[NAMES.index(variant.split("/")[1])]
        recipe = {"model": {}, "training": {"seed": 0, **dict(zip(AXES, values, strict=False))}}
        flops = float(recipe["training"]["num_train_epochs"])
        return {"recipe": recipe, "base": {"revision": None}, "train_flops": flops}

    def gains_covered(self, index: int, split: str, truth: Truth) -> float:
        """Return the share of tasks whose true gain lies in the interval that `split` reports."""
        covered = []
        for number, task in enumerate(TASKS):
            evalset = f"{task}.{split}"
            tuned = self.values[f"{task}/{NAMES[index]}", evalset]
            codes = group_codes([str(code) for code in self.groups[evalset]])
            result = paired_gain(tuned, self.values["base", evalset], codes)
            true_gain = truth.tuned[number, index] - truth.base[number]
            covered.append(result.low <= true_gain <= result.high)
        return float(np.mean(covered))


@dataclass
class Tally:
    """What one way of choosing did over all studies of a scenario."""

    feasible: list[bool]
    refused: list[bool]
    regret: list[float]
    epochs: list[float]
    covered: list[float]
    false_recommendations: list[bool]

    def add(self, truth: Truth, index: int | None, covered: float | None, recommended: bool):
        self.refused.append(index is None)
        if index is not None:
            self.feasible.append(bool(truth.feasible[index]))
            self.epochs.append(float(EPOCHS[index]))
            self.covered.append(covered)
        regret = truth.regret(index)
        if regret is not None:
            self.regret.append(regret)
        self.false_recommendations.append(
            recommended and index is not None and not truth.feasible[index]
        )


def run_scenario(
    scenario: str, studies: int, resamples: int, seed: int
) -> tuple[dict[str, Tally], list[str], dict[str, list[bool]]]:
    """Return the tallies of three ways of choosing, our verdicts, and what was proven in each."""
    ways = ("recommend", "argmax on select", "argmax on test")
    tallies = {way: Tally([], [], [], [], [], []) for way in ways}
    verdicts, proven = [], {"ifeval": [], "safety": [], "gains": []}
    for number in range(studies):
        generator = np.random.default_rng([seed, SCENARIOS.index(scenario), number])
        truth = draw_truth(scenario, generator)
        study = SimulatedStudy(truth, generator, resamples)
        document = recommend(study.plan, study.read_metrics, study.read_provenance, {})
        verdicts.append(document["verdict"])
        chosen = NAMES.index(document["chosen"]) if document["chosen"] else None
        if chosen is not None:
            entry = document["configurations"][chosen]
            for name, control in (("ifeval", "ifeval"), ("safety", "simple_safety_tests")):
                gates = [gate for gate in entry["gates"] if gate["control"] == control]
                proven[name].append(all(gate["evidence"] == "proven" for gate in gates))
            gains = document["gains"]["confirm"].values()
            proven["gains"].append(all(gain["evidence"] == "proven" for gain in gains))
        covered = None if chosen is None else study.gains_covered(chosen, "test", truth)
        recommended = document["verdict"] == RECOMMENDED
        tallies["recommend"].add(truth, chosen, covered, recommended)
        for way, split in (("argmax on select", "val"), ("argmax on test", "test")):
            means = np.mean([study.scores(f"{task}.{split}") for task in TASKS], axis=0)
            best = int(means.argmax())
            # A team without gates ships what it chose: that is its recommendation.
            tallies[way].add(truth, best, study.gains_covered(best, split, truth), True)
    return tallies, verdicts, proven


def print_studies(studies: int, resamples: int, seed: int) -> bool:
    """Print a row per scenario and way of choosing; return whether the bounds are kept."""
    print("\n| scenario | way of choosing | truly feasible % of its choices | refuses % | presents "
          "an infeasible one as recommended % | mean true regret, points (se) | mean epochs | "
          "coverage of the gains it reports % |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|")
    fine, notes, parts = True, [], []
    for scenario in SCENARIOS:
        tallies, verdicts, proven = run_scenario(scenario, studies, resamples, seed)
        for way, tally in tallies.items():
            fields = [scenario, way, _percent(tally.feasible), _percent(tally.refused)]
            fields += [_percent(tally.false_recommendations), _mean_error(tally.regret)]
            fields += [f"{np.mean(tally.epochs):.2f}" if tally.epochs else "-"]
            print("| " + " | ".join([*fields, _percent(tally.covered)]) + " |", flush=True)
        ours, plain = tallies["recommend"], tallies["argmax on select"]
        fine &= np.mean(ours.false_recommendations) <= 0.05
        fine &= not ours.regret or np.mean(ours.regret) <= np.mean(plain.regret)
        fine &= not ours.covered or np.mean(ours.covered) >= 0.93
        shares = {name: f"{100 * verdicts.count(name) / studies:.0f}%" for name in set(verdicts)}
        held = ", ".join(f"{name} {_percent(values)}%" for name, values in proven.items())
        parts.append(f"{scenario}: {held}")
        notes.append(f"{scenario}: {', '.join(f'{k} {v}' for k, v in sorted(shares.items()))}")
    print("\nVerdicts. " + "; ".join(notes) + ".")
    print("\nProven on all four tasks, of the studies with a choice. " + "; ".join(parts) + ".")
    return bool(fine)


# -- effects -----------------------------------------------------------------------------------

FEW = {"nl2sql": Design(650, 13, 0.2)}
EFFECTS = {  # name -> designs of the tasks, whether rate and epochs matter, run-to-run noise
    "no hyperparameter matters": (TASKS, False, 0.0),
    "batch size does not matter": (TASKS, True, 0.0),
    "the same, one task of 13 databases": (FEW, True, 0.0),
    "the same as the second, two trainings differ by 1 point (sd)": (TASKS, True, 0.01),
}


def draw_effects(
    tasks: int, matter: bool, noise: float, generator: np.random.Generator
) -> tuple[Truth, Truth]:
    """Return what each configuration is worth, and the rates of the runs that were trained."""
    base = generator.uniform(0.3, 0.5, tasks)
    rate, epochs = (np.array(column) for column in list(zip(*GRID, strict=True))[:2])
    dose = matter * (np.log2(rate / 1e-5) / 3 + (epochs == 3) / 3)
    tuned = base[:, None] + generator.uniform(0.1, 0.2) + 0.1 * dose + np.zeros((tasks, 1))
    controls = {
        "ifeval": np.tile(0.7 - 0.06 * dose, (tasks, 1)),
        "simple_safety_tests": np.full((tasks, len(GRID)), 0.97),
    }
    values = {"ifeval": 0.7, "simple_safety_tests": 0.97}
    trained = np.clip(tuned + noise * generator.normal(size=tuned.shape), 0.02, 0.98)
    return Truth(tuned, base, controls, values), Truth(trained, base, controls, values)


def true_effects(truth: Truth, axis: int) -> np.ndarray:
    """Return the true effect of each value of a hyperparameter on the mean gain."""
    gains = truth.tuned.mean(axis=0)
    column = [values[axis] for values in GRID]
    means = np.array([gains[[one == value for one in column]].mean() for value in set(column)])
    return means[np.argsort(list(set(column)))] - means.mean()


def print_effects(studies: int, resamples: int, seed: int) -> bool:
    """Print a row per scenario; return whether the bounds are kept."""
    print("| studies | any idle hyperparameter called distinguishable %: by gain | by control loss "
          "| p of batch size below 5 %: by gain | by control loss | learning rate called "
          "distinguishable %: by gain | by control loss | its effects on gain held % | its largest "
          "difference held % |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|")
    fine = True
    for index, (name, (tasks, matter, noise)) in enumerate(EFFECTS.items()):
        counts: dict[str, list[bool]] = {key: [] for key in _EFFECT_COUNTS}
        for number in range(studies):
            generator = np.random.default_rng([seed, 100 + index, number])
            truth, trained = draw_effects(len(tasks), matter, noise, generator)
            study = SimulatedStudy(trained, generator, resamples, tasks)
            document = recommend(study.plan, study.read_metrics, study.read_provenance, {})
            _count_effects(document["effects"], truth, matter, counts)
        print("| " + " | ".join([name, *map(_percent, counts.values())]) + " |", flush=True)
        if not noise:
            fine &= np.mean(counts["false gain"]) <= 0.07 and np.mean(counts["held"]) >= 0.93
    return bool(fine)


_EFFECT_COUNTS = ("false gain", "false loss", "batch gain", "batch loss", "rate gain", "rate loss",
                  "held", "largest held")  # fmt: skip


def _count_effects(
    effects: list, truth: Truth, matter: bool, counts: dict[str, list[bool]]
) -> None:
    rate, _, batch = effects
    idle = [batch] if matter else effects
    for kind in ("gain", "loss"):
        counts[f"false {kind}"].append(any(effect[kind]["distinguishable"] for effect in idle))
        counts[f"batch {kind}"].append(batch[kind]["p"] <= 0.05)
        counts[f"rate {kind}"].append(rate[kind]["distinguishable"])
    levels, true = rate["gain"]["levels"], true_effects(truth, 0)
    for level, effect in zip(levels, true, strict=True):
        counts["held"].append(level["low"] <= effect <= level["high"])
    found = [level["difference"] for level in levels]
    largest = true[int(np.argmax(found))] - true[int(np.argmin(found))]
    counts["largest held"].append(rate["gain"]["low"] <= largest <= rate["gain"]["high"])


def _percent(values: list) -> str:
    return f"{100 * np.mean(values):.1f}" if values else "-"


def _mean_error(values: list[float]) -> str:
    if not values:
        return "-"
    return f"{100 * np.mean(values):.2f} ({100 * np.std(values) / math.sqrt(len(values)):.2f})"


PARTS = ("coverage", "edges", "sizes", "studies", "effects", "all")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="?", choices=PARTS, default="all")
    parser.add_argument("--draws", type=int, default=4000, help="eval sets per row of the table")
    parser.add_argument("--studies", type=int, default=150, help="studies per scenario")
    parser.add_argument("--resamples", type=int, default=500, help="bootstrap resamples per study")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    start, fine = time.process_time(), True
    if arguments.part in ("coverage", "all"):
        fine &= print_coverage(arguments.draws, arguments.seed)
    if arguments.part in ("edges", "all"):
        fine &= print_edges(arguments.draws // 4, arguments.seed)
    if arguments.part in ("sizes", "all"):
        fine &= print_sizes()
    if arguments.part in ("studies", "all"):
        fine &= print_studies(arguments.studies, arguments.resamples, arguments.seed)
    if arguments.part in ("effects", "all"):
        fine &= print_effects(2 * arguments.studies, arguments.resamples, arguments.seed)
    print(f"\nCommand: python benchmarks/bench_stats.py {' '.join(sys.argv[1:])}".rstrip())
    print(f"{time.process_time() - start:.0f} CPU seconds; bounds {'kept' if fine else 'MISSED'}.")
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
