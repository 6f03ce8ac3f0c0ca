"""Carving train, validation and test from what a source publishes.

Every choice ranks rows by a hash of seed, purpose and id: it is the same on every machine, does
not depend on the order of rows in the source, and adding a row moves no other.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from sftstudy.documents.rows import Row
from sftstudy.errors import StudyError

SPLITS = ("train", "val", "test")

Test = Literal["published"] | int


def split(
    published: dict[str, list[Row]], strategy: str, val: int, test: Test, seed: int, where: str
) -> dict[str, list[Row]]:
    """Return ``{"train", "val", "test"}``, each in published order.

    `test` is ``"published"`` or a number of rows to carve from all that is published (its own
    test split, if any, included). Test is carved first, then `val` rows from the rest; what
    remains is train. Strategies:

    - ``tail``: the last rows, as the original study did.
    - ``stratified``: label shares are kept (see `apportion`); which rows of a label is seeded.
    - ``grouped``: whole groups (see `nearest_groups`), so that no document is on both sides.

    Raises `StudyError`, naming the source as `where`, when rows, labels or groups do not suffice
    or the published test split is missing or empty.
    """
    carve = _STRATEGIES.get(strategy)
    if carve is None:
        raise StudyError(
            f"{where}: unknown split strategy {strategy!r}; allowed are {', '.join(_STRATEGIES)}"
        )
    if test == "published":
        rest, test_rows, carved = published.get("train", []), published.get("test", []), 0
        if not test_rows:
            raise StudyError(
                f"{where}: the source publishes no test rows (found {_counts(published)}); give "
                "the number of rows to carve as the split's 'test'"
            )
    else:
        rest, carved = [row for rows in published.values() for row in rows], test
    if val + carved >= len(rest):
        raise StudyError(
            f"{where}: {val} rows for val and {carved} for test leave nothing of the "
            f"{len(rest)} rows ({_counts(published)}) for training; ask for smaller splits"
        )
    if carved:
        test_rows, rest = _carve(carve, rest, carved, seed, "test", where)
    val_rows, train = _carve(carve, rest, val, seed, "val", where)
    return {"train": train, "val": val_rows, "test": test_rows}


def split_files(folder: Path) -> dict[str, Path]:
    """Return the files of the splits that `folder` holds; a control has no more than ``test``."""
    files = {name: path for name in SPLITS if (path := folder / f"{name}.jsonl").exists()}
    if not files:
        raise StudyError(f"{folder}: no splits; expected {', '.join(SPLITS)} as .jsonl files")
    return files


def limit_rows(rows: Sequence[Row], limit: int, seed: int, split: str) -> list[Row]:
    """Return a seeded sample of at most `limit` rows, in their order; a larger limit adds rows."""
    chosen = set(ranked([row["id"] for row in rows], seed, f"limit {split}")[:limit])
    return [row for row in rows if row["id"] in chosen]


def check_rows(rows: Sequence[Row], where: str) -> None:
    """Raise `StudyError` unless every row has an id of its own, a group and a prompt."""
    seen: set[str] = set()
    for number, row in enumerate(rows, start=1):
        missing = [key for key in ("id", "group", "prompt", "reference") if not row.get(key)]
        if missing:
            raise StudyError(f"{where}: row {number} ({row.get('id')!r}) has no {missing[0]!r}")
        if row["id"] in seen:
            raise StudyError(f"{where}: row {number}: the id {row['id']!r} occurs twice")
        seen.add(row["id"])


def ranked(keys: Sequence[str], seed: int, purpose: str) -> list[str]:
    """Return the keys in the pseudo-random order of their SHA-256 with seed and purpose."""

    def rank(key: str) -> bytes:
        return hashlib.sha256(f"{seed}\0{purpose}\0{key}".encode()).digest()

    return sorted(keys, key=rank)


def apportion(counts: dict[str, int], size: int) -> dict[str, int]:
    """Distribute `size` rows over labels in proportion to their counts, at least one to each.

    Labels whose proportional share is below one get one row; the others share the rest by the
    largest-remainder method (Hamilton), equal remainders in the order of the labels' names.
    `size` must be at least the number of labels.
    """
    seats: dict[str, int] = {}
    shares: dict[str, float] = {}
    while True:
        rest = {label: n for label, n in sorted(counts.items()) if label not in seats}
        total = sum(rest.values())
        shares = {label: (size - len(seats)) * n / total for label, n in rest.items()}
        small = [label for label, share in shares.items() if share < 1]
        if not small:
            break
        seats |= dict.fromkeys(small, 1)
    seats |= {label: int(share) for label, share in shares.items()}
    by_remainder = sorted(shares, key=lambda label: (int(shares[label]) - shares[label], label))
    for label in by_remainder[: size - sum(seats.values())]:
        seats[label] += 1
    return seats


def nearest_groups(sizes: dict[str, int], order: Sequence[str], size: int) -> list[str]:
    """Return groups whose rows add up as near as possible to `size` (at equal distance: fewer).

    There must be two groups or more; at least one is chosen and one is left. Of all
    selections with that sum the one that the order reaches first is taken. Exact subset sums by
    dynamic programming, in which no sum of `size` or more is followed further.
    """
    # sum -> (sum before the group, group); the first group in the order to reach a sum keeps it.
    reached: dict[int, tuple[int, str]] = {0: (0, "")}
    for group in order:
        for total in sorted(reached, reverse=True):
            if total < size:
                reached.setdefault(total + sizes[group], (total, group))
    proper = [total for total in reached if 0 < total < sum(sizes.values())]
    nearest = min(proper, key=lambda total: (abs(total - size), total))
    chosen = []
    while nearest:
        nearest, group = reached[nearest]
        chosen.append(group)
    return chosen


Carver = Callable[[list[Row], int, int, str, str], set[str]]


def _carve(
    carve: Carver, rows: list[Row], size: int, seed: int, name: str, where: str
) -> tuple[list[Row], list[Row]]:
    ids = carve(rows, size, seed, name, where)
    return [row for row in rows if row["id"] in ids], [row for row in rows if row["id"] not in ids]


def _tail(rows: list[Row], size: int, seed: int, name: str, where: str) -> set[str]:
    return {row["id"] for row in rows[-size:]}


def _stratified(rows: list[Row], size: int, seed: int, name: str, where: str) -> set[str]:
    by_label: defaultdict[str, list[str]] = defaultdict(list)
    for row in rows:
        if "label" not in row["reference"]:
            raise StudyError(
                f"{where}: row {row['id']!r} has no label; 'stratified' needs a task with labels: "
                "choose 'grouped' or 'tail'"
            )
        by_label[str(row["reference"]["label"])].append(row["id"])
    counts = {label: len(ids) for label, ids in by_label.items()}
    if size < len(counts):
        raise StudyError(
            f"{where}: a {name} split of {size} rows cannot hold one row of each of "
            f"{len(counts)} labels; ask for at least {len(counts)} rows, or choose 'tail'"
        )
    seats = apportion(counts, size)
    for label in sorted(counts):
        if seats[label] >= counts[label]:
            raise StudyError(
                f"{where}: label {label!r} has {counts[label]} row(s), too few to give "
                f"{seats[label]} to {name} and keep one for training; add rows, leave the label "
                "out or choose 'tail'"
            )
    return {
        row_id
        for label, ids in by_label.items()
        for row_id in ranked(ids, seed, name)[: seats[label]]
    }


def _grouped(rows: list[Row], size: int, seed: int, name: str, where: str) -> set[str]:
    sizes = Counter(row["group"] for row in rows)
    if len(sizes) < 2:
        raise StudyError(
            f"{where}: all {len(rows)} rows left for {name} and train are of one group "
            f"({next(iter(sizes))!r}); 'grouped' needs at least two"
        )
    chosen = set(nearest_groups(sizes, ranked(list(sizes), seed, name), size))
    return {row["id"] for row in rows if row["group"] in chosen}


def _counts(published: dict[str, list[Row]]) -> str:
    return ", ".join(f"{name} {len(rows)}" for name, rows in published.items()) or "nothing"


_STRATEGIES: dict[str, Carver] = {"stratified": _stratified, "grouped": _grouped, "tail": _tail}
