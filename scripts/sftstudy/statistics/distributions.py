"""The few distribution functions that the tests need. scipy.special is imported on first use."""

from statistics import NormalDist

CONFIDENCE = 0.95


def normal_quantile(probability: float) -> float:
    """Return z with P(Z <= z) = `probability`, Z standard normal."""
    return NormalDist().inv_cdf(probability)


def normal_tail(z: float) -> float:
    """Return P(Z >= z), Z standard normal."""
    return NormalDist().cdf(-z)


def t_quantile(probability: float, df: float) -> float:
    """Return t with P(T <= t) = `probability`, T Student's t with `df` degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(df, probability))


def t_tail(t: float, df: float) -> float:
    """Return P(T >= t), T Student's t with `df` degrees of freedom."""
    from scipy.special import stdtr

    return float(stdtr(df, -t))


def binomial_tail(successes: float, n: float, probability: float) -> float:
    """Return P(X >= `successes`), X binomial with `n` draws of `probability`.

    Both counts may be fractional, those of effective rows: the tail is the beta function that runs
    through the binomial's.
    """
    from scipy.special import betainc

    if successes <= 0:
        return 1.0
    failures = n - successes
    return float(betainc(successes, failures + 1, probability)) if failures > -1 else 0.0


def binomial_limits(proportion: float, n: float, confidence: float) -> tuple[float, float]:
    """Return the exact limits of a proportion of `n` rows. Clopper & Pearson (1934).

    Each end is a test of its own: `binomial_tail` at the lower one is (1 - confidence) / 2.
    """
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    successes = proportion * n
    failures = n - successes
    low = float(betaincinv(successes, failures + 1, tail)) if successes > 0 else 0.0
    high = float(betaincinv(successes + 1, failures, 1 - tail)) if failures > 0 else 1.0
    # Of counts far below one row rounding could put an end on the wrong side.
    return min(low, proportion), max(high, proportion)
