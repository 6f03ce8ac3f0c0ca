"""A model of pass rates: how often a prompt's sampled replies are right, before and after training.

It is what simulations (`benchmarks/bench_samples.py`) and the planner draw from, never what a test
of real outcomes rests on. The parts are those of Miller (2024), "Adding error bars to evals": the
variance of one reply's outcome is that between prompts plus that within a prompt, and only the
latter shrinks with the number of replies. The shapes are assumptions: rates of the untuned student
have a beta distribution, which for `between` above 1/3 and middling means has most of its mass near
0 and 1; training adds to a prompt's log-odds a normal number of its own, and a shift that is the
same for all prompts.
"""

import functools
import math
from dataclasses import dataclass

import numpy as np

_LEAST = 1e-12  # rates are kept this far from 0 and 1, where log-odds end
ALIKE = 0.5  # share of the noise's variance that all trainings of one configuration have
_KNOTS = 33  # of the shifts between which those of runs are interpolated
_QUANTILES = 2_000  # of the rates, over which a mean is calculated
_NODES = 21  # of the normal noise


@dataclass(frozen=True)
class PassRates:
    """How the pass rates of an eval set's prompts are spread, and what training does to them.

    Attributes:
        mean: Mean rate of the untuned student.
        between: Share of the variance of a single reply's outcome that lies between prompts, in
            (0, 1): the variance of rates over mean * (1 - mean). What is left shrinks with K.
        noise: Standard deviation, on the logit scale, of what training does to a single prompt.
    """

    mean: float
    between: float
    noise: float

    @property
    def shapes(self) -> tuple[float, float]:
        """The two shapes of the beta distribution with this mean and variance."""
        size = (1 - self.between) / self.between
        return self.mean * size, (1 - self.mean) * size


def draw(
    pass_rates: PassRates,
    n: int,
    k: int | None,
    generator: np.random.Generator,
    change: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the outcomes of base and tuned student on `n` prompts, two arrays of shape (n,).

    Each is the mean of `k` right-or-wrong replies; the true rate itself for `k` 0 or None.
    `change` is that of the true mean over all prompts that there are; 0.01 is one point. Raises
    `ValueError` where the mean would leave (0, 1).
    """
    base = base_rates(pass_rates, generator.random(n))
    tuned = tuned_rates(pass_rates, base, generator, change)
    return mean_of_replies(base, k, generator), mean_of_replies(tuned, k, generator)


def base_rates(pass_rates: PassRates, places: np.ndarray) -> np.ndarray:
    """Return the true rates of prompts of the untuned student, in the shape of `places`.

    `places` in (0, 1) say at which share of all prompts, ordered from hard to easy, these stand:
    uniform numbers for prompts that share nothing.
    """
    from scipy.special import betaincinv

    rates: np.ndarray = betaincinv(*pass_rates.shapes, places)
    return np.clip(rates, _LEAST, 1 - _LEAST)


def tuned_rates(
    pass_rates: PassRates, base: np.ndarray, generator: np.random.Generator, change: float = 0.0
) -> np.ndarray:
    """Return the true rates of one training's student, in the shape of the `base` rates."""
    own = pass_rates.noise * generator.standard_normal(base.shape)
    return _rates(_log_odds(base) + own + _shift(pass_rates, change))


def runs_rates(
    pass_rates: PassRates,
    base: np.ndarray,
    generator: np.random.Generator,
    change: float,
    spread: float,
    runs: int,
) -> np.ndarray:
    """Return the true rates of the students of `runs` trainings of one configuration, (n, runs).

    `base` (n,) are those of the untuned student. Each run's true mean is the base's plus `change`
    plus a normal number of its own with `spread` as standard deviation, cut alike on both sides
    where a mean would leave (0, 1). Runs share the part `ALIKE` of what training does to a prompt.
    """
    goal = pass_rates.mean + change
    reach = min(4 * spread, 0.95 * min(goal, 1 - goal))
    own = np.clip(spread * generator.standard_normal(runs), -reach, reach)
    knots = np.linspace(change - reach, change + reach, _KNOTS)
    shifts = np.interp(change + own, knots, [_shift(pass_rates, float(knot)) for knot in knots])
    common = math.sqrt(ALIKE) * generator.standard_normal((len(base), 1))
    apart = math.sqrt(1 - ALIKE) * generator.standard_normal((len(base), runs))
    return _rates(_log_odds(base)[:, None] + pass_rates.noise * (common + apart) + shifts)


def squared_change(pass_rates: PassRates, change: float) -> float:
    """Return the mean over prompts of the squared difference of tuned and base true rate."""
    odds, tuned, weights = _spread(pass_rates)
    squares = np.square(_rates(tuned + _shift(pass_rates, change)) - _rates(odds)[:, None])
    return float((squares @ weights).mean())


def mean_of_replies(rates: np.ndarray, k: int | None, generator: np.random.Generator) -> np.ndarray:
    """Return means of `k` right-or-wrong replies in the shape of `rates`; 0 or None: `rates`."""
    return generator.binomial(k, rates) / k if k else rates


@functools.lru_cache(maxsize=1024)
def _shift(pass_rates: PassRates, change: float) -> float:
    """Return what is added to all log-odds so that the tuned mean is the base's plus `change`."""
    goal = pass_rates.mean + change
    if not 0 < goal < 1:
        raise ValueError(f"a mean of {pass_rates.mean:g} cannot change by {change:g}")
    odds, tuned, weights = _spread(pass_rates)
    # The sum over quantiles is not the mean to the last digit: aim from what it gives for `base`.
    goal += float(_rates(odds).mean()) - pass_rates.mean
    low, high, shift = -60.0, 60.0, 0.0
    for _ in range(60):
        rates = _rates(tuned + shift)
        missing = goal - float((rates @ weights).mean())
        low, high = (shift, high) if missing > 0 else (low, shift)
        step = shift + missing / float(((rates * (1 - rates)) @ weights).mean() + _LEAST)
        step = step if low < step < high else (low + high) / 2
        if abs(step - shift) < 1e-9:
            return step
        shift = step
    return shift


def _spread(pass_rates: PassRates) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return log-odds of the base, those of a tuned student before a shift, and their weights.

    Their shapes are (quantiles,), (quantiles, nodes) and (nodes,).
    """
    places = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    odds = _log_odds(base_rates(pass_rates, places))
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    return odds, odds[:, None] + pass_rates.noise * nodes, weights / math.sqrt(2 * math.pi)


def _log_odds(rates: np.ndarray) -> np.ndarray:
    odds: np.ndarray = np.log(rates / (1 - rates))
    return odds


def _rates(odds: np.ndarray) -> np.ndarray:
    rates: np.ndarray = 1 / (1 + np.exp(-odds))
    return rates
