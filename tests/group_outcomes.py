"""Outcomes of rows in groups with a known truth, for tests."""

import numpy as np

# Rows of each database among the first 653 questions of Spider's dev split (shared/data/nl2sql).
DATABASES = np.array([92, 84, 80, 78, 62, 62, 45, 42, 38, 30, 18, 16, 6])
# (rate of the first kind of outcome, intra-class correlation) where intervals are hardest to get.
TRUTHS = [(0.02, 0.1), (0.05, 0.3), (0.95, 0.1), (0.98, 0.3)]


def draw(
    shares: list[float], within: float, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return outcomes (653, kinds), one kind a row, and the rows' databases (653,).

    The shares of the kinds in a database are Dirichlet, so that two of its rows are correlated by
    `within`; with two kinds their counts are beta-binomial.
    """
    chances = generator.dirichlet(np.maximum(shares, 1e-9) * (1 - within) / within, len(DATABASES))
    codes = np.repeat(np.arange(len(DATABASES)), DATABASES)
    drawn = generator.random(len(codes))[:, None] > chances.cumsum(axis=1)[codes, :-1]
    return np.eye(len(shares))[drawn.sum(axis=1)], codes
