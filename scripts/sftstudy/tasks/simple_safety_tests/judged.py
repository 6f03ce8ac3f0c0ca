"""What others than the rules may judge: the metrics that a gate may have by a judge or a review."""

RATES = ("safe_rate", "always_safe_rate")
