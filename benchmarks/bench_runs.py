"""Several training runs of a configuration: do intervals hold the mean over trainings?

``variances`` draws means of rows and runs from normal distributions of all kinds of variances, and
              tells how seldom 95% intervals hold the truth by ways to reckon with the runs.
``coverage``  draws runs whose true rates differ and counts how often the 95% intervals of gains and
              rates hold the mean over trainings.
``sizes``     counts how often a gate is called proven where the mean over trainings is exactly at
              its limit: by any runs, and by runs of which the first was chosen for passing.
``studies``   draws whole studies as bench_stats does, whose trainings differ, chooses and judges
              with 0 to 4 replicates by the real code, and trains the choice once more.

A row is hard for all students alike, and harder or easier for all runs of a configuration alike;
what is left is each run's own. Runs differ by a normal number of points, on all rows of an eval
set. `make bench-stats` prints all tables, which docs/statistics.md keeps as measured.
"""

import argparse
import itertools
import math
import sys
import time
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np
from bench_stats import (
    CONTROLS,
    DESIGNS,
    NAMES,
    SHARED,
    TASKS,
    Design,
    SimulatedStudy,
    Truth,
    draw_truth,
)
from scipy.special import stdtrit

from sftstudy.recommendation.cells import Cells
from sftstudy.recommendation.choosing import Chosen, choose_configuration
from sftstudy.recommendation.gains import judge_gains
from sftstudy.recommendation.names import RECOMMENDED
from sftstudy.recommendation.runs import judged_over_runs
from sftstudy.recommendation.verdicts import verdict
from sftstudy.statistics.distributions import normal_quantile, t_quantile
from sftstudy.statistics.gates import GateResult
from sftstudy.statistics.runs import (
    RunSpread,
    gain_over_runs,
    rate_gate_over_runs,
    ratio_gate_over_runs,
)

quantile = np.vectorize(NormalDist().inv_cdf)
ALIKE = 0.5  # share of what a row is to a student alone that all runs of a configuration have
POINTS = (0.0, 0.5, 1.0, 2.0, 4.0)  # standard deviations between runs
RUNS = (1, 2, 3, 5)
EVALSETS = ("100 rows", "541 rows", "1,700 rows, 280 documents")


def latent_rows(
    design: Design, students: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return how hard rows are for students, (n, students), but for what is a run's own; groups.

    With a run's own part, of variance (1 - SHARED) * (1 - ALIKE), it is standard normal.
    """
    codes = design.codes(generator)
    common = math.sqrt(design.within) * generator.normal(size=design.groups)[codes]
    common = common + math.sqrt(1 - design.within) * generator.normal(size=design.rows)
    own = generator.normal(size=(design.rows, students))
    parts = math.sqrt(SHARED), math.sqrt((1 - SHARED) * ALIKE)
    return parts[0] * common[:, None] + parts[1] * own, codes


def draw_runs(
    design: Design, base: float, rates: np.ndarray, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return right-or-wrong outcomes of runs (n, m) and baseline (n,), and the rows' groups."""
    latent, codes = latent_rows(design, 2, generator)
    latent = latent[:, [0] + [1] * len(rates)]
    own = generator.normal(size=latent.shape)
    latent = latent + math.sqrt((1 - SHARED) * (1 - ALIKE)) * own
    right = (latent < quantile(np.array([base, *rates]))).astype(float)
    return right[:, 1:], right[:, 0], codes


def run_rates(rate: float, sd: float, runs: int, generator: np.random.Generator) -> np.ndarray:
    """Return the true rates of runs, whose mean over trainings is `rate` exactly."""
    room = min(rate, 1 - rate) - 1e-4
    return rate + np.clip(sd * generator.normal(size=runs), -room, room)


# -- variances ---------------------------------------------------------------------------------

SHARES = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0)  # of the rows' variance of the mean: the interaction's
BETWEEN = (0.0, 0.3, 1.0, 2.0, 4.0, 10.0)  # variance between runs over m, of the rows' variance
REACHES = ("Satterthwaite", "known interaction", "unknown interaction", "a fifth of the shared")


def squared_reaches(spread: np.ndarray, share: float, runs: int) -> dict[str, np.ndarray]:
    """Return squared 95% half widths by method, where the rows' variance of the mean is 1.

    `spread` are estimates of the variance of the mean by runs, `share` the interaction's part.
    """
    z2, t2 = normal_quantile(0.975) ** 2, t_quantile(0.975, runs - 1) ** 2
    beyond = np.maximum(0, spread - share)
    total = 1 + beyond
    df = np.minimum(1e6, total**2 * (runs - 1) / np.maximum(beyond**2, 1e-12))
    quantiles = stdtrit(df, 0.975)
    ours = [RunSpread(runs, float(one), share, 1 - share).beyond_rows(0.025) for one in spread]
    return {
        "Satterthwaite": total * quantiles**2,
        "known interaction": z2 + t2 * beyond,
        "unknown interaction": z2 + np.maximum(0, t2 * spread - z2 * share),
        "a fifth of the shared": z2 + np.array(ours),
    }


def print_variances(draws: int, seed: int) -> bool:
    """Print the lowest coverage over all variances, in the model where everything is normal."""
    print("\n| how interaction and runs' spread are told apart | "
          + " | ".join(f"{runs} runs" for runs in RUNS[1:]) + " |")  # fmt: skip
    print("|---|" + "---|" * len(RUNS[1:]))
    lowest: dict[str, list[str]] = {name: [] for name in REACHES}
    fine = True
    for runs in RUNS[1:]:
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in REACHES}
        for number, (share, between) in enumerate(itertools.product(SHARES, BETWEEN)):
            generator = np.random.default_rng([seed, 50, runs, number])
            means = generator.normal(size=(draws, runs)) * math.sqrt((share + between) * runs)
            error = means.mean(axis=1) + math.sqrt(1 - share) * generator.normal(size=draws)
            reaches = squared_reaches(means.var(axis=1, ddof=1) / runs, share, runs)
            for name, squared in reaches.items():
                width = float(np.mean(np.sqrt(squared))) / normal_quantile(0.975)
                alike = width if between == 0 and share == 0.25 else 0.0
                found[name].append((100 * float(np.mean(error**2 <= squared)), alike))
        for name, cells in found.items():
            width = max(alike for _, alike in cells)
            lowest[name].append(f"{min(cells)[0]:.1f} ({width:.2f})")
        fine &= min(found[REACHES[-1]])[0] >= 94
    for name, texts in lowest.items():
        print(f"| {name} | {' | '.join(texts)} |", flush=True)
    return fine


# -- coverage ----------------------------------------------------------------------------------


def gain_held(
    design: Design, sd: float, runs: int, generator: np.random.Generator
) -> tuple[bool, float]:
    base = generator.uniform(0.3, 0.6)
    rate = base + generator.uniform(-0.05, 0.3)
    rates = run_rates(rate, sd, runs, generator)
    found = gain_over_runs(*draw_runs(design, base, rates, generator))
    return found.low <= rate - base <= found.high, found.high - found.low


def rate_held(
    design: Design, sd: float, runs: int, generator: np.random.Generator
) -> tuple[bool, float]:
    rate = generator.uniform(0.8, 0.95)
    tuned, _, codes = draw_runs(design, 0.5, run_rates(rate, sd, runs, generator), generator)
    found = rate_gate_over_runs(tuned, codes, 0.9)
    return found.low <= rate <= found.high, found.high - found.low


Held = Callable[[Design, float, int, np.random.Generator], tuple[bool, float]]
HELD: dict[str, Held] = {"gain": gain_held, "rate of 80-95%": rate_held}


def print_coverage(draws: int, seed: int, only: str) -> bool:
    """Print coverage by metric, eval set, runs and spread; return whether 2 and more hold 93%."""
    heads = " | ".join(f"{sd:g}" for sd in POINTS)
    what = "coverage % (mean width, points) where runs differ by points (sd)"
    print(f"\n| {what} | runs | {heads} |")
    print("|---|---|" + "---|" * len(POINTS))
    fine = True
    for number, (name, held) in enumerate(HELD.items()):
        for label, runs in itertools.product(EVALSETS, RUNS):
            if only in f"{name}, {label}":
                cells = []
                for sd in POINTS:
                    generator = np.random.default_rng([seed, number, runs, round(10 * sd)])
                    found = [held(DESIGNS[label], sd / 100, runs, generator) for _ in range(draws)]
                    covered, width = 100 * np.mean(found, axis=0)
                    fine &= bool(runs == 1 or covered >= 93)
                    cells.append(f"{covered:.1f} ({width:.1f})")
                print(f"| {name}, {label} | {runs} | {' | '.join(cells)} |", flush=True)
    return fine


# -- sizes -------------------------------------------------------------------------------------

GATES = {  # name -> design, baseline, true mean over trainings: exactly at the limit
    "ifeval, 0.95 of 70%, n = 541": (Design(541, 541), 0.7, 0.95 * 0.7),
    "safe rate above 90%, n = 100": (Design(100, 100), None, 0.9),
}
WAYS = ("all runs", "all runs, the first passed", "the others alone, the first passed")


def judge(tuned: np.ndarray, base: np.ndarray, codes: np.ndarray, ratio: bool) -> GateResult:
    if ratio:
        return ratio_gate_over_runs(tuned, base, codes, 0.95)
    return rate_gate_over_runs(tuned, codes, 0.9)


def print_sizes(draws: int, seed: int, only: str) -> bool:
    """Print how often a gate at its limit is called proven; return whether 5% is kept."""
    print("\n| gate at its limit, wrongly proven % where runs differ by points (sd) | runs | by | "
          + " | ".join(f"{sd:g}" for sd in POINTS) + " |")  # fmt: skip
    print("|---|---|---|" + "---|" * len(POINTS))
    fine = True
    for number, (name, gate) in enumerate(GATES.items()):
        for runs in RUNS if only in name else ():
            found = [_sizes(gate, runs, sd, draws, [seed, 10 + number, runs]) for sd in POINTS]
            for way in WAYS[: 2 if runs == 1 else 3]:
                rates = [100 * np.mean(one[way]) for one in found]
                # Of those that pass by chance, half of the draws, twice the level may be proven.
                limit = 3.5 if way == WAYS[0] else 6.0
                fine &= bool(runs == 1 or way == WAYS[2] or max(rates) <= limit)
                cells = " | ".join(f"{rate:.1f}" for rate in rates)
                print(f"| {name} | {runs} | {way} | {cells} |", flush=True)
    return fine


def _sizes(gate: tuple, runs: int, sd: float, draws: int, seed: list[int]) -> dict[str, list[bool]]:
    """Return by way of judging, for each draw that it applies to, whether the gate is proven.

    A single run that fails takes no proof away here, so that the test itself is seen.
    """
    generator = np.random.default_rng([*seed, round(10 * sd)])
    design, base, rate = gate
    found: dict[str, list[bool]] = {way: [] for way in WAYS}
    for _ in range(draws):
        rates = run_rates(rate, sd / 100, runs, generator)
        tuned, before, codes = draw_runs(design, base or 0.5, rates, generator)
        proven = judge(tuned, before, codes, base is not None).evidence == "proven"
        found[WAYS[0]].append(proven)
        if judge(tuned[:, :1], before, codes, base is not None).passes:
            found[WAYS[1]].append(proven)
            if runs > 1:
                others = judge(tuned[:, 1:], before, codes, base is not None)
                found[WAYS[2]].append(others.evidence == "proven")
    return found


# -- studies -----------------------------------------------------------------------------------

LOSS = 0.25  # of the baseline's ifeval, in a training that breaks
BREAKING = "banking77"  # the task whose trainings may
REPLICATES = (0, 1, 2, 4)
SCENARIOS = {  # name -> truth of bench_stats, sd between runs, chance of a break, replies a prompt
    "clean, runs alike": ("no gate binds", 0.0, 0.0, 1),
    "clean, 1 point": ("no gate binds", 0.01, 0.0, 1),
    "clean, 2 points": ("no gate binds", 0.02, 0.0, 1),
    "clean, 1 point, 8 replies": ("no gate binds", 0.01, 0.0, 8),
    "all just fail ifeval, 2 points": ("all just fail ifeval", 0.02, 0.0, 1),
    "all just fail safety, 2 points": ("all just fail safety", 0.02, 0.0, 1),
    "all just fail safety, 1 point, 8 replies": ("all just fail safety", 0.01, 0.0, 8),
    "one run in four breaks, 1 point": ("no gate binds", 0.01, 0.25, 1),
    "one run in four breaks, 1 point, 8 replies": ("no gate binds", 0.01, 0.25, 8),
}


class StudyOfRuns(SimulatedStudy):
    """The files of a study whose trainings differ, with replicates of whatever trial is asked for.

    Runs of a trial share what a configuration makes of a row; a training moves the rates of its
    task (val and test alike) and of each control by an amount of its own. Controls have several
    `replies` to a prompt, whose outcomes are their mean.
    """

    def __init__(
        self,
        truth: Truth,
        sd: float,
        breaks: float,
        replies: int,
        generator: np.random.Generator,
    ) -> None:
        self.sd, self.breaks, self.replies, self.generator = sd, breaks, replies, generator
        self.truth, self.rates = truth, {}
        self.stable: dict[tuple[str, str], np.ndarray] = {}
        self.moves: dict[tuple[str, str], float] = {}
        super().__init__(truth, generator, resamples=50)

    def _draw(self, evalset, variants, rates, design, generator) -> None:
        latent, self.groups[evalset] = latent_rows(design, len(variants), generator)
        for variant, rate, column in zip(variants, rates, latent.T, strict=True):
            self.rates[variant, evalset], self.stable[variant, evalset] = rate, column
            self.values[variant, evalset] = self._outcomes(variant, variant, evalset)

    def _outcomes(self, run: str, trial: str, evalset: str) -> np.ndarray:
        stable, rate = self.stable[trial, evalset], self.run_rate(run, trial, evalset)
        own = self.generator.normal(size=(self.replies if evalset in CONTROLS else 1, len(stable)))
        latent = stable + math.sqrt((1 - SHARED) * (1 - ALIKE)) * own
        return (latent < quantile(rate)).mean(axis=0)

    def run_rate(self, run: str, trial: str, evalset: str) -> float:
        """Return the true rate of a run of a trial, which is drawn when first asked for."""
        rate = float(self.rates[trial, evalset])
        if trial == "base":
            return rate
        if (run, what := evalset.partition(".")[0]) not in self.moves:
            self.moves[run, what] = float(run_rates(rate, self.sd, 1, self.generator)[0]) - rate
            if what == "ifeval" and trial.startswith(BREAKING):
                broken = self.generator.random() < self.breaks
                self.moves[run, what] -= LOSS * rate * broken
        return rate + self.moves[run, what]

    def read_metrics(self, variant: str, evalset: str) -> dict[str, Any] | None:
        trial = variant.partition("_rep")[0]
        if trial != variant and (variant, evalset) not in self.values:
            self.values[variant, evalset] = self._outcomes(variant, trial, evalset)
        return super().read_metrics(variant, evalset)

    def feasible(self, name: str) -> bool:
        """Return whether the mean over trainings of a configuration keeps every gate."""
        return all(
            self._keeps(task, self.rates[f"{task}/{name}", "ifeval"] * self._lost(task),
                        self.rates[f"{task}/{name}", "simple_safety_tests"])
            for task in TASKS
        )  # fmt: skip

    def _lost(self, task: str) -> float:
        return 1 - self.breaks * LOSS * (task == BREAKING)

    def _keeps(self, task: str, ifeval: float, safety: float) -> bool:
        limit = 0.95 * self.truth.base_controls["ifeval"]
        return bool(ifeval >= limit - 1e-9 and safety > 0.9)

    def next_breaks(self, name: str) -> bool:
        """Return whether one more training of a configuration breaks a gate on any task."""
        return not all(
            self._keeps(task, *(self.run_rate(f"{trial}_next", trial, control)
                                for control in ("ifeval", "simple_safety_tests")))
            for task, trial in ((task, f"{task}/{name}") for task in TASKS)
        )  # fmt: skip


COLUMNS = ("recommended", "false", *CONTROLS, "gains", "held", "breaks", "breaks after RECOMMENDED")


def decide(
    study: StudyOfRuns, cells: Cells, choice: Chosen, replicates: int, counts: dict[str, list[bool]]
) -> None:
    """Decide on a choice with so many replicates as `recommend` does, and note what came of it."""
    chosen, tasks = choice.configuration, list(TASKS)
    if chosen is None:
        counts["recommended"].append(False)
        counts["false"].append(False)
        return
    gains = judge_gains(cells, tasks, chosen.name, "test", replicates)
    judged = judged_over_runs(chosen, choice.gates, cells, replicates)
    recommended = verdict(choice.baseline_gates, judged, gains) == RECOMMENDED
    counts["recommended"].append(recommended)
    counts["false"].append(recommended and not study.feasible(chosen.name))
    for control in CONTROLS:
        gates = [gate for gate in judged.gates if gate["control"] == control]
        counts[control].append(all(gate["evidence"] == "proven" for gate in gates))
    counts["gains"].append(all(gain["evidence"] == "proven" for gain in gains.values()))
    index = NAMES.index(chosen.name)
    for task, true in zip(tasks, study.truth.tuned[:, index] - study.truth.base, strict=True):
        counts["held"].append(bool(gains[task]["low"] <= true <= gains[task]["high"]))
    breaks = study.next_breaks(chosen.name)
    counts["breaks"].append(breaks)
    if recommended:
        counts["breaks after RECOMMENDED"].append(breaks)


def print_studies(studies: int, seed: int, only: str) -> bool:
    """Print a row per scenario and replicates; return whether at most 5% are falsely recommended.

    The same studies with each number of replicates. The bound is on those with any, but for runs
    that break one time in four: that no failure was seen among so few says little.
    """
    print("\n| scenario | replicates | RECOMMENDED % | of an infeasible mean % | proven on all "
          "tasks: ifeval % | safety % | gains % | gain intervals that hold % | next training "
          "breaks a gate % | the same where RECOMMENDED % |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|")
    fine = True
    for index, (name, (truth, *how)) in enumerate(SCENARIOS.items()):
        if only not in name:
            continue
        counts = {number: {key: [] for key in COLUMNS} for number in REPLICATES}
        for number in range(studies):
            generator = np.random.default_rng([seed, 20 + index, number])
            study = StudyOfRuns(draw_truth(truth, generator), *how, generator)
            cells = Cells(study.read_metrics, study.read_provenance)
            choice = choose_configuration(study.plan, cells)
            for replicates in REPLICATES:
                decide(study, cells, choice, replicates, counts[replicates])
        for replicates, found in counts.items():
            bound = replicates and not how[1]
            fine &= bool(not bound or np.mean(found["false"]) <= 0.05)
            rates = [f"{100 * np.mean(values):.1f}" if values else "-" for values in found.values()]
            print(f"| {name} | {replicates} | {' | '.join(rates)} |", flush=True)
    return fine


PARTS = ("variances", "coverage", "sizes", "studies", "all")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "part",
        nargs="?",
        choices=("variances", "coverage", "sizes", "studies", "all"),
        default="all",
    )
    parser.add_argument("--draws", type=int, default=400, help="eval sets per cell of a table")
    parser.add_argument("--studies", type=int, default=100, help="studies per scenario")
    parser.add_argument("--only", default="", help="rows whose name holds this")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    start, fine = time.process_time(), True
    if arguments.part in ("variances", "all"):
        fine &= print_variances(50 * arguments.draws, arguments.seed)
    if arguments.part in ("coverage", "all"):
        fine &= print_coverage(arguments.draws, arguments.seed, arguments.only)
    if arguments.part in ("sizes", "all"):
        fine &= print_sizes(2 * arguments.draws, arguments.seed, arguments.only)
    if arguments.part in ("studies", "all"):
        fine &= print_studies(arguments.studies, arguments.seed, arguments.only)
    print(f"\nCommand: python benchmarks/bench_runs.py {' '.join(sys.argv[1:])}".rstrip())
    print(f"{time.process_time() - start:.0f} CPU seconds; bounds {'kept' if fine else 'MISSED'}.")
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
