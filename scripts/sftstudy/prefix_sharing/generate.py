"""Greedy decoding that computes what prompts share once.

Prompts are sorted, so that those of one document meet, and decoded in batches. What a whole batch
shares stays in a key-value cache for the batches behind it, cropped or extended as they need it.
What parts of a batch share is computed once, in the trie of a row. Then each prompt decodes in a
slot of its row: slots attend to their own path through the cached columns and copy none of them.
Scores are computed over the columns of neighbours too, and then hidden. Where that becomes dearer
than a copy, as with long replies to short prompts, each prompt gets a row of its own. Batches that
share next to nothing are decoded padded, one row a prompt, from the start.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from sftstudy.prefix_sharing import mask
from sftstudy.prefix_sharing.collator import attention_knee
from sftstudy.prefix_sharing.trie import Row, build_row, choose_rows, common_prefix

WORTHWHILE = 0.9  # tries are used where they compute at most this share of the prompt tokens
# What it costs to read and copy a cached column, in queries that attend to it: in a row of several
# slots, whose keys are repeated for each head that uses them, and in a row of one. From CPUs.
MOVED_FOR_MANY, MOVED_FOR_ONE = 16, 7


# Called after each step with the tokens that a batch's replies have by now, and how many go on.
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
) -> Iterator[Reply]:
    """Yield a greedy reply to every prompt (token ids, at least one), in an order of its own.

    Replies come as soon as their batch of at most `batch_size` prompts is decoded. They are those
    of plain greedy decoding: the same sums, in another order. The model's generation_config has no
    influence. `model` is a causal LM in evaluation mode; where its attention cannot take the masks
    of a trie, everything is decoded padded. `watch` is told of each step.
    """
    alone: list[int] = []  # prompts to be decoded padded
    if _takes_masks(model):
        knee = attention_knee(model)
        prefix = _Prefix(model)
        for batch in _batches(prompts, batch_size):
            heads = [list(prompts[i][:-1]) for i in batch]  # the last token is fed in the slot
            root = common_prefix(heads[0], heads[-1])
            rows = _lay_out([head[root:] for head in heads], knee)
            computed = prefix.missing(heads[0][:root]) + sum(len(row.ids) for _, row in rows)
            if computed > WORTHWHILE * sum(map(len, heads)):
                alone += batch
                continue
            cache = prefix.extend(heads[0][:root], len(rows))
            slots = _Slots(model, cache, root, rows, [prompts[i][-1] for i in batch])
            replies = slots.decode(max_new_tokens, eos_token_ids, watch)
            yield from _finished(batch, replies, eos_token_ids)
    else:
        alone += range(len(prompts))
    alone.sort(key=lambda i: len(prompts[i]), reverse=True)  # what does not fit fails at once
    for start in range(0, len(alone), batch_size):
        batch = alone[start : start + batch_size]
        replies = _decode_padded(
            model, [prompts[i] for i in batch], max_new_tokens, eos_token_ids, pad_token_id, watch
        )
        yield from _finished(batch, replies, eos_token_ids)


def _finished(indices: list[int], replies: list[list[int]], eos: set[int]) -> Iterator[Reply]:
    for index, tokens in zip(indices, replies, strict=True):
        yield Reply(index, tokens, "stop" if tokens[-1] in eos else "length")


def _takes_masks(model: Any) -> bool:
    if model.config._attn_implementation not in mask.DENSE:
        return False
    handle, reason = mask.install(model)
    if handle is not None:
        handle.remove()
    return reason is None


def _batches(prompts: Sequence[Sequence[int]], size: int) -> Iterator[list[int]]:
    """Sort the prompts and cut them into batches of size/2 to size, where neighbours share least,
    so that documents stay whole."""
    order = sorted(range(len(prompts)), key=lambda i: list(prompts[i]))
    while len(order) > size:
        cut = min(
            range(size, size // 2, -1),
            key=lambda c: common_prefix(prompts[order[c - 1]], prompts[order[c]]),
        )
        yield order[:cut]
        order = order[cut:]
    if order:
        yield order


def _lay_out(heads: list[list[int]], knee: float) -> list[tuple[list[int], Row]]:
    """Divide sequences, possibly empty ones, into rows: (members, trie) each."""
    filled = [s for s, head in enumerate(heads) if head]
    chosen = (
        choose_rows([heads[s] for s in filled], [len(heads[s]) for s in filled], knee)
        if filled
        else [[]]
    )
    groups = [[filled[s] for s in row] for row in chosen]
    groups[0] += [s for s, head in enumerate(heads) if not head]
    return [
        (group, build_row([heads[s] for s in group], [len(heads[s]) for s in group]))
        for group in groups
    ]


def _masks(model: Any, visible: Tensor, queries: Tensor, keys: Tensor) -> Any:
    """The ``attention_mask`` for `visible` (rows, queries, keys; True: may attend), narrowed to
    the window in sliding layers. `queries`, `keys`: positions, (rows, ...)."""
    masks = {}
    for kind, window in mask.layer_windows(model.config).items():
        seen = visible
        if window is not None:
            seen = seen & (queries[:, :, None] - keys[:, None, :] < window)
        masks[kind] = seen[:, None]
    return mask.to_model(model, masks)


class _Prefix:
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
                attention_mask=_masks(self.model, visible, positions[:, kept:], positions),
                past_key_values=self.cache,
                use_cache=True,
                logits_to_keep=1,
            )
        cache = copy.deepcopy(self.cache)
        if tokens and rows > 1:
            cache.batch_repeat_interleave(rows)
        return cache


class _Slots:
    """A batch being decoded: `rows` rows of `slots` slots, one prompt in a slot.

    owner: list of (rows, slots), the number of the prompt in the batch, None for an idle slot;
    tokens, positions: (rows, slots), what each slot feeds next, and where;
    visible: (rows, slots, columns), the cached columns that a slot attends to;
    columns: (rows, columns), the positions of the cached columns.
    """

    def __init__(
        self,
        model: Any,
        cache: DynamicCache,
        root: int,
        rows: list[tuple[list[int], Row]],
        last_tokens: list[int],
    ) -> None:
        self.model, self.cache = model, cache
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
            attention_mask=_masks(self.model, torch.cat([before, trie], -1), positions, columns),
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        self.columns = columns

    def decode(self, max_new_tokens: int, eos: set[int], watch: Watch) -> list[list[int]]:
        """Decode all slots to their end; returns the new tokens by the number of the prompt."""
        replies: dict[int, list[int]] = {s: [] for row in self.owner for s in row if s is not None}
        for step in range(max_new_tokens):
            best = self._step().tolist()
            for row, tokens in zip(self.owner, best, strict=True):
                for slot, token in enumerate(tokens):
                    if (s := row[slot]) is not None:
                        replies[s].append(token)
                        row[slot] = None if token in eos else s
            going = sum(s is not None for row in self.owner for s in row)
            watch(step + 1, going)
            if not going:
                break
            self._compact()
            if self._crowded():
                self._unpack()
        return [replies[s] for s in range(len(replies))]

    def _step(self) -> Tensor:
        """Feed every slot its token; set and return the most likely next ones, (rows, slots)."""
        rows, slots = self.tokens.shape
        own = torch.eye(slots, dtype=torch.bool, device=self.tokens.device)
        self.visible = torch.cat([self.visible, own.expand(rows, slots, slots)], dim=2)
        self.columns = torch.cat([self.columns, self.positions], dim=1)
        logits = self.model(
            input_ids=self.tokens,
            position_ids=self.positions,
            attention_mask=_masks(self.model, self.visible, self.positions, self.columns),
            past_key_values=self.cache,
            use_cache=True,
        ).logits
        self.tokens = logits.argmax(-1)
        self.positions = self.positions + 1
        return self.tokens

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

    def _crowded(self) -> bool:
        """Say whether a step costs more than it would with each slot in a row of its own."""
        _, slots, columns = self.visible.shape
        own = int(self.positions.max()) + 1
        return columns * (slots + MOVED_FOR_MANY) > slots * own * (1 + MOVED_FOR_ONE) and slots > 1

    def _unpack(self) -> None:
        """Give each busy slot a row of its own, with a copy of the columns that it attends to."""
        busy = [
            (r, k)
            for r, slots in enumerate(self.owner)
            for k, s in enumerate(slots)
            if s is not None
        ]
        self.owner = [[self.owner[r][k]] for r, k in busy]
        row, slot = torch.tensor(busy, device=self.tokens.device).T
        visible = self.visible[row, slot]
        # Of each slot: its own columns first, in their order, as many as the longest has.
        own = visible.byte().argsort(dim=1, descending=True, stable=True)
        own = own[:, : int(visible.sum(1).max())]
        self.visible = visible.gather(1, own)[:, None]
        self.columns = self.columns[row].gather(1, own)
        self.tokens = self.tokens[row, slot][:, None]
        self.positions = self.positions[row, slot][:, None]
        for layer in self.cache.layers:  # keys and values: (rows, heads, columns, head_dim)
            assert isinstance(layer, DynamicLayer), "_Prefix has made the cache of these alone"
            assert layer.keys is not None and layer.values is not None, "a step has filled them"
            layer.keys = layer.keys[row[:, None], :, own].transpose(1, 2)
            layer.values = layer.values[row[:, None], :, own].transpose(1, 2)


def _decode_padded(
    model: Any,
    prompts: list[Sequence[int]],
    max_new_tokens: int,
    eos: set[int],
    pad: int,
    watch: Watch,
) -> list[list[int]]:
    """Plain greedy decoding of left-padded prompts; finished rows leave the batch."""
    length = max(map(len, prompts))
    tokens = torch.tensor([[pad] * (length - len(p)) + list(p) for p in prompts])
    attention = torch.tensor([[0] * (length - len(p)) + [1] * len(p) for p in prompts])
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
        ).logits
        tokens = logits[:, -1].argmax(-1, keepdim=True)
        for row, token in zip(busy, tokens[:, 0].tolist(), strict=True):
            replies[row].append(token)
        kept = [k for k, row in enumerate(busy) if replies[row][-1] not in eos]
        watch(step + 1, len(kept))
        if not kept:
            break
        if len(kept) < len(busy):
            busy = [busy[k] for k in kept]
            index = torch.tensor(kept, device=tokens.device)
            cache.batch_select_indices(index)
            tokens, attention = tokens[index], attention[index]
        attention = torch.cat([attention, attention.new_ones(len(busy), 1)], dim=1)
    return replies
