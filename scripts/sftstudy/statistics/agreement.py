"""How far two verdicts on the same rows agree."""

import numpy as np


def kappa(first: np.ndarray, second: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return Cohen's kappa of two verdicts, boolean (n,), under `weights` (B, n), shape (B,).

    Cohen (1960): (observed - expected agreement) / (1 - expected). 1 where both always say the same
    one thing and chance alone would agree.
    """
    total = weights.sum(axis=1)
    total = np.where(total > 0, total, 1)
    observed = weights @ (first == second) / total
    first_true, second_true = weights @ first / total, weights @ second / total
    expected = first_true * second_true + (1 - first_true) * (1 - second_true)
    certain = np.isclose(expected, 1)
    return np.where(certain, 1.0, (observed - expected) / np.where(certain, 1.0, 1 - expected))
