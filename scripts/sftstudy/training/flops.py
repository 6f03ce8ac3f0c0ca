"""The compute of a training, from sizes alone: the same on every machine and in every run."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sftstudy.students.models import embeddings

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Size:
    """Numbers of parameters: all, those that training changes, and those that multiply."""

    total: int
    trainable: int
    multiplied: int


def count_parameters(model: "PreTrainedModel") -> Size:
    """Count the parameters of a model that is not yet split over processes.

    An input embedding is looked up, not multiplied, unless it is the output head as well.
    """
    parameters = list(model.parameters())
    total = sum(parameter.numel() for parameter in parameters)
    embedding, head = embeddings(model), model.get_output_embeddings()
    tied = head is not None and head.weight is embedding
    return Size(
        total=total,
        trainable=sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
        multiplied=total - (0 if tied else embedding.numel()),
    )


def training_flops(size: Size, tokens: int) -> float:
    """Return the floating-point operations of training on so many tokens.

    Per token and parameter two in the forward pass, two for the gradients of activations, and two
    for the gradient of each trainable weight (Kaplan et al. 2020, section 2.1, where it is 6 N).
    Attention scores, recomputed activations, padding and shared prefixes are not counted.
    """
    return float(tokens * (4 * size.multiplied + 2 * min(size.trainable, size.multiplied)))
