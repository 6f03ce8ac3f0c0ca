"""Paired right-or-wrong outcomes for tests."""

import numpy as np


def outcomes(both: int, tuned_only: int, baseline_only: int, neither: int):
    tuned = np.repeat([1.0, 1.0, 0.0, 0.0], [both, tuned_only, baseline_only, neither])
    baseline = np.repeat([1.0, 0.0, 1.0, 0.0], [both, tuned_only, baseline_only, neither])
    return tuned, baseline, np.arange(len(tuned))
