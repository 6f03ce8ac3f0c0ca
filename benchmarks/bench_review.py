"""Rates of which a person has judged a part: coverage of intervals, size of gates.

Draws 100 replies: a share of them in doubt, which is read whole, and others of which a random part
is read. Compares prediction-powered inference as the study uses it with the labels of the part
alone, and with a weight of the rules' verdicts that is tuned to the labels (PPI++). Then the gate
relative to a baseline of which as much was read, at its limit and where nothing is lost. Prints the
tables that docs/statistics.md keeps; takes about two minutes.
"""

import itertools
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from sftstudy.statistics.clusters import cluster_mean
from sftstudy.statistics.distributions import binomial_limits, binomial_tail, normal_tail, t_tail
from sftstudy.statistics.gates import RATIO_ALPHA, powered_ratio_gate, ratio_gate
from sftstudy.statistics.ppi import Powered, powered_rate
from sftstudy.statistics.score import PairedMeans

N, DRAWS, ALPHA = 100, 1000, 0.05
PARTS = (0.1, 0.2, 0.4, 0.7, 0.9)  # of the others, read


@dataclass(frozen=True)
class World:
    """What is true of replies.

    Attributes:
        doubt: Share that rules and judge leave open, and of which `doubtful` are safe.
        called: Share of the others that the rules call safe.
        kept: Share of these that are.
        missed: Share of those that the rules call unsafe which are safe.
    """

    doubt: float
    doubtful: float
    called: float
    kept: float
    missed: float

    @property
    def rate(self) -> float:
        others = self.called * self.kept + (1 - self.called) * self.missed
        return self.doubt * self.doubtful + (1 - self.doubt) * others

    def draw(self, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return whether each of N replies is in doubt, called safe, and safe."""
        doubt = generator.random(N) < self.doubt
        called = (generator.random(N) < self.called) & ~doubt
        chance = np.where(called, self.kept, self.missed)
        return doubt, called, generator.random(N) < np.where(doubt, self.doubtful, chance)


WORLDS = [
    World(doubt, doubtful, *others)
    for doubt, doubtful in ((0.0, 0.5), (0.1, 0.8), (0.3, 0.6), (0.3, 0.95))
    for others in (
        (1, 1, 0), (1, 0.99, 0), (1, 0.97, 0), (1, 0.9, 0), (0.97, 0.995, 0.02),
        (0.9, 0.98, 0.1), (0.8, 0.95, 0.2), (0.5, 0.9, 0.1), (0.1, 0.9, 0.05),
    )
]  # fmt: skip


def estimates(
    doubt: np.ndarray, called: np.ndarray, safe: np.ndarray, part: float
) -> Iterator[tuple[str, float, float]]:
    """Yield the name of each way, its rate and its effective rows."""
    others = np.flatnonzero(~doubt)
    known = safe.astype(float)
    known[others[max(5, round(part * len(others))) :]] = np.nan
    rows = np.arange(N)
    powered = powered_rate(called.astype(float), known, doubt.astype(int), rows, rows)
    yield "prediction-powered", powered.estimate.value, powered.rows
    nothing = powered_rate(np.zeros(N), known, doubt.astype(int), rows, rows)
    yield "labels alone", nothing.estimate.value, nothing.rows
    yield "weight tuned (PPI++)", *_tuned(doubt, called, known)


def _tuned(doubt: np.ndarray, called: np.ndarray, known: np.ndarray) -> tuple[float, float]:
    """Return the rate with the weight of PPI++ (Angelopoulos, Duchi & Zrnic 2023, eq. 10)."""
    verdicts, labels = called[~doubt].astype(float), known[~doubt]
    read = ~np.isnan(labels)
    total, count, variance = len(labels), int(read.sum()), verdicts.var()
    weight = 0.0
    if variance and count > 1:
        covariance = np.cov(labels[read], verdicts[read])[0, 1]
        weight = float(np.clip(covariance / variance / (1 + count / total), 0, 1))
    errors = labels[read] - weight * verdicts[read]
    rate = (known[doubt].sum() + total * (weight * verdicts.mean() + errors.mean())) / N
    rate = min(1.0, max(0.0, float(rate)))
    feared = 1 / (count + 2)
    spread = max(float(errors.var(ddof=1)), feared * (1 - feared))
    share = total / N
    cautious = rate - share * feared if rate > 0.5 else rate + share * feared
    own = cautious * (1 - cautious)
    return rate, own / (own / N + share**2 * (1 - count / total) * spread / count)


@dataclass(frozen=True)
class Loss:
    """What a tuned student loses of a baseline, and what of it the rules see.

    Attributes:
        rate: Share of the baseline's replies that are safe.
        wrong: Share of safe replies that the rules call unsafe.
        hidden: Share of the lost ones that the rules call safe.
    """

    rate: float
    wrong: float
    hidden: float

    def draw(
        self, n: int, part: float, lost: float, generator: np.random.Generator
    ) -> tuple[np.ndarray, list[Powered], int, float]:
        """Return the outcomes (2, n) of tuned and baseline, their rates, labels, and a label's
        weight. Replies that are not lost are the baseline's: judged and read as it is. A tenth is
        in doubt."""
        doubt, rows = generator.random(n) < 0.1, np.arange(n)
        baseline = generator.random(n) < self.rate
        losing = baseline & (generator.random(n) < lost)
        order, called = generator.random(n), baseline & (generator.random(n) >= self.wrong)
        others = np.flatnonzero(~doubt)
        labels = round(part * len(others))
        outcomes, rates = np.array([baseline & ~losing, baseline], dtype=float), []
        tuned_order = np.where(losing, generator.random(n), order)
        tuned_called = np.where(losing, generator.random(n) < self.hidden, called)
        for safe, place, verdict in zip(
            outcomes, (tuned_order, order), (tuned_called, called), strict=True
        ):
            known = safe.copy()
            known[others[np.argsort(place[others])[labels:]]] = np.nan
            predicted = (verdict & ~doubt).astype(float)
            rates.append(powered_rate(predicted, known, doubt.astype(int), rows, rows))
        return outcomes, rates, labels, len(others) / labels


LOSSES = [Loss(*case) for case in itertools.product((0.6, 0.9, 0.98), (0.02, 0.3), (0, 0.3, 1))]
RATIO = 0.95


def relative(n: int, part: float, loss: Loss, lost: float, draws: int) -> np.ndarray:
    """Return how often each way proves that tuned is at least 0.95 of the baseline."""
    generator, rows = np.random.default_rng(n), np.arange(n)
    proven = np.zeros(4)
    for _ in range(draws):
        outcomes, (tuned, baseline), labels, weight = loss.draw(n, part, lost, generator)
        errors = (tuned.estimate.se, baseline.estimate.se)
        pair = (tuned.values, baseline.values)
        cut = PairedMeans.of(*(values.clip(0, 1) for values in pair)).ratio_score(RATIO)
        t = _t_test(*pair, errors, labels)
        p = (
            powered_ratio_gate(*pair, rows, errors, labels, weight, RATIO).p,
            t,
            max(t, normal_tail(cut * math.sqrt(n))),
            ratio_gate(outcomes[0], outcomes[1], rows, RATIO).p,
        )
        proven += np.array(p) <= RATIO_ALPHA
    return proven / draws


def _t_test(
    tuned: np.ndarray, baseline: np.ndarray, errors: tuple[float, float], labels: int
) -> float:
    """Return p of the gate's t test, without its score test."""
    rows = np.arange(len(tuned))
    mean = cluster_mean(tuned - RATIO * baseline, rows)
    variance = mean.variance
    for values, error, factor in ((tuned, errors[0], 1.0), (baseline, errors[1], RATIO)):
        variance += factor**2 * max(0.0, error**2 - cluster_mean(values, rows).variance)
    return t_tail(mean.value / math.sqrt(variance), labels - 1) if variance else 1.0


def relative_gate() -> None:
    started = time.process_time()
    ways = ("the gate", "its t test alone", "values cut to 0 to 1", "all read")
    print("\n| prompts | others read | way | size: mean | largest | proven where nothing is lost |")
    print("|---|---|---|---|---|---|")
    for n, part in itertools.product((100, 200, 541), (0.2, 0.5, 0.9)):
        sizes = [relative(n, part, loss, 1 - RATIO, 200) for loss in LOSSES]
        power = [relative(n, part, loss, 0.0, 40) for loss in LOSSES if not loss.hidden]
        for way, mean, most, often in zip(
            ways, np.mean(sizes, 0), np.max(sizes, 0), np.mean(power, 0), strict=True
        ):
            print(f"| {n} | {part:.0%} | {way} | {mean:.1%} | {most:.1%} | {often:.0%} |")
    print(f"\n{time.process_time() - started:.0f} CPU-seconds, 200 draws of each of {len(LOSSES)}")


def main() -> None:
    started, generator = time.process_time(), np.random.default_rng(0)
    print("| others read | way | coverage: mean | lowest | half-width, points | size: largest |")
    print("|---|---|---|---|---|---|")
    for part in PARTS:
        held: dict[str, list[float]] = {}
        width: dict[str, list[float]] = {}
        size: dict[str, list[float]] = {}
        for world in WORLDS:
            found: dict[str, list[tuple[bool, float, bool]]] = {}
            for _ in range(DRAWS):
                for way, rate, rows in estimates(*world.draw(generator), part):
                    low, high = binomial_limits(rate, rows, 0.95)
                    proven = binomial_tail(rate * rows, rows, world.rate) <= ALPHA
                    inside = low - 1e-9 <= world.rate <= high + 1e-9
                    found.setdefault(way, []).append((inside, (high - low) / 2, proven))
            for way, draws in found.items():
                means = np.array(draws, dtype=float).mean(axis=0)
                for kept, mean in zip((held, width, size), means, strict=True):
                    kept.setdefault(way, []).append(float(mean))
        for way in held:
            print(
                f"| {part:.0%} | {way} | {np.mean(held[way]):.1%} | {min(held[way]):.1%} | "
                f"{100 * np.mean(width[way]):.1f} | {max(size[way]):.1%} |"
            )
    print(f"\n{time.process_time() - started:.0f} CPU-seconds, {DRAWS} draws of each")
    relative_gate()


if __name__ == "__main__":
    main()
