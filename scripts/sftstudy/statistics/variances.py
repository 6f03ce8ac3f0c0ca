"""What several replies to each prompt tell of pass rates: their spread, and what training adds.

Estimators of the parts of `sftstudy.statistics.pass_rates.PassRates`, all by the method of moments:
they take no shape of the rates for granted but where it says so. One reply to a prompt tells the
mean alone: what part of an outcome's variance is the prompt's and what the reply's it cannot say.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sftstudy.statistics.pass_rates import PassRates, squared_change

Replies = Sequence[np.ndarray]  # for each prompt the outcomes of its replies, in [0, 1]
LEAST, MOST = 0.01, 0.99  # of the share between prompts: outside, rates have no beta distribution
MOST_NOISE = 4.0  # on the logit scale, where few rates are left in the middle
_STEPS = 12  # of a bisection: to a thousandth


@dataclass(frozen=True)
class Variances:
    """The variance of a single reply's outcome, in its parts.

    Attributes:
        mean: Mean over prompts of their mean outcome.
        between: Variance of the prompts' true rates. An unbiased estimate, which chance can make
            negative.
        within: Variance of a single reply about its prompt's rate, mean over prompts. Unbiased.
        prompts: Those with at least two replies, on which all this rests.
    """

    mean: float
    between: float
    within: float
    prompts: int

    @property
    def share(self) -> float:
        """The share between prompts, kept within `LEAST` and `MOST`.

        As a quotient of estimates it is biased, by about 1/n of n prompts.
        """
        total = self.between + self.within
        return min(MOST, max(LEAST, self.between / total)) if total > 0 else MOST


def variances(replies: Replies) -> Variances | None:
    """Return the parts of the variance; None with fewer than two prompts of two replies or more.

    The analysis of variance of one random factor (Searle, Casella & McCulloch 1992, chapter 3) with
    the same weight for every prompt: the variance of the prompts' means less what single replies
    add to it. Prompts with one reply are left out: they say nothing of either part alone.
    """
    several = [one for one in replies if len(one) > 1]
    if len(several) < 2:
        return None
    means = np.array([one.mean() for one in several])
    own = np.array([one.var(ddof=1) for one in several])
    counts = np.array([len(one) for one in several])
    between = means.var(ddof=1) - (own / counts).mean()
    return Variances(float(means.mean()), float(between), float(own.mean()), len(several))


def training_noise(base: Replies, tuned: Replies) -> float | None:
    """Return the standard deviation, on the logit scale, of what training does to a prompt's rate.

    `base` and `tuned` hold the same prompts in the same order. The mean squared difference of their
    means, less what single replies add to it, is that of the true rates; the noise is that with
    which `PassRates` of the base's mean and spread, shifted to the tuned mean, has as much. It is 0
    where the difference is less than chance makes it, and at most `MOST_NOISE`. Here the shape of
    the rates matters: of prompts that are never right the beta distribution has few.

    None with fewer than two prompts of two replies on both sides, or where all replies of a side
    have one outcome: rates of 0 or 1 have no logit.
    """
    pairs = [pair for pair in zip(base, tuned, strict=True) if min(map(len, pair)) > 1]
    before, after = (variances([pair[side] for pair in pairs]) for side in (0, 1))
    if before is None or after is None or not (0 < before.mean < 1 and 0 < after.mean < 1):
        return None
    squared = [
        (one.mean() - other.mean()) ** 2 - sum(part.var(ddof=1) / len(part) for part in pair)
        for pair in pairs
        for one, other in [pair]
    ]
    change, wanted = after.mean - before.mean, float(np.mean(squared))

    def expected(noise: float) -> float:
        return squared_change(PassRates(before.mean, before.share, noise), change)

    low, high = 0.0, MOST_NOISE
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if expected(middle) < wanted else (low, middle)
    return 0.0 if math.isclose(high, 0.0, abs_tol=1e-9) else (low + high) / 2
