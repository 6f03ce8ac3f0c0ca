"""Whether activations are computed a second time for the backward pass, instead of being kept.

A recipe says so, or leaves it to the estimate (`memory`) and to what is free before a model is
loaded. The result is that of keeping them, on a CPU to the bit.
"""

from sftstudy.documents.recipe import Recipe
from sftstudy.errors import StudyError
from sftstudy.training.job import TrainingJob
from sftstudy.training.memory import GIB, fetched_size, training_memory
from sftstudy.training.processes import is_sharded, number_of_processes

_SHARE = 0.9  # of what is free; the rest is for what the estimate does not count


def is_left_to_us(recipe: Recipe) -> bool:
    """Say whether a recipe leaves it to the estimate."""
    return bool(recipe["training"]["gradient_checkpointing"] == "auto")


def must_recompute(job: TrainingJob, tokens: int, free: float | None) -> tuple[bool, str]:
    """Return whether activations have no room, and why.

    Args:
        job: what is trained.
        tokens: of one forward pass, padding included.
        free: bytes that this process may take in all (`students.models.free_memory`).
    """
    if free is None:
        return True, "how much memory is free is not known"
    try:
        size = fetched_size(job.base.folder)
    except StudyError as error:
        return True, f"how much memory they take is not known ({error})"
    training = job.recipe["training"] | {"gradient_checkpointing": False}
    keeping: Recipe = {**job.recipe, "training": training}
    needed = training_memory(size, keeping, tokens, number_of_processes(), is_sharded()).device
    text = f"training that keeps them takes about {needed / GIB:.1f} of {free / GIB:.1f} GiB"
    return needed > _SHARE * free, text
