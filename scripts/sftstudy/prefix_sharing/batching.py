"""Which samples meet in a batch: whole optimizer steps, and documents kept together."""

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # it imports torch
    from sftstudy.prefix_sharing.collator import PrefixSharingCollator

DRAWS = 32  # batches looked at when the size of a batch is chosen


def step_batches(
    collator: "PrefixSharingCollator",
    examples: Sequence[dict[str, Any]],
    per_device: int,
    accumulation: int,
    *,
    sequential: bool,
    seed: int,
) -> tuple[int, int]:
    """Return (per_device_train_batch_size, gradient_accumulation_steps) for trie batches.

    Their product stays, and with it the effective batch, the number of steps, the learning-rate
    schedule and TRL's loss normalisation (by the tokens of the whole step). The more of a step is
    one batch, the more is shared; the largest divisor of the accumulation is taken whose trie
    batches never occupy more token positions than the padded batches of the recipe do, so that
    memory that sufficed suffices. Judged on up to 32 batches drawn with `seed`, or, where the
    trainer reads the examples in order (`sequential`), on batches spread over them.

    On several processes with a dataset that no whole number of steps divides, accelerate repeats
    samples to fill the last step of an epoch; with larger batches these can be more.
    """
    step = per_device * accumulation
    steps = _drawn(len(examples), step, sequential=sequential, seed=seed)
    padded = per_device * max(len(examples[s]["input_ids"]) for members in steps for s in members)
    for divisor in range(accumulation, 1, -1):
        if accumulation % divisor:
            continue
        size = per_device * divisor
        if all(
            collator.positions([examples[s] for s in members[start : start + size]]) <= padded
            for members in steps
            for start in range(0, len(members), size)
        ):
            return size, accumulation // divisor
    return per_device, accumulation


def largest_batch(
    collator: "PrefixSharingCollator",
    examples: Sequence[dict[str, Any]],
    size: int,
    *,
    sequential: bool,
    seed: int,
) -> int:
    """Return the most token positions that a batch of `size` samples occupies, of up to 32 drawn.

    Drawn as `step_batches` draws.
    """
    batches = _drawn(len(examples), size, sequential=sequential, seed=seed)
    return max(collator.positions([examples[s] for s in members]) for members in batches)


def _drawn(number: int, size: int, *, sequential: bool, seed: int) -> list[list[int]]:
    """Return up to `DRAWS` batches of at most `size` out of `number` samples, as indices."""
    starts: Sequence[int] = range(0, max(number - size, 0) + 1, size)
    generator = random.Random(seed)
    if sequential:
        starts = generator.sample(starts, min(DRAWS, len(starts)))
        return [list(range(start, min(start + size, number))) for start in starts]
    draws = min(DRAWS, len(starts))
    return [generator.sample(range(number), min(size, number)) for _ in range(draws)]


def document_order(groups: Sequence[str], batch_size: int, seed: int) -> list[int]:
    """Return an order of the samples in which consecutive batches hold whole documents.

    `groups` names each sample's document. Documents are drawn at random; a batch takes the next
    one that still fits, and splits one only when none does. Then the batches are shuffled (a
    shorter one stays last). Read in this order (``train_sampling_strategy="sequential"``) every
    epoch sees the same batches: shuffled once, not anew (Mishchenko et al., 2020, section 3).
    """
    members: dict[str, list[int]] = {}
    for sample, group in enumerate(groups):
        members.setdefault(group, []).append(sample)
    generator = random.Random(seed)
    waiting = list(members.values())
    generator.shuffle(waiting)
    batches: list[list[int]] = [[]]
    while waiting:
        room = batch_size - len(batches[-1])
        if room == 0:
            batches.append([])
            continue
        fitting = next((k for k, document in enumerate(waiting) if len(document) <= room), None)
        if fitting is None:
            batches[-1] += waiting[0][:room]
            waiting[0] = waiting[0][room:]
        else:
            batches[-1] += waiting.pop(fitting)
    last = batches.pop() if len(batches[-1]) < batch_size else []
    generator.shuffle(batches)
    return [sample for batch in [*batches, last] for sample in batch]
