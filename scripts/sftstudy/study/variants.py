"""Names of variants: ``base``, or ``{task}/{trial}`` for the checkpoint of a trial.

A trial has the name of its configuration.
"""

BASE = "base"


def task_of(variant: str) -> str:
    """Return the task that a variant was trained on; empty for the baseline."""
    return "" if variant == BASE else variant.partition("/")[0]


def trial_of(variant: str) -> str:
    """Return the trial that a variant is the checkpoint of; empty for the baseline."""
    return variant.partition("/")[2]
