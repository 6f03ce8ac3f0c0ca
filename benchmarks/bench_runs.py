"""Several training runs of a configuration: do intervals hold the mean over trainings?

``coverage``  draws runs whose true rates differ and counts how often the 95% intervals of gains and
              rates hold the mean over trainings.
``sizes``     counts how often a gate is called proven where the mean over trainings is exactly at
              its limit: by any runs, and by runs of which the first was chosen for passing.

A row is hard for all students alike, and harder or easier for all runs of a configuration alike;
what is left is each run's own. Runs differ by a normal number of points, on all rows of an eval
set. `make bench-stats` prints all tables, which docs/statistics.md keeps as measured.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from bench_stats import DESIGNS, SHARED, Design

from sftstudy.statistics.gates import rate_gate
from sftstudy.statistics.runs import gain_over_runs, rate_gate_over_runs, ratio_gate_over_runs

quantile = np.vectorize(NormalDist().inv_cdf)
ALIKE = 0.5  # share of what a row is to a student alone that all runs of a configuration have
POINTS = (0.0, 0.5, 1.0, 2.0, 4.0)  # standard deviations between runs
RUNS = (1, 2, 3, 5)
EVALSETS = ("100 rows", "541 rows", "1,700 rows, 280 documents")


def draw_runs(
    design: Design, base: float, rates: np.ndarray, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return right-or-wrong outcomes of runs (n, m) and baseline (n,), and the rows' groups."""
    codes = design.codes(generator)
    common = math.sqrt(design.within) * generator.normal(size=design.groups)[codes]
    common = common + math.sqrt(1 - design.within) * generator.normal(size=design.rows)
    own = generator.normal(size=(design.rows, 2 + len(rates)))
    own[:, 2:] = math.sqrt(ALIKE) * own[:, 1:2] + math.sqrt(1 - ALIKE) * own[:, 2:]
    latent = math.sqrt(SHARED) * common[:, None] + math.sqrt(1 - SHARED) * own
    tuned = latent[:, 2:] < quantile(rates)
    return tuned.astype(float), (latent[:, 0] < quantile(base)).astype(float), codes


def run_rates(rate: float, sd: float, runs: int, generator: np.random.Generator) -> np.ndarray:
    """Return the true rates of runs, whose mean over trainings is `rate` exactly."""
    room = min(rate, 1 - rate) - 1e-4
    return rate + np.clip(sd * generator.normal(size=runs), -room, room)


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


def print_coverage(draws: int, seed: int) -> bool:
    """Print coverage by metric, eval set, runs and spread; return whether 2 and more hold 93%."""
    heads = " | ".join(f"{sd:g}" for sd in POINTS)
    print(f"| coverage % (mean width, points) where runs differ by points (sd) | runs | {heads} |")
    print("|---|---|" + "---|" * len(POINTS))
    fine = True
    for number, (name, held) in enumerate(HELD.items()):
        for label in EVALSETS:
            for runs in RUNS:
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


def ifeval_proven(tuned: np.ndarray, base: np.ndarray, codes: np.ndarray) -> bool:
    return ratio_gate_over_runs(tuned, base, codes, 0.95).evidence == "proven"


def safety_proven(tuned: np.ndarray, base: np.ndarray, codes: np.ndarray) -> bool:
    return rate_gate_over_runs(tuned, codes, 0.9).evidence == "proven"


GATES = {  # name -> design, baseline, true mean over trainings, proof, point limit by baseline
    "ifeval, 0.95 of 70%, n = 541": (Design(541, 541), 0.7, 0.665, ifeval_proven, 0.95),
    "safe rate above 90%, n = 100": (Design(100, 100), 0.98, 0.9, safety_proven, None),
}


def print_sizes(draws: int, seed: int) -> bool:
    print("| gate | runs | by | " + " | ".join(f"{sd:g}" for sd in POINTS) + " |")
    print("|---|---|---|" + "---|" * len(POINTS))
    for number, (name, (design, base, rate, proven, ratio)) in enumerate(GATES.items()):
        for runs in RUNS:
            cells = {}
            for sd in POINTS:
                generator = np.random.default_rng([seed, 10 + number, runs, round(10 * sd)])
                found = {k: [] for k in ("any", "all", "fresh", "fresh mean", "rule all", "rule fresh", "rule fm")}
                for _ in range(draws):
                    rates = run_rates(rate, sd / 100, runs, generator)
                    tuned, before, codes = draw_runs(design, base, rates, generator)
                    limit = 0.9 if ratio is None else ratio * before.mean()
                    ok = tuned.mean(axis=0) > limit - (1e-9 if ratio else -1e-9)
                    p = proven(tuned, before, codes)
                    found["any"].append(p)
                    if not ok[0]:
                        continue
                    found["all"].append(p)
                    found["rule all"].append(p and ok.all())
                    if runs > 1:
                        f = proven(tuned[:, 1:], before, codes)
                        found["fresh"].append(f)
                        found["rule fresh"].append(f and ok.all())
                        shift = tuned[:, 1:].mean() 
                for k, v in found.items():
                    if v: cells.setdefault(k, []).append(f"{100*np.mean(v):.1f}")
            for k, v in cells.items():
                print(f"| {name} | {runs} | {k} | {' | '.join(v)} |", flush=True)
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="?", choices=("coverage", "sizes", "all"), default="all")
    parser.add_argument("--draws", type=int, default=1000, help="eval sets per cell of a table")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    start, fine = time.process_time(), True
    if arguments.part in ("coverage", "all"):
        fine &= print_coverage(arguments.draws, arguments.seed)
    if arguments.part in ("sizes", "all"):
        fine &= print_sizes(arguments.draws, arguments.seed)
    print(f"\nCommand: python benchmarks/bench_runs.py {' '.join(sys.argv[1:])}".rstrip())
    print(f"{time.process_time() - start:.0f} CPU seconds; bounds {'kept' if fine else 'MISSED'}.")
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
