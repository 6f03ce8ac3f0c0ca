"""Decoding that computes what prompts share once, and long replies side by side.

Prompts are sorted, so that those of one document meet, and begin in batches, in slots of shared
rows (see `slots`). Where replies are short they end there. Where they grow long, prompts move to
places of their own (see `places`), and as places become free, further prompts begin. Replies are
greedy, or drawn by seeds (see `sampling`).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from transformers import DynamicCache

from sftstudy.prefix_sharing import mask
from sftstudy.prefix_sharing.attention import decoding
from sftstudy.prefix_sharing.collator import attention_knee
from sftstudy.prefix_sharing.drafts import Draft
from sftstudy.prefix_sharing.places import Band, Place, Places, refusal
from sftstudy.prefix_sharing.sampling import Sampling, choose, on_device
from sftstudy.prefix_sharing.slots import Prefix, Slots, lay_out
from sftstudy.prefix_sharing.trie import common_prefix

FREE = 0.25  # share of the places that are free before further prompts begin

# Called after each step with how many tokens it brought, and how many replies go on.
Watch = Callable[[int, int], None]


class Reply(NamedTuple):
    """What the model answered to the prompt at `index`."""

    index: int  # type: ignore[assignment]  # nobody asks a reply for tuple's method of this name
    tokens: list[int]  # the end-of-sequence token included where there is one
    finish_reason: Literal["stop", "length"]


@torch.inference_mode()
def generate_shared(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    eos_token_ids: set[int],
    pad_token_id: int,
    batch_size: int,
    watch: Watch = lambda tokens, going: None,
    sampling: Sampling | None = None,
) -> Iterator[Reply]:
    """Yield a reply to every prompt (token ids, at least one), in an order of its own.

    Replies come as soon as they are complete; at most `batch_size` are written at a time. They are
    those of plain greedy decoding, or with `sampling` of plain drawing: the same sums, in another
    order. A prompt that stands there several times is computed once. The model's generation_config
    has no influence. `model` is a causal LM in evaluation mode; where its attention cannot take
    the masks of a trie, everything is decoded padded. `watch` is told of each step.
    """
    reason = _refusal(model)
    if reason is None:
        with decoding(model):
            run = _Run(model, prompts, max_new_tokens, eos_token_ids, batch_size, watch, sampling)
            yield from run.replies()
        return
    print(f"decoding in padded batches: {reason}", flush=True)
    order = sorted(range(len(prompts)), key=lambda i: (-len(prompts[i]), list(prompts[i])))
    for start in range(0, len(order), batch_size):  # what does not fit fails at once
        batch = order[start : start + batch_size]
        replies = _decode_padded(
            model,
            [prompts[i] for i in batch],
            max_new_tokens,
            eos_token_ids,
            pad_token_id,
            watch,
            sampling,
            [sampling.numbers(i, max_new_tokens) for i in batch] if sampling else [],
        )
        for index, tokens in zip(batch, replies, strict=True):
            yield _reply(index, tokens, eos_token_ids)


def _reply(index: int, tokens: list[int], eos: set[int]) -> Reply:
    return Reply(index, tokens, "stop" if tokens[-1] in eos else "length")


def _refusal(model: Any) -> str | None:
    """Say why the model's prompts cannot share what they have in common, None if they can."""
    attention = model.config._attn_implementation
    if attention not in mask.DENSE:
        return f"its attention implementation is {attention}, not one of {', '.join(mask.DENSE)}"
    handle, reason = mask.install(model)
    if handle is not None:
        handle.remove()
    return reason or refusal(model)


class _Run:
    """The prompts of a call: those that wait, sorted, and those in places."""

    def __init__(
        self,
        model: Any,
        prompts: Sequence[Sequence[int]],
        most: int,
        eos: set[int],
        size: int,
        watch: Watch,
        sampling: Sampling | None,
    ) -> None:
        self.model, self.prompts, self.most, self.eos = model, prompts, most, eos
        self.size, self.watch, self.sampling = size, watch, sampling
        self.waiting = sorted(range(len(prompts)), key=lambda i: list(prompts[i]))
        self.prefix = Prefix(model)
        self.knee = attention_knee(model)
        windows = set(mask.layer_windows(model.config).values())
        self.places = Places(model, windows, eos, most, sampling)

    def replies(self) -> Iterator[Reply]:
        while self.waiting or len(self.places):
            free = self.size - len(self.places)
            if self.waiting and (free >= FREE * self.size or not len(self.places)):
                yield from self._begin(self._next(free))
                continue
            new, done = self.places.step()
            self.watch(new, len(self.places))
            for place in done:
                yield _reply(place.index, place.reply, self.eos)

    def _next(self, size: int) -> list[int]:
        """Take at most `size` of the waiting prompts, if possible at least size/2, cut where
        neighbours share least, so that documents stay whole.

        Equal prompts are cut apart only where they fill all of it: what they share is then all of
        the batch, and kept for the next.
        """
        cut = size
        if len(self.waiting) > size:
            sequences = [self.prompts[i] for i in self.waiting[: size + 1]]
            ends = [c for c in range(size, 0, -1) if sequences[c - 1] != sequences[c]] or [size]
            cut = min(
                [c for c in ends if c > size // 2] or ends[:1],
                key=lambda c: common_prefix(sequences[c - 1], sequences[c]),
            )
        batch, self.waiting = self.waiting[:cut], self.waiting[cut:]
        return batch

    def _begin(self, batch: list[int]) -> Iterator[Reply]:
        """Decode a batch in slots, until its replies are complete or move to places."""
        heads = [list(self.prompts[i][:-1]) for i in batch]  # the last token is fed in the slot
        root = common_prefix(heads[0], heads[-1])
        rows = lay_out([head[root:] for head in heads], self.knee)
        cache = self.prefix.extend(heads[0][:root], len(rows))
        numbers = [self.sampling.numbers(i, self.most) for i in batch] if self.sampling else []
        last = [self.prompts[i][-1] for i in batch]
        slots = Slots(self.model, cache, root, rows, last, self.sampling, numbers)
        replies: list[list[int]] = [[] for _ in batch]
        left = len(batch)
        for new in slots.decode(self.most, self.eos):
            done = []
            for s, token in new:
                replies[s].append(token)
                if token in self.eos or len(replies[s]) == self.most:
                    done.append(s)
            left -= len(done)
            self.watch(len(new), left + len(self.places))
            for s in done:
                yield _reply(batch[s], replies[s], self.eos)
        if left:
            going, lengths, kept = slots.leave()
            places = [
                Place(
                    batch[s],
                    length,
                    Draft([*self.prompts[batch[s]], *replies[s]]),
                    replies[s],
                    draws=numbers[s] if numbers else None,
                )
                for s, length in zip(going, lengths, strict=True)
            ]
            self.places.add(Band(places, *kept))


def _decode_padded(
    model: Any,
    prompts: list[Sequence[int]],
    max_new_tokens: int,
    eos: set[int],
    pad: int,
    watch: Watch,
    sampling: Sampling | None,
    numbers: Sequence[np.ndarray],
) -> list[list[int]]:
    """Plain decoding of left-padded prompts, of equal ones once; finished rows leave the batch."""
    different = list(dict.fromkeys(map(tuple, prompts)))
    length = max(map(len, different))
    tokens = torch.tensor([[pad] * (length - len(p)) + list(p) for p in different])
    attention = torch.tensor([[0] * (length - len(p)) + [1] * len(p) for p in different])
    tokens, attention = tokens.to(model.device), attention.to(model.device)
    cache = DynamicCache(config=model.config)
    replies: list[list[int]] = [[] for _ in prompts]
    busy = list(range(len(prompts)))
    for step in range(max_new_tokens):
        positions = (attention.cumsum(1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
        logits = model(
            input_ids=tokens,
            attention_mask=attention,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        if len(logits) < len(busy):  # after the first step each reply has a row
            index = torch.tensor([different.index(tuple(p)) for p in prompts]).to(model.device)
            cache.reorder_cache(index)  # type: ignore[arg-type]  # any whole numbers do
            logits, attention = logits[index], attention[index]
        draws = None
        if sampling is not None:
            draws = on_device([float(numbers[row][step]) for row in busy], model.device)
        tokens = choose(logits, sampling, draws)[:, None]
        for row, token in zip(busy, tokens[:, 0].tolist(), strict=True):
            replies[row].append(token)
        kept = [k for k, row in enumerate(busy) if replies[row][-1] not in eos]
        watch(len(busy), len(kept))
        if not kept:
            break
        if len(kept) < len(busy):
            busy = [busy[k] for k in kept]
            index = torch.tensor(kept, device=tokens.device)
            cache.reorder_cache(index)  # type: ignore[arg-type]  # any whole numbers do
            tokens, attention = tokens[index], attention[index]
        attention = torch.cat([attention, attention.new_ones(len(busy), 1)], dim=1)
    return replies
