"""Decoding in slots: several prompts share a row, whose common columns are computed and kept once.

What a whole batch of prompts shares stays in a key-value cache for the batches behind it, cropped
or extended as they need it. What parts of a batch share is computed once, in the trie of a row.
Then each prompt decodes in a slot of its row: slots attend to their own path through the cached
columns and copy none of them. Scores are computed over the columns of neighbours too, and then
hidden. Where that becomes dearer than a copy, as with long replies to short prompts, the prompts
leave for places of their own.
"""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from sftstudy.prefix_sharing import mask
from sftstudy.prefix_sharing.places import BLOCK
from sftstudy.prefix_sharing.sampling import Sampling, choose, on_device
from sftstudy.prefix_sharing.trie import Row, build_row, choose_rows, common_prefix

# What it costs to read a cached column, and to copy it as a row's cache does in each step, in
# queries that attend to it. From CPUs.
READ, COPIED = 7, 14


def lay_out(heads: list[list[int]], knee: float) -> list[tuple[list[int], Row]]:
    """Divide sequences, possibly empty ones, into rows: (members, trie) each. Equal ones share all
    their columns: they are several replies to one prompt."""
    equal: dict[tuple[int, ...], list[int]] = {}
    for s, head in enumerate(heads):
        equal.setdefault(tuple(head), []).append(s)
    empty = equal.pop((), [])
    filled = list(equal)
    chosen = choose_rows(filled, [len(head) for head in filled], knee) if filled else [[]]
    groups = [[s for h in row for s in equal[filled[h]]] for row in chosen]
    groups[0] += empty
    return [
        (group, build_row([heads[s] for s in group], [len(heads[s]) for s in group]))
        for group in groups
    ]


def dense_masks(model: Any, visible: Tensor, queries: Tensor, keys: Tensor) -> Any:
    """The ``attention_mask`` for `visible` (rows, queries, keys; True: may attend), narrowed to
    the window in sliding layers. `queries`, `keys`: positions, (rows, ...)."""
    masks = {}
    for kind, window in mask.layer_windows(model.config).items():
        seen = visible
        if window is not None:
            seen = seen & (queries[:, :, None] - keys[:, None, :] < window)
        masks[kind] = seen[:, None]
    return mask.to_model(model, masks)


class Prefix:
    """Keys and values of a prefix, (1, heads, length, head_dim) a layer, kept between batches."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.tokens: list[int] = []
        # Built without the model's config, so that layers with a sliding window keep all columns
        # too: a branch may still have to see what its siblings pushed out. The masks slide.
        self.cache = DynamicCache()

    def missing(self, tokens: list[int]) -> int:
        """How many of `tokens` would have to be computed."""
        return len(tokens) - common_prefix(self.tokens, tokens)

    def extend(self, tokens: list[int], rows: int) -> DynamicCache:
        """Hold exactly `tokens`; return a copy of the cache for a number of rows."""
        kept = len(tokens) - self.missing(tokens)
        if kept < len(self.tokens):
            self.cache.crop(kept - len(self.tokens))
        self.tokens = tokens
        if kept < len(tokens):
            positions = torch.arange(len(tokens), device=self.model.device)[None]
            visible = positions[:, None, :] <= positions[:, kept:, None]
            self.model(
                input_ids=torch.tensor([tokens[kept:]], device=self.model.device),
                position_ids=positions[:, kept:],
                attention_mask=dense_masks(self.model, visible, positions[:, kept:], positions),
                past_key_values=self.cache,
                use_cache=True,
                logits_to_keep=1,
            )
        if not tokens:  # what is left of a cache that was cropped to nothing has one row
            return DynamicCache()
        cache = copy.deepcopy(self.cache)
        if rows > 1:
            cache.batch_repeat_interleave(rows)
        return cache


class Slots:
    """A batch being decoded: `rows` rows of `slots` slots, one prompt in a slot.

    owner: list of (rows, slots), the number of the prompt in the batch, None for an idle slot;
    tokens, positions: (rows, slots), what each slot feeds next, and where;
    visible: (rows, slots, columns), the cached columns that a slot attends to;
    columns: (rows, columns), the positions of the cached columns;
    numbers: by prompt, those that its reply is drawn by, (tokens,), where replies are drawn.
    """

    def __init__(
        self,
        model: Any,
        cache: DynamicCache,
        root: int,
        rows: list[tuple[list[int], Row]],
        last_tokens: list[int],
        sampling: Sampling | None = None,
        numbers: Sequence[np.ndarray] = (),
    ) -> None:
        self.model, self.cache = model, cache
        self.sampling, self.numbers = sampling, numbers
        slots = max(len(members) for members, _ in rows)
        length = max(len(row.ids) for _, row in rows)
        shape = (len(rows), slots)
        self.owner: list[list[int | None]] = [[None] * slots for _ in rows]
        tokens = torch.zeros(shape, dtype=torch.long)
        positions = torch.zeros(shape, dtype=torch.long)
        visible = torch.zeros(*shape, root + length, dtype=torch.bool)
        visible[:, :, :root] = True
        for r, (members, row) in enumerate(rows):
            for slot, s in enumerate(members):
                self.owner[r][slot] = s
                tokens[r, slot] = last_tokens[s]
                positions[r, slot] = root + len(row.columns[slot])
                visible[r, slot, [root + column for column in row.columns[slot]]] = True
        device = model.device
        self.tokens, self.positions = tokens.to(device), positions.to(device)
        self.visible = visible.to(device)
        self.columns = torch.arange(root, device=device).expand(len(rows), root)
        if length:
            self._prefill(root, [row for _, row in rows], length)

    def _prefill(self, root: int, rows: list[Row], length: int) -> None:
        """Compute the columns of the rows' tries behind the `root` columns of the cache."""

        def padded(values: list[list[int]]) -> Tensor:
            values = [v + [0] * (length - len(v)) for v in values]
            return torch.tensor(values, device=self.model.device)

        end = padded([row.end for row in rows])
        positions = root + padded([row.positions for row in rows])
        index = torch.arange(length, device=end.device)
        trie = (index <= index[:, None]) & (index[:, None] < end[:, None, :])
        trie |= index == index[:, None]  # padding sees itself
        before = trie.new_ones(len(rows), length, root)
        columns = torch.cat([self.columns, positions], dim=1)
        self.model(
            input_ids=padded([row.ids for row in rows]),
            position_ids=positions,
            attention_mask=dense_masks(
                self.model, torch.cat([before, trie], -1), positions, columns
            ),
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        self.columns = columns

    def decode(self, steps: int, eos: set[int]) -> Iterator[list[tuple[int, int]]]:
        """Decode until all replies are complete, or prompts had better `leave`. Yields after each
        of at most `steps` steps the new token of each prompt: (number of the prompt, token)."""
        for step in range(steps):
            if self.crowded():
                return
            chosen = self._step(step).tolist()
            new = []
            for row, tokens in zip(self.owner, chosen, strict=True):
                for slot, token in enumerate(tokens):
                    if (s := row[slot]) is not None:
                        new.append((s, token))
                        row[slot] = None if token in eos else s
            yield new
            if not any(s is not None for row in self.owner for s in row):
                return
            self._compact()

    def _step(self, step: int) -> Tensor:
        """Feed every slot its token; set and return the next ones, (rows, slots)."""
        rows, slots = self.tokens.shape
        own = torch.eye(slots, dtype=torch.bool, device=self.tokens.device)
        self.visible = torch.cat([self.visible, own.expand(rows, slots, slots)], dim=2)
        self.columns = torch.cat([self.columns, self.positions], dim=1)
        logits = self.model(
            input_ids=self.tokens,
            position_ids=self.positions,
            attention_mask=dense_masks(self.model, self.visible, self.positions, self.columns),
            past_key_values=self.cache,
            use_cache=True,
        ).logits
        self.tokens = choose(logits, self.sampling, self._numbers(step))
        self.positions = self.positions + 1
        return self.tokens

    def _numbers(self, step: int) -> Tensor | None:
        """(rows, slots), of a step; None where nothing is drawn."""
        if self.sampling is None:
            return None
        numbers = [
            [0.0 if s is None else float(self.numbers[s][step]) for s in row] for row in self.owner
        ]
        return on_device(numbers, self.tokens.device)

    def _compact(self) -> None:
        """Drop rows without a busy slot, and as many slots as the busiest row does not need."""
        busy = [[k for k, s in enumerate(row) if s is not None] for row in self.owner]
        rows = [r for r, slots in enumerate(busy) if slots]
        width = max(map(len, busy))
        if len(rows) == len(busy) and width == len(self.owner[0]):
            return
        idle = [[k for k, s in enumerate(row) if s is None] for row in self.owner]
        chosen = [(busy[r] + idle[r])[:width] for r in rows]
        self.owner = [
            [self.owner[r][k] for k in slots] for r, slots in zip(rows, chosen, strict=True)
        ]
        device = self.tokens.device
        slot_index = torch.tensor(chosen, device=device)
        if len(rows) < len(busy):
            row_index = torch.tensor(rows, device=device)
            self.cache.batch_select_indices(row_index)
            self.columns = self.columns[row_index]
        row_of = torch.tensor(rows, device=device)[:, None]
        self.tokens = self.tokens[row_of, slot_index]
        self.positions = self.positions[row_of, slot_index]
        self.visible = self.visible[row_of, slot_index]

    def crowded(self) -> bool:
        """Say whether a step costs more than it would with each prompt in a place of its own."""
        _, slots, columns = self.visible.shape
        own = int(self.positions.max()) + 1
        return columns * (slots + READ + COPIED) >= slots * own * (1 + READ)

    def leave(self) -> tuple[list[int], list[int], list[list[Tensor]]]:
        """Take the prompts that are not complete out of their slots, with the columns that each
        attends to. The slots are of no use after that.

        Returns (numbers of the prompts, lengths, [keys, values]): how many columns each has, and
        for each layer a tensor of (prompts, heads, columns, head_dim), columns rounded up to
        blocks, the own ones first, in their order.
        """
        busy = [
            (r, k, s)
            for r, slots in enumerate(self.owner)
            for k, s in enumerate(slots)
            if s is not None
        ]
        row, slot, _ = torch.tensor(busy, device=self.tokens.device).T
        visible = self.visible[row, slot]
        lengths = visible.sum(1)
        own = visible.byte().argsort(dim=1, descending=True, stable=True)
        room = -(-(int(lengths.max()) + 1) // BLOCK) * BLOCK
        own = torch.nn.functional.pad(own, (0, max(0, room - own.shape[1])))[:, :room]
        kept: list[list[Tensor]] = [[], []]
        for layer in self.cache.layers:  # keys and values: (rows, heads, columns, head_dim)
            assert isinstance(layer, DynamicLayer), "Prefix has made the cache of these alone"
            assert layer.keys is not None and layer.values is not None, "a prompt has filled them"
            kept[0].append(layer.keys[row[:, None], :, own].transpose(1, 2).contiguous())
            kept[1].append(layer.values[row[:, None], :, own].transpose(1, 2).contiguous())
            layer.keys = layer.values = None  # two copies of one layer at most
        return [s for _, _, s in busy], lengths.tolist(), kept
