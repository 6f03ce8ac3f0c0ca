"""Several replies to a prompt: do intervals and gates hold for means, and what do they decide?

``sizes``     draws eval sets exactly at a gate's limit, and counts how often the gate is proven.
``coverage``  draws eval sets of a known gain, ratio or rate, and counts how often the interval
              holds it.
``choices``   draws twelve configurations that all just fail a gate, and counts how often one that
              passes by point estimate is proven: what `studies` falsely recommends at most.
``studies``   draws whole studies as bench_stats.py does, with K replies to each prompt of the
              controls and of the tasks' test splits (of select splits one, as they only choose),
              and runs the real `recommend` on them.

Pass rates are those of `sftstudy.statistics.pass_rates`: a beta distribution, and noise of training
on the logit scale. Sizes and coverage also draw what this does not know: prompts that are lost or
learnt altogether, and prompts that are always right or always wrong but for a few.
`make bench-stats` prints all tables, which docs/statistics.md keeps as measured.
"""

import argparse
import itertools
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import NormalDist

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from bench_stats import (  # fmt: skip
    CONTROLS,
    DATABASES,
    NAMES,
    SCENARIOS,
    TASKS,
    Design,
    SimulatedStudy,
    Truth,
    draw_truth,
)

# How prompts differ, which was measured of a small student, and what training does to their rates.
from sftstudy.costs.past_rates import BETWEEN, NOISE, TASK_NOISE
from sftstudy.recommendation.document import recommend
from sftstudy.recommendation.names import RECOMMENDED
from sftstudy.statistics.distributions import binomial_tail, normal_quantile
from sftstudy.statistics.gates import RATE_ALPHA, RATIO_ALPHA, passes, ratio_gate
from sftstudy.statistics.intervals import UnitMeans
from sftstudy.statistics.paired import paired_gain
from sftstudy.statistics.pass_rates import PassRates, base_rates, mean_of_replies, tuned_rates
from sftstudy.statistics.score import exceeds

Z = normal_quantile(1 - RATIO_ALPHA)
REPLIES = (2, 4, 8, 16)
Rates = tuple[np.ndarray, np.ndarray]
normal_cdf = np.vectorize(NormalDist().cdf)


# -- truths: rates of base and tuned student whose means differ by a known amount -----------------


def drawn_rates(rates: PassRates, shape: tuple, generator: np.random.Generator) -> np.ndarray:
    """Return rates of an untuned student's prompts, as `base_rates` of uniform places: faster."""
    return np.clip(generator.beta(*rates.shapes, shape), 1e-12, 1 - 1e-12)


def shifted(between: float, noise: float) -> Callable[..., Rates]:
    """All prompts are moved alike on the logit scale, and each by noise of its own."""

    def draw(mean: float, change: float, shape: tuple, generator: np.random.Generator) -> Rates:
        rates = PassRates(mean, between, noise)
        base = drawn_rates(rates, shape, generator)
        return base, tuned_rates(rates, base, generator, change)

    return draw


def lost_or_learnt(between: float | None, left: float = 0.0) -> Callable[..., Rates]:
    """A random part of the prompts is lost down to `left` of their rates, or learnt altogether.

    All others stay as they were. `between` None: each prompt is always right or always wrong.
    """

    def draw(mean: float, change: float, shape: tuple, generator: np.random.Generator) -> Rates:
        if between is None:
            base = (generator.random(shape) < mean) * 1.0
        else:
            base = drawn_rates(PassRates(mean, between, 0.0), shape, generator)
        part = -change / mean / (1 - left) if change < 0 else change / (1 - mean)
        changed = left * base if change < 0 else np.ones(shape)
        return base, np.where(generator.random(shape) < part, changed, base)

    return draw


TRUTHS = {
    "shift, between 0.5, noise 0.6": shifted(0.5, 0.6),
    "shift, between 0.8, noise 0.8": shifted(0.8, 0.8),
    "shift, between 0.9, noise 0.3": shifted(0.9, 0.3),
    "shift, between 0.97, noise 2": shifted(0.97, 2.0),
    "some lost, all else always or never": lost_or_learnt(None),
    "some half lost, all else always or never": lost_or_learnt(None, 0.5),
    "some lost, between 0.8": lost_or_learnt(0.8),
    "some lost but a fifth, between 0.5": lost_or_learnt(0.5, 0.2),
}


# -- sizes -----------------------------------------------------------------------------------------


def ratio_rejected(tuned: np.ndarray, baseline: np.ndarray, ratio: float) -> tuple[bool, bool]:
    """Return whether independent pairs prove a ratio above, and one below (each at 2.5%)."""
    values = tuned - ratio * baseline
    shares = np.full(len(values), 1 / len(values))
    level = Z / math.sqrt(len(values))
    above = exceeds(values, shares, -ratio, 1.0, level)
    return above, exceeds(-values, shares, -1.0, ratio, level)


def _rejections(case: tuple, draws: int, generator: np.random.Generator) -> np.ndarray:
    name, n, mean, ratio, k = case
    rates = TRUTHS[name](mean, (ratio - 1) * mean, (draws, n), generator)
    base, tuned = (mean_of_replies(x, k, generator) for x in rates)
    rows = zip(tuned, base, strict=True)
    return np.mean([ratio_rejected(*pair, ratio) for pair in rows], axis=0)


def print_ratio_sizes(draws: int, seed: int) -> bool:
    """Print by truth how often a ratio at its limit is proven; return whether rarely enough.

    The highest of many draws is high by chance too: it is drawn anew, ten times as often.
    """
    print("| pairs | truth | wrongly proven %, mean over cases | highest, drawn anew "
          "| its baseline, limit, K | lowest coverage of 0.9 to 0.99 %, drawn anew |")  # fmt: skip
    print("|---|---|---|---|---|---|")
    fine = True
    for n, (index, name) in itertools.product((100, 541), enumerate(TRUTHS)):
        generator = np.random.default_rng([seed, n, index])
        grid = itertools.product((0.05, 0.3, 0.7, 0.95), (0.9, 0.95, 0.97, 0.99), REPLIES)
        cases = [(name, n, *case) for case in grid]
        found = [_rejections(case, draws, generator) for case in cases]
        worst, widest = (
            cases[int(np.argmax(x))] for x in (np.array(found)[:, 0], np.sum(found, axis=1))
        )
        highest = _rejections(worst, 10 * draws, generator)[0]
        held = 1 - _rejections(widest, 10 * draws, generator).sum()
        fine &= highest <= 0.028 + 2 * math.sqrt(0.028 / (10 * draws)) and held >= 0.93
        mean = 100 * np.mean(found, axis=0)[0]
        where = ", ".join(f"{x:g}" for x in worst[2:])
        print(f"| {n} | {name} | {mean:.2f} | {100 * highest:.2f} | {where} | {100 * held:.1f} |",
              flush=True)  # fmt: skip
    return bool(fine)


# Shares of prompts that are safe in this part of their replies; the others always. The mean is 0.9.
SAFE = {
    "a tenth never": ((0.1, 0.0),),
    "a fifth half the time": ((0.2, 0.5),),
    "two fifths three times in four": ((0.4, 0.75),),
    "a few never, a tenth half the time": ((0.05, 0.0), (0.1, 0.5)),
    "a few never, half nine in ten": ((0.05, 0.0), (0.5, 0.9)),
    "nine in a hundred never, a tenth nine in ten": ((0.09, 0.0), (0.1, 0.9)),
    "all nine in ten": ((1.0, 0.9),),
    "beta, between 0.3": 0.3,
    "beta, between 0.6": 0.6,
    "beta, between 0.9": 0.9,
}


def safe_rates(parts: float | tuple, shape: tuple, generator: np.random.Generator) -> np.ndarray:
    places = generator.random(shape)
    if isinstance(parts, float):
        return base_rates(PassRates(0.9, parts, 0.0), places)
    ends = np.cumsum([share for share, _ in parts])
    return np.append([rate for _, rate in parts], 1.0)[np.searchsorted(ends, places, side="right")]


def print_rate_sizes(draws: int, seed: int) -> bool:
    """Print by truth how often a rate at 0.9 is proven; return whether rarely enough."""
    print("\n| prompts | safe but for | wrongly proven %: K = 2 | 4 | 8 | 16 |")
    print("|---|---|---|---|---|---|")
    fine = True
    for n, (index, (name, parts)) in itertools.product((50, 100), enumerate(SAFE.items())):
        generator = np.random.default_rng([seed, n, 100 + index])
        rates, sizes = safe_rates(parts, (draws, n), generator), []
        for k in REPLIES:
            means = map(UnitMeans.of, mean_of_replies(rates, k, generator))
            sizes.append(np.mean([_rate_rejected(one, 0.9, RATE_ALPHA)[0] for one in means]))
        fine &= max(sizes) <= 0.05 + 2 * math.sqrt(0.05 / draws)
        told = " | ".join(f"{100 * size:.2f}" for size in sizes)
        print(f"| {n} | {name} | {told} |", flush=True)
    return bool(fine)


def _rate_rejected(means: UnitMeans, rate: float, alpha: float) -> tuple[bool, bool]:
    """Return whether a rate above, and one below, is proven by independent rows."""
    rows, value = means.rows_at(rate), float(means.values @ means.shares)
    above = binomial_tail(value * rows, rows, rate) <= alpha
    return above, 1 - binomial_tail(value * rows + 1, rows, rate) <= alpha


# -- coverage --------------------------------------------------------------------------------------


def print_coverage(draws: int, seed: int) -> bool:
    """Print the coverage of gains and means; return whether it is at least 93% throughout."""
    print("\n| gains, paired score | cases | coverage %, mean | lowest, drawn anew | its truth "
          "| mean before, gain, K |\n|---|---|---|---|---|---|")  # fmt: skip
    fine = True
    for n in (20, 50, 100, 541, 1700):
        generator = np.random.default_rng([seed, n, 200])
        times = draws if n < 500 else draws // 4
        cases = [(name, n, *case) for name in TRUTHS for case in _gains()]
        found = [_gain_held(case, times, generator) for case in cases]
        worst = cases[int(np.argmin(found))]
        lowest = _gain_held(worst, 10 * draws, generator)
        fine &= lowest >= 0.93 - 2 * math.sqrt(0.065 / (10 * draws))
        where = f"{worst[0]} | " + ", ".join(f"{x:g}" for x in worst[2:])
        print(f"| {n} rows | {len(cases)} | {100 * np.mean(found):.1f} | {100 * lowest:.1f} "
              f"| {where} |", flush=True)  # fmt: skip
    return bool(fine) & print_rate_coverage(draws, seed) & print_group_coverage(draws // 4, seed)


def _gains() -> Iterator[tuple[float, float, int]]:
    for mean in (0.05, 0.3, 0.6, 0.9):
        for change in (-0.03 * mean, 0.0, 0.1 * (1 - mean), 0.3 * (1 - mean)):
            for k in (2, 8):
                yield mean, change, k


def _gain_held(case: tuple, draws: int, generator: np.random.Generator) -> float:
    name, n, mean, change, k = case
    rates = TRUTHS[name](mean, change, (draws, n), generator)
    base, tuned = (mean_of_replies(x, k, generator) for x in rates)
    shares, level = np.full(n, 1 / n), Z / math.sqrt(n)
    missed = [
        exceeds(x, shares, -1 - change, 1 - change, level)
        or exceeds(-x, shares, change - 1, change + 1, level)
        for x in tuned - base - change
    ]
    return 1 - float(np.mean(missed))


def print_rate_coverage(draws: int, seed: int) -> bool:
    print("\n| means of 2 to 16 replies, coverage % | between 0.1 | 0.5 | 0.9 |\n|---|---|---|---|")
    fine = True
    for n, mean in itertools.product((20, 50, 100, 541), (0.05, 0.5, 0.9, 0.98)):
        cells = []
        for index, between in enumerate((0.1, 0.5, 0.9)):
            generator = np.random.default_rng([seed, n, round(100 * mean), index])
            rates = drawn_rates(PassRates(mean, between, 0.0), (draws, n), generator)
            replies = generator.choice((2, 4, 8, 16), (draws, 1))
            means = map(UnitMeans.of, generator.binomial(replies, rates) / replies)
            missed = [any(_rate_rejected(one, mean, 0.025)) for one in means]
            cells.append(1 - np.mean(missed))
        fine &= min(cells) >= 0.93
        told = " | ".join(f"{100 * x:.1f}" for x in cells)
        print(f"| {n} rows, {mean:g} | {told} |", flush=True)
    return bool(fine)


def print_group_coverage(draws: int, seed: int) -> bool:
    """Rows of databases or documents: rates and what is lost are alike within them."""
    print("\n| rows in groups, 4 replies | correlation | gain held % | ratio of 0.95 held % "
          "| wrongly proven % |\n|---|---|---|---|---|")  # fmt: skip
    sizes = {"653 rows of 13 databases": DATABASES, "100 rows of 20": np.full(20, 5)}
    sizes["1,668 rows of 278 documents"] = np.full(278, 6)
    fine = True
    for (label, rows), within in itertools.product(sizes.items(), (0.05, 0.3)):
        generator = np.random.default_rng([seed, len(rows), round(100 * within)])
        codes = np.repeat(np.arange(len(rows)), rows)
        found = np.mean([_in_groups(codes, within, generator) for _ in range(draws)], axis=0)
        fine &= found[0] >= 0.93
        told = " | ".join(f"{100 * x:.1f}" for x in found)
        print(f"| {label} | {within:g} | {told} |", flush=True)
    return bool(fine)


def _in_groups(codes: np.ndarray, within: float, generator: np.random.Generator) -> list[bool]:
    common, own = (generator.normal(size=int(codes.max()) + 1)[codes] for _ in range(2))
    places = math.sqrt(within) * common + math.sqrt(1 - within) * generator.normal(size=len(codes))
    own = math.sqrt(within) * own + math.sqrt(1 - within) * generator.normal(size=len(codes))
    base = base_rates(PassRates(0.7, 0.5, 0.0), normal_cdf(places))
    lost = np.where(own < NormalDist().inv_cdf(0.05), 0.0, base)
    before, after = (mean_of_replies(x, 4, generator) for x in (base, lost))
    gain, gate = paired_gain(after, before, codes), ratio_gate(after, before, codes, 0.95)
    proven = gate.evidence == "proven"
    return [gain.low <= -0.035 <= gain.high, gate.low <= 0.95 <= gate.high, proven]


# -- choices ---------------------------------------------------------------------------------------


def print_choices(studies: int, seed: int) -> bool:
    """Print by gate and K how often one of twelve that just fail is chosen and proven.

    Gains and other gates are taken as proven, and each configuration that passes by point estimate
    is as likely to be chosen as any. Return whether that is in at most 5%.
    """
    print("\n| all twelve just fail | K | any passes % | chosen and proven % (se) |")
    print("|---|---|---|---|")
    fine = True
    for (name, judge), k in itertools.product(_JUDGES.items(), (1, *REPLIES)):
        generator = np.random.default_rng([seed, k, len(name)])
        passing = [judge(k, generator) for _ in range(studies)]
        false = [np.mean(proven) if proven else 0.0 for proven in passing]
        mean, error = np.mean(false), np.std(false) / math.sqrt(studies)
        fine &= mean <= 0.05 + 2 * error
        share = 100 * np.mean([bool(proven) for proven in passing])
        print(f"| {name} | {k} | {share:.0f} | {100 * mean:.1f} ({100 * error:.1f}) |", flush=True)
    return bool(fine)


def _unsafe(k: int, generator: np.random.Generator) -> list[bool]:
    """Return which of those that pass are proven: 100 prompts, a safe rate of 89.99%."""
    rates = PassRates(0.98, BETWEEN, NOISE)
    base = base_rates(rates, generator.random(100))
    proven = []
    for _ in NAMES:
        safe = mean_of_replies(tuned_rates(rates, base, generator, -0.0801), k, generator)
        if passes(float(safe.mean()), 0.9):
            proven.append(_rate_rejected(UnitMeans.of(safe), 0.9, RATE_ALPHA)[0])
    return proven


def _forgetful(k: int, generator: np.random.Generator) -> list[bool]:
    """Return which of those that pass are proven: 541 prompts, 94.9% of the baseline's."""
    rates = PassRates(float(generator.choice([0.55, 0.65, 0.75, 0.85])), BETWEEN, NOISE)
    base = base_rates(rates, generator.random(541))
    before, proven = mean_of_replies(base, k, generator), []
    for _ in NAMES:
        change = round(-0.051 * rates.mean, 9)
        after = mean_of_replies(tuned_rates(rates, base, generator, change), k, generator)
        if passes(float(after.mean()), 0.95, float(before.mean())):
            proven.append(ratio_rejected(after, before, 0.95)[0])
    return proven


_JUDGES = {"safety": _unsafe, "ifeval": _forgetful}


# -- studies ---------------------------------------------------------------------------------------

SIZES = {
    # The test splits of bench_stats.py, and those that are published.
    "small": TASKS,
    "published": {
        "banking77": Design(3080, 3080),
        "pubmedqa": Design(500, 500),
        "tatqa": Design(1668, 278, 0.3),
        "nl2sql": Design(100, 20, 0.2),
    },
}


class SampledStudy(SimulatedStudy):
    """A study whose prompts of controls and test splits have `replies` replies."""

    def __init__(
        self, truth: Truth, generator: np.random.Generator, resamples: int, sizes: str, replies: int
    ) -> None:
        self.replies = replies
        self.tests = SIZES[sizes]
        super().__init__(truth, generator, resamples)

    def _draw(self, evalset, variants, rates, design, generator) -> None:
        task, _, split = evalset.partition(".")
        design = self.tests[task] if split == "test" else design
        codes = design.codes(generator)
        common = generator.normal(size=design.groups)[codes]
        own = generator.normal(size=design.rows)
        places = normal_cdf(math.sqrt(design.within) * common + math.sqrt(1 - design.within) * own)
        pass_rates = PassRates(float(rates[0]), BETWEEN, TASK_NOISE if split else NOISE)
        base = base_rates(pass_rates, np.clip(places, 1e-9, 1 - 1e-9))
        k = 1 if split == "val" else self.replies
        self.groups[evalset] = codes
        self.values["base", evalset] = mean_of_replies(base, k, generator)
        for variant, rate in zip(variants[1:], rates[1:], strict=True):
            tuned = tuned_rates(pass_rates, base, generator, round(float(rate - rates[0]), 9))
            self.values[variant, evalset] = mean_of_replies(tuned, k, generator)


@dataclass
class Decided:
    """What was decided in the studies of a scenario."""

    verdicts: list[str] = field(default_factory=list)
    false: list[bool] = field(default_factory=list)
    regret: list[float] = field(default_factory=list)
    proven: dict[str, list[bool]] = field(default_factory=dict)

    def add(self, document: dict, truth: Truth) -> None:
        self.verdicts.append(document["verdict"])
        chosen = NAMES.index(document["chosen"]) if document["chosen"] else None
        recommended = document["verdict"] == RECOMMENDED
        self.false.append(recommended and chosen is not None and not truth.feasible[chosen])
        regret = truth.regret(chosen)
        if regret is not None:
            self.regret.append(regret)
        if chosen is None:
            return
        for control in CONTROLS:
            gates = document["configurations"][chosen]["gates"]
            held = [gate["evidence"] == "proven" for gate in gates if gate["control"] == control]
            self.proven.setdefault(control, []).append(all(held))
        told = document["gains"]["confirm"]
        gains = {task: gain["evidence"] == "proven" for task, gain in told.items()}
        for task, proven in gains.items():
            self.proven.setdefault(task, []).append(proven)
        self.proven.setdefault("gains", []).append(all(gains.values()))


def run_studies(
    scenario: str, sizes: str, replies: int, studies: int, resamples: int, seed: int
) -> Decided:
    decided = Decided()
    for number in range(studies):
        place = [seed, SCENARIOS.index(scenario), number]
        truth = draw_truth(scenario, np.random.default_rng(place))
        # The same truth for all K; what is drawn from it depends on K.
        generator = np.random.default_rng([*place, replies])
        study = SampledStudy(truth, generator, resamples, sizes, replies)
        document = recommend(study.plan, study.read_metrics, study.read_provenance, {})
        decided.add(document, truth)
    return decided


def print_studies(studies: int, resamples: int, seed: int, only: str) -> bool:
    """Print a row per scenario, sizes and K; return whether the bounds are kept.

    At K = 8 at least half of the clean studies are RECOMMENDED, nowhere more than 5% of
    infeasible configurations are (and twice the error of that), and regret is not worse than with
    one reply (by more than twice its error).
    """
    names = ["IFEval", "safety", "all gains", *TASKS]
    print("\n| scenario | test splits | K | RECOMMENDED % | infeasible shown as RECOMMENDED % "
          "| mean true regret, points (se) | proven %: " + " | ".join(names) + " |")  # fmt: skip
    print("|---" * (6 + len(names)) + "|")
    fine = True
    for scenario, sizes in itertools.product([s for s in SCENARIOS if only in s], SIZES):
        before = None
        for k in (1, *REPLIES):
            found = run_studies(scenario, sizes, k, studies, resamples, seed)
            share = found.verdicts.count(RECOMMENDED) / studies
            false = float(np.mean(found.false))
            fine &= false <= 0.05 + 2 * math.sqrt(0.05 / studies)
            fine &= k != 8 or scenario != SCENARIOS[0] or sizes != "published" or share >= 0.5
            regret = "-"
            if found.regret:
                mean, error = np.mean(found.regret), np.std(found.regret) / math.sqrt(studies)
                before = mean if k == 1 else before
                fine &= mean <= before + 2 * error
                regret = f"{100 * mean:.2f} ({100 * error:.2f})"
            proven = [100 * np.mean(found.proven.get(key, [math.nan])) for key in _KEYS]
            told = " | ".join(f"{x:.0f}" for x in proven)
            shares = f"{100 * share:.0f} | {100 * false:.1f} | {regret} | {told}"
            print(f"| {scenario} | {sizes} | {k} | {shares} |", flush=True)
    return bool(fine)


_KEYS = ["ifeval", "simple_safety_tests", "gains", *TASKS]
PARTS = ("sizes", "coverage", "choices", "studies", "all")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="?", choices=PARTS, default="all")
    parser.add_argument("--draws", type=int, default=1000, help="eval sets per case")
    parser.add_argument("--studies", type=int, default=60, help="studies per row of the table")
    parser.add_argument("--resamples", type=int, default=200, help="bootstrap resamples per study")
    parser.add_argument("--only", default="", help="scenarios of studies whose name holds this")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    start, fine = time.process_time(), True
    if arguments.part in ("sizes", "all"):
        fine &= print_ratio_sizes(arguments.draws, arguments.seed)
        fine &= print_rate_sizes(2 * arguments.draws, arguments.seed)
    if arguments.part in ("coverage", "all"):
        fine &= print_coverage(arguments.draws, arguments.seed)
    if arguments.part in ("choices", "all"):
        fine &= print_choices(arguments.draws, arguments.seed)
    if arguments.part in ("studies", "all"):
        fine &= print_studies(
            arguments.studies, arguments.resamples, arguments.seed, arguments.only
        )
    print(f"\nCommand: python benchmarks/bench_samples.py {' '.join(sys.argv[1:])}".rstrip())
    print(f"{time.process_time() - start:.0f} CPU seconds; bounds {'kept' if fine else 'MISSED'}.")
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
