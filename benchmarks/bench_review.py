"""Rates of which a person has judged a part: coverage of intervals, size of gates.

Draws 100 replies: a share of them in doubt, which is read whole, and others of which a random part
is read. Compares prediction-powered inference as the study uses it with the labels of the part
alone, and with a weight of the rules' verdicts that is tuned to the labels (PPI++). Prints the
tables that docs/statistics.md keeps; takes about a minute.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from sftstudy.statistics.distributions import binomial_limits, binomial_tail
from sftstudy.statistics.ppi import powered_rate

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


if __name__ == "__main__":
    main()
