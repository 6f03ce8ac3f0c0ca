"""The cluster bootstrap: groups are drawn with replacement, rows come along with their group.

Seeds are fixed, so that the same rows always give the same interval. Efron & Tibshirani (1993),
chapters 6 and 8; for groups, Davison & Hinkley (1997), section 3.8.
"""

import functools
from collections.abc import Iterator

import numpy as np

_COUNTS_PER_CHUNK = 4_000_000  # bounds the memory of one chunk of weights to some tens of MB


def resample_counts(groups: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Yield chunks of shape (b, groups): how often each group occurs in each resample.

    The chunks together have `resamples` rows and depend on the arguments alone.
    """
    generator = np.random.default_rng(seed)
    step = max(1, _COUNTS_PER_CHUNK // groups)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        drawn = generator.integers(0, groups, size=(size, groups), dtype=np.int32)
        drawn += (np.arange(size, dtype=np.int32) * groups)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * groups)
        yield counts.reshape(size, groups).astype(np.float32)


def bootstrap_means(
    values: np.ndarray, codes: np.ndarray, resamples: int, seed: int = 0
) -> np.ndarray:
    """Return the means of k columns in every resample of the groups, shape (resamples, k).

    `values` has shape (n, k): k measurements of the same n rows, which therefore stay paired.
    """
    groups = int(codes.max()) + 1
    sizes = np.bincount(codes, minlength=groups).astype(np.float32)
    totals = np.zeros((groups, values.shape[1]))
    np.add.at(totals, codes, values)
    totals = totals.astype(np.float32)
    return np.concatenate(
        [
            (counts @ totals).astype(float) / (counts @ sizes).astype(float)[:, None]
            for counts in resample_counts(groups, resamples, seed)
        ]
    )


def row_weights(codes: np.ndarray, resamples: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Yield chunks of shape (b, n): how often each row occurs in each resample of the groups."""
    for counts in _cached_counts(int(codes.max()) + 1, resamples, seed):
        yield counts.astype(np.float32)[:, codes]


def leave_one_out_weights(codes: np.ndarray) -> np.ndarray:
    """Return weights (G, n) of which each row of the array leaves out one group."""
    return 1 - np.eye(int(codes.max()) + 1, dtype=np.float32)[:, codes]


@functools.lru_cache(maxsize=2)
def _cached_counts(groups: int, resamples: int, seed: int) -> list[np.ndarray]:
    """Keep the counts of an eval set, small: all its statistics are resampled alike."""
    return [chunk.astype(np.uint16) for chunk in resample_counts(groups, resamples, seed)]
