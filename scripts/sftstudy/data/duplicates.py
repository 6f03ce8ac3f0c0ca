"""Rows that occur, exactly or nearly, on both sides of a split.

Rows of a task share their instruction, and rows of a group (a document, a database) share that
too, so comparing whole prompts would call everything a duplicate. What is compared is what
differs: between groups, the prompt without the words that all rows begin and end with; within a
group, without the words that all rows of the group begin and end with.

Near means a Jaccard index of word 3-grams of at least `THRESHOLD`. The join is exact, by prefix
filtering (Bayardo, Ma and Srikant, WWW 2007): with the 3-grams of each row ordered from rare to
frequent, two rows that are similar enough share one within their first few.
"""

import math
import re
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from sftstudy.documents.duplicates import Duplicated
from sftstudy.documents.rows import Scored

THRESHOLD = 0.8
_WORD = re.compile(r"\w+")
Words = list[str]
Splits = Mapping[str, Sequence[Scored]]


@dataclass(frozen=True)
class Rows:
    """All rows of a task, in one order: id, group, split, and the words that are its own."""

    ids: list[str]
    groups: list[str]
    splits: list[str]
    words: list[Words]

    @classmethod
    def of(cls, splits: Splits) -> "Rows":
        """Collect the rows of ``{split: rows}``."""
        rows = [row for split in splits.values() for row in split]
        return cls(
            [row["id"] for row in rows],
            [row["group"] for row in rows],
            [name for name, split in splits.items() for _ in split],
            strip_common([normalise(_text(row)) for row in rows]),
        )


def exact_pairs(rows: Rows) -> set[tuple[int, int]]:
    """Return index pairs (smaller first) of rows in different splits with equal own words."""
    same: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, words in enumerate(rows.words):
        same[tuple(words)].append(index)
    return {
        (a, b)
        for indices in same.values()
        for position, b in enumerate(indices)
        for a in indices[:position]
        if rows.splits[a] != rows.splits[b]
    }


def near_pairs(rows: Rows) -> set[tuple[int, int]]:
    """Return index pairs (smaller first) of near, not exact, duplicates in different splits."""
    between = _similar(rows.words, rows.splits, rows.groups)
    within = (pair for members in _shared_groups(rows) for pair in _similar_in(rows, members))
    return {*between, *within} - exact_pairs(rows)


def duplicated(splits: Splits) -> dict[str, Duplicated]:
    """Return, for each two splits, the ids of the rows of the second that the first has too.

    Keys are like ``"train-test"``.
    """
    rows = Rows.of(splits)
    exact, near = exact_pairs(rows), near_pairs(rows)
    return {
        f"{first}-{second}": {
            "exact": _in_second(rows, exact, first, second),
            "near": _in_second(rows, near, first, second),
        }
        for first, second in combinations(splits, 2)
    }


def _in_second(rows: Rows, pairs: set[tuple[int, int]], first: str, second: str) -> list[str]:
    between = (first, second)
    return sorted({rows.ids[b] for a, b in pairs if (rows.splits[a], rows.splits[b]) == between})


def normalise(text: str) -> Words:
    """Return the words of a text: compatibility forms unified, lower case, no punctuation."""
    # Interned, a repeated document costs eight bytes a word.
    return [*map(sys.intern, _WORD.findall(unicodedata.normalize("NFKC", text).casefold()))]


def strip_common(texts: Sequence[Words]) -> list[Words]:
    """Return the texts without the words that all of them begin with and end with."""
    if not texts:
        return []
    shortest, longest = min(texts), max(texts)
    # What the first and last in sorted order share, all share.
    start = _common(shortest, longest)
    backwards = [words[: start - 1 if start else None : -1] for words in texts]
    end = _common(min(backwards), max(backwards))
    return [words[start : len(words) - end] for words in texts]


def _text(row: Scored) -> str:
    return "\n".join(message["content"] for message in row["prompt"])


def _common(a: Words, b: Words) -> int:
    length = min(len(a), len(b))
    return next((i for i in range(length) if a[i] != b[i]), length)


def _shared_groups(rows: Rows) -> Iterator[list[int]]:
    """Yield the members of each group that lies in more than one split."""
    members: defaultdict[str, list[int]] = defaultdict(list)
    for index, group in enumerate(rows.groups):
        members[group].append(index)
    for indices in members.values():
        if len({rows.splits[index] for index in indices}) > 1:
            yield indices


def _similar_in(rows: Rows, members: list[int]) -> Iterator[tuple[int, int]]:
    """Yield near pairs of one group, compared by what differs inside of it."""
    words = strip_common([rows.words[index] for index in members])
    for a, b in _similar(words, [rows.splits[index] for index in members], None):
        yield members[a], members[b]


def _similar(
    texts: Sequence[Words], splits: Sequence[str], groups: Sequence[str] | None
) -> Iterator[tuple[int, int]]:
    """Yield pairs of similar texts of different splits and (where given) different groups."""
    shingles = _shingles(texts)
    index: defaultdict[int, list[int]] = defaultdict(list)
    for b, mine in enumerate(shingles):
        candidates: set[int] = set()
        for shingle in mine[: _prefix_length(len(mine))].tolist():
            candidates.update(index[shingle])
            index[shingle].append(b)
        for a in candidates:
            if splits[a] == splits[b] or (groups and groups[a] == groups[b]):
                continue
            if _jaccard(shingles[a], mine) >= THRESHOLD:
                yield a, b


def _shingles(texts: Sequence[Words]) -> list[np.ndarray]:
    """Return each text's distinct 3-grams as ranks by frequency, ascending: the rarest first.

    A text of one or two words is one 3-gram, filled up with the number of no word.
    """
    vocabulary: dict[str, int] = {}
    numbered = [
        np.array([vocabulary.setdefault(word, len(vocabulary) + 1) for word in words], np.int64)
        for words in texts
    ]
    base = len(vocabulary) + 1
    grams = [np.unique(_grams(numbers, base)) for numbers in numbered]
    if not grams:
        return []
    _, inverse, counts = np.unique(np.concatenate(grams), return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), np.int64)
    rank[np.argsort(counts, kind="stable")] = np.arange(len(counts))
    ends = np.cumsum([len(gram) for gram in grams])[:-1]
    return [np.sort(part) for part in np.split(rank[inverse], ends)]


def _grams(numbers: np.ndarray, base: int) -> np.ndarray:
    """Return one integer per 3-gram; distinct 3-grams give distinct integers."""
    if not len(numbers):
        return numbers
    if len(numbers) < 3:
        numbers = np.pad(numbers, (0, 3 - len(numbers)))
    return (numbers[:-2] * base + numbers[1:-1]) * base + numbers[2:]


def _prefix_length(size: int) -> int:
    return size - math.ceil(THRESHOLD * size) + 1 if size else 0


def _jaccard(a: np.ndarray, b: np.ndarray) -> float:
    if min(len(a), len(b)) < THRESHOLD * max(len(a), len(b)):
        return 0.0
    shared = len(np.intersect1d(a, b, assume_unique=True))
    return shared / (len(a) + len(b) - shared)
