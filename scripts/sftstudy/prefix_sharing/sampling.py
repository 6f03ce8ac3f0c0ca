"""Drawing tokens of replies, each by a random number of its own.

Token n of a reply is where the n-th number of the reply's seed falls among the probabilities, laid
end to end in the order of the vocabulary. So it hangs on prompt, model and seed alone, not on what
is computed beside it; what was guessed ahead can be held to what is drawn there; and models that
differ little and share their seeds mostly draw the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

ROWS = 64  # whose probabilities are held at a time
FIRST = 1024  # most likely tokens that are looked at before all are sorted


@dataclass(frozen=True)
class Sampling:
    """How replies are drawn.

    temperature: above 0, divides the logits; top_p: of the most likely tokens that together hold at
    least this share (all that are as likely as the last of them, too), 1: of all; seeds: one for
    each prompt.
    """

    temperature: float
    top_p: float
    seeds: Sequence[int]

    def numbers(self, index: int, tokens: int) -> np.ndarray:
        """Return the numbers, (tokens,) in [0, 1), by which the reply to a prompt is drawn.

        Of Philox (Salmon, Moraes, Dror & Shaw 2011), whose bits are the same everywhere.
        """
        bits = np.random.Philox(key=self.seeds[index]).random_raw(tokens)
        return (bits >> np.uint64(11)) * 2.0**-53


def choose(logits: Tensor, sampling: Sampling | None, numbers: Tensor | None) -> Tensor:
    """Return the next tokens, of shape (...): the likeliest ones, or those that `numbers` draw.

    logits: (..., vocabulary); numbers: (...), from `on_device`, None where nothing is drawn.
    """
    if sampling is None or numbers is None:
        return logits.argmax(-1)
    parts = zip(logits.flatten(0, -2).split(ROWS), numbers.flatten().split(ROWS), strict=True)
    drawn = [_drawn(part, own, sampling) for part, own in parts]
    return torch.cat(drawn).view(logits.shape[:-1])


def on_device(numbers: object, device: torch.device) -> Tensor:
    """Return numbers of `Sampling.numbers`, a list or nested ones, as a tensor below 1."""
    dtype = torch.float32 if device.type == "mps" else torch.float64
    found = torch.tensor(numbers, dtype=torch.float64).clamp(max=1 - torch.finfo(dtype).eps / 2)
    return found.to(dtype).to(device)


def _drawn(logits: Tensor, numbers: Tensor, sampling: Sampling) -> Tensor:
    """Return the tokens (n,) that numbers (n,) draw by logits (n, vocabulary)."""
    likely = (logits.float() / sampling.temperature).softmax(-1)
    if sampling.top_p < 1:
        likely = likely.where(likely >= _least(likely, sampling.top_p), 0)
    mass = likely.cumsum(-1, dtype=numbers.dtype)
    tokens = torch.searchsorted(mass, numbers[:, None] * mass[:, -1:], right=True)[:, 0]
    return tokens.clamp(max=logits.shape[-1] - 1)  # it is above where logits are no numbers


def _least(likely: Tensor, top_p: float) -> Tensor:
    """Return the smallest probability (n, 1) that is drawn from, of (n, vocabulary)."""
    ordered = None
    if likely.device.type == "cpu" and likely.shape[-1] > FIRST:
        # Sorting a vocabulary takes longer than half a small model's step.
        ordered = likely.topk(FIRST, -1).values
        if not bool((ordered.sum(-1, dtype=torch.float64) > top_p).all()):
            ordered = None
    if ordered is None:
        ordered = likely.sort(-1, descending=True).values
    before = ordered.cumsum(-1) - ordered
    last = (before < top_p).sum(-1, keepdim=True) - 1
    return ordered.gather(-1, last.clamp(min=0))  # it is below 0 where there are no numbers
