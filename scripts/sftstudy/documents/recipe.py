"""recipes/{student}/{task}/{trial}.yaml: every hyperparameter of one training, nothing implicit.

Its reader is apart (`recipe_file`): what reads recipes out of provenance alone needs no YAML.
"""

from typing import Any, TypedDict

from sftstudy.documents.shapes import require


class ModelRecipe(TypedDict):
    """How the student is loaded and its conversations are rendered."""

    attention: str  # transformers' attn_implementation
    chat_template_kwargs: dict[str, Any]  # options of the chat template
    dtype: str  # of the computation, and of the weights that are saved
    max_length: int  # most tokens of a row


class Recipe(TypedDict):
    """The file."""

    student: str
    task: str
    trial: str
    model: ModelRecipe
    training: dict[str, Any]  # hyperparameters by name; config/README.md explains each


# Hyperparameters that are computed with, not only shown.
_NUMBERS = ("num_train_epochs", "learning_rate")


def require_numbers(training: dict[str, Any], where: str) -> None:
    """Raise `StudyError` unless the hyperparameters that are computed with are numbers."""
    for name in _NUMBERS:
        if name in training:
            require(training[name], float, f"{where}: {name}")
    if "seed" in training:
        require(training["seed"], int, f"{where}: seed")
