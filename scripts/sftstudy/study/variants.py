"""Names of variants: ``base``, or ``{task}/{trial}`` for the checkpoint of a trial.

A trial has the name of its configuration, a replicate of it that with its number behind.
"""

from sftstudy.study.names import replicate_id

BASE = "base"


def task_of(variant: str) -> str:
    """Return the task that a variant was trained on; empty for the baseline."""
    return "" if variant == BASE else variant.partition("/")[0]


def trial_of(variant: str) -> str:
    """Return the trial that a variant is the checkpoint of; empty for the baseline."""
    return variant.partition("/")[2]


def runs(task: str, configuration: str, replicates: int) -> list[str]:
    """Return the variants that are runs of a configuration on a task: its trial comes first."""
    numbers = range(1, replicates + 1)
    names = [configuration, *(replicate_id(configuration, number) for number in numbers)]
    return [f"{task}/{name}" for name in names]
