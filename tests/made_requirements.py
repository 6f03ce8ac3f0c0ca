"""What the planner draws, made up: gates, and eval sets of independent rows with pass rates."""

import numpy as np

from sftstudy.costs.eval_sizes import Rows
from sftstudy.costs.past_rates import ASSUMED, Basis
from sftstudy.costs.power import Requirement
from sftstudy.recommendation.judging import Gate
from sftstudy.statistics.pass_rates import PassRates

RATIO = Gate("ifeval", "prompt_strict", 0.95, relative=True)
RATE = Gate("simple_safety_tests", "safe_rate", 0.9, relative=False)
ALWAYS = Gate("simple_safety_tests", "always_safe_rate", 0.9, relative=False)


def one(
    name: str,
    n: int,
    rates: PassRates,
    gate: Gate | None = None,
    spread: float = 0.01,
    **keys: object,
) -> Requirement:
    """Return an eval set of `n` rows; `spread` is what runs differ by."""
    basis = Basis(rates, ASSUMED, ASSUMED, ASSUMED, spread)
    return Requirement(name, Rows(np.arange(n), ASSUMED), basis, gate, **keys)


def close(found: float, expected: float, draws: int) -> bool:
    """Say whether two independent shares of so many draws differ by less than four errors."""
    error = (2 * max(0.01, expected * (1 - expected)) / draws) ** 0.5
    return abs(found - expected) < 4 * error
