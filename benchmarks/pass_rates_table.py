"""What `measure_pass_rates.py` measured, as tables: variances, and what training does to a prompt.

    python benchmarks/pass_rates_table.py benchmarks/pass_rates

Files are named {student}.{evalset}.json; the student `untrained` is what others are held against.
Intervals are 95%, by the percentiles of a bootstrap over prompts. The noise of another training is
what two students trained alike differ by, over the root of two.
"""

import argparse
import itertools
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from sftstudy.files.reading import read_json
from sftstudy.statistics.variances import Replies, training_noise, variances

BASE = "untrained"
OUTCOMES = {"ifeval": "prompt_strict", "simple_safety_tests": "safe", "banking77": "correct"}
RESAMPLES = 100  # of noise, which takes a quarter of a second; of all else ten times as many


def read(file: Path) -> dict[str, np.ndarray]:
    """Return the replies to each prompt, right ones first: their order tells nothing."""
    document = read_json(file)
    key, k = OUTCOMES[document["evalset"]], document["samples"]
    return {item["id"]: (np.arange(k) < item[key]).astype(float) for item in document["items"]}


def interval(function: Callable[..., float | None], resamples: int, *sides: Replies) -> str:
    """Return a value and the ends of its interval; prompts stay paired between the sides."""
    generator, n = np.random.default_rng(0), len(sides[0])
    found = []
    for _ in range(resamples):
        chosen = generator.integers(0, n, n)
        value = function(*([side[index] for index in chosen] for side in sides))
        if value is not None:
            found.append(value)
    value = function(*sides)
    if value is None or not found:
        return "-"
    low, high = np.percentile(found, [2.5, 97.5])
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def part(name: str) -> Callable[[Replies], float | None]:
    """Return the function that gives one part of the variance."""

    def function(replies: Replies) -> float | None:
        found = variances(replies)
        return None if found is None else float(getattr(found, name))

    return function


def print_variances(files: Sequence[Path]) -> None:
    """Print a row per student and eval set."""
    print("| eval set | student | prompts x replies | mean | variance between | within | "
          "share between |")  # fmt: skip
    print("|---|---|---|---|---|---|---|")
    for file in files:
        student, evalset = file.stem.split(".")
        replies = list(read(file).values())
        cells = [evalset, student, f"{len(replies)} x {len(replies[0])}"]
        names = ("mean", "between", "within", "share")
        cells += [interval(part(name), 10 * RESAMPLES, replies) for name in names]
        print("| " + " | ".join(cells) + " |", flush=True)


def print_noise(files: Sequence[Path]) -> None:
    """Print a row per pair of students of an eval set."""
    print("\n| eval set | of | prompts | change of the mean, points | noise, logit scale |")
    print("|---|---|---|---|---|")
    order = sorted(files, key=lambda file: not file.stem.startswith(BASE))
    for first, second in itertools.combinations(order, 2):
        (one, evalset), (other, same) = first.stem.split("."), second.stem.split(".")
        if evalset != same:
            continue
        before, after = read(first), read(second)
        names = [name for name in before if name in after]
        sides = [[side[name] for name in names] for side in (before, after)]
        change = 100 * (np.mean(sides[1]) - np.mean(sides[0]))
        scale = 1.0 if one == BASE else math.sqrt(0.5)

        def noise(base: Replies, tuned: Replies, scale: float = scale) -> float | None:
            found = training_noise(base, tuned)
            return None if found is None else scale * found

        cells = [evalset, f"{one}, {other}", str(len(names)), f"{change:+.1f}"]
        print("| " + " | ".join([*cells, interval(noise, RESAMPLES, *sides)]) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of the files")
    files = sorted(parser.parse_args().folder.glob("*.json"))
    print_variances(files)
    print_noise(files)


if __name__ == "__main__":
    main()
