"""What a person should know about a task's data before trusting a score on it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations

from sftstudy.data.duplicates import THRESHOLD, Rows, Splits, exact_pairs, near_pairs
from sftstudy.documents.card import Leakage, SharedGroups, SharedRows, SplitCard
from sftstudy.documents.rows import Scored

EXAMPLES = 20


def describe_split(rows: Sequence[Scored], sha256: str) -> SplitCard:
    """Return the counts of a split: rows, groups and, where rows have labels, rows by label."""
    labels = Counter(str(row["reference"]["label"]) for row in rows if "label" in row["reference"])
    return {
        "rows": len(rows),
        "groups": len({row["group"] for row in rows}),
        "sha256": sha256,
        "labels": dict(sorted(labels.items())),
    }


def leakage(splits: Splits) -> dict[str, Leakage]:
    """Return what each two splits share: exact duplicates, near duplicates, groups.

    Keys are like ``"train-test"``. ``rows`` counts the rows of the second split that have at
    least one duplicate in the first; ``examples`` lists the first pairs of ids. Near duplicates
    do not include exact ones. See `sftstudy.data.duplicates` for the definitions.
    """
    rows = Rows.of(splits)
    exact, near = sorted(exact_pairs(rows)), sorted(near_pairs(rows))
    return {
        f"{first}-{second}": {
            "exact": _pairs(rows, exact, first, second),
            "near": {**_pairs(rows, near, first, second), "jaccard_at_least": THRESHOLD},
            "groups": _shared_groups(splits[first], splits[second]),
        }
        for first, second in combinations(splits, 2)
    }


def _pairs(rows: Rows, pairs: Iterable[tuple[int, int]], first: str, second: str) -> SharedRows:
    found = [(a, b) for a, b in pairs if (rows.splits[a], rows.splits[b]) == (first, second)]
    return {
        "rows": len({b for _, b in found}),
        "examples": [[rows.ids[a], rows.ids[b]] for a, b in found[:EXAMPLES]],
    }


def _shared_groups(first: Sequence[Scored], second: Sequence[Scored]) -> SharedGroups:
    shared = sorted({row["group"] for row in first} & {row["group"] for row in second})
    return {
        "groups": len(shared),
        "rows": sum(row["group"] in set(shared) for row in second),
        "examples": shared[:EXAMPLES],
    }
