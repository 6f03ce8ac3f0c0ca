"""Attention along a trie, for Hugging Face causal language models as they are.

A batch of trie rows carries ``trie_end`` (rows, length), see `trie`. A forward pre-hook on the
model turns it into what the model's attention implementation takes, on the model's device, one
mask per kind of layer. The model class, its forward and the trainer stay untouched.

A mask that gets lost on the way would train wrongly without an error, because transformers reads
restarted position ids as packed sequences and makes a block-diagonal mask from them. So:

- the hook checks of every batch that each column sees exactly as many columns as its position says
  (`check_trie`), which a lost, shifted or cut vector cannot satisfy, and refuses batches that carry
  the marks of a trie but no ``trie_end``;
- the ``attention_mask`` of a trie batch has a shape that no model without the hook accepts
  (see `collator`);
- `enable` compares what the columns of a small trie influence before any training (`_refusal`);
  a compiled kernel is tried at the first batch, on its device and under the training's autocast.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from sftstudy.errors import StudyError
from sftstudy.prefix_sharing.trie import build_row

if TYPE_CHECKING:
    from torch.nn.attention.flex_attention import BlockMask
    from transformers import PreTrainedModel

FLEX_BLOCK = 128  # queries and keys of a block of FlexAttention
DENSE = ("sdpa", "eager")  # attention implementations that take a mask of (rows, 1, queries, keys)


def layer_windows(config: Any) -> dict[str, int | None]:
    """Return the kinds of attention layers in a model with their windows in tokens (None: all).

    The keys are those of transformers' ``layer_types``.
    """
    config = config.get_text_config()
    window = getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None)
    if not kinds:
        kinds = ["full_attention" if window is None else "sliding_attention"]
    return {kind: window if kind == "sliding_attention" else None for kind in dict.fromkeys(kinds)}


def to_model(model: "PreTrainedModel", masks: dict[str, Tensor]) -> Tensor | dict[str, Tensor]:
    """Put boolean masks (True: may attend) per kind of layer into the form that `model` takes."""
    if model.config._attn_implementation == "eager":  # adds the mask to the attention scores
        lowest = torch.finfo(model.dtype).min
        masks = {
            kind: torch.zeros_like(mask, dtype=model.dtype).masked_fill_(~mask, lowest)
            for kind, mask in masks.items()
        }
    return masks if len(masks) > 1 else next(iter(masks.values()))


def trie_masks(model: "PreTrainedModel", end: Tensor, positions: Tensor) -> Any:
    """Return the ``attention_mask`` argument for trie rows; `end`, `positions`: (rows, length).

    Dense boolean (sdpa) or additive (eager) masks of (rows, 1, length, length), or a BlockMask
    (flex_attention); a dictionary by kind of layer where the model has several.
    """
    rows, length = end.shape
    index = torch.arange(length, device=end.device)

    def visible(window: int | None) -> Callable[[Tensor, Any, Tensor, Tensor], Tensor]:
        def mask_mod(row: Tensor, head: Any, query: Tensor, key: Tensor) -> Tensor:
            seen = (key <= query) & (query < end[row, key])
            if window is not None:  # counted in positions: siblings between the two do not count
                seen &= positions[row, query] - positions[row, key] < window
            return seen

        return mask_mod

    windows = layer_windows(model.config)
    if model.config._attn_implementation == "flex_attention":
        block_masks = {
            kind: block_mask(end, visible(window), whole=window is None)
            for kind, window in windows.items()
        }
        return block_masks if len(block_masks) > 1 else next(iter(block_masks.values()))
    row = torch.arange(rows, device=end.device)[:, None, None, None]
    query, key = index[:, None], index[None, :]
    return to_model(
        model, {kind: visible(window)(row, None, query, key) for kind, window in windows.items()}
    )


def block_mask(end: Tensor, mask_mod: Callable[..., Tensor], *, whole: bool) -> "BlockMask":
    """Return FlexAttention's mask of trie rows, from `end` (rows, length) alone.

    ``create_block_mask`` computes the mask of every pair of columns and then throws it away. Of a
    block of keys at most as far as a block of queries, some key is seen if the furthest of their
    ends lies behind the first query, and all are seen by all if the nearest lies behind the last.
    With a window that is not `whole`, blocks are all tried by `mask_mod`.
    """
    from torch.nn.attention.flex_attention import BlockMask

    length = end.shape[1]
    number = -(-length // FLEX_BLOCK)
    ends = nn.functional.pad(end, (0, number * FLEX_BLOCK - length))  # no padding is seen
    ends = ends.unflatten(1, (number, FLEX_BLOCK))[:, None]  # (rows, 1, key blocks, keys)
    key = torch.arange(number, device=end.device)
    query = key[:, None]
    behind = (query + 1) * FLEX_BLOCK
    some = (key <= query) & (ends.amax(-1) > query * FLEX_BLOCK)
    full = (key < query) & (ends.amin(-1) >= behind) & (behind <= length) & whole
    tried = some & ~full

    def numbers(blocks: Tensor) -> tuple[Tensor, Tensor]:
        """How many blocks of keys a block of queries has, (rows, 1, blocks), and which first."""
        blocks = blocks[:, None].int()
        order = blocks.argsort(dim=-1, descending=True, stable=True)
        return blocks.sum(-1, dtype=torch.int32), order.int()

    return BlockMask.from_kv_blocks(
        *numbers(tried),
        *numbers(full),
        BLOCK_SIZE=FLEX_BLOCK,
        mask_mod=mask_mod,
        seq_lengths=(length, length),
    )


def check_trie(end: Tensor, positions: Tensor) -> None:
    """Raise unless `end` is the one that belongs to `positions`; (rows, length) each.

    In depth-first order a subtree ends where the position first falls back to its root's, so the
    positions alone determine `end`. Two conditions that cost O(length) imply it. The position at
    ``end[j]`` is at most that at j, so no subtree ends too early; and each column i is inside as
    many subtrees as its position says, ``i + 1`` less those ended by then, so none ends too late.
    """
    rows, length = end.shape
    valid = positions.shape == end.shape
    if valid:
        index = torch.arange(length, device=end.device)
        limits = end.clamp(0, length)
        behind = nn.functional.pad(positions, (0, 1), value=-1).gather(1, limits)
        ended = torch.zeros(rows, length + 1, dtype=end.dtype, device=end.device)
        ended = ended.scatter_add_(1, limits, torch.ones_like(end)).cumsum(1)[:, :length]
        valid = bool(
            (
                (behind <= positions)
                & (end > index)
                & (end <= length)
                & (index - ended == positions)
            ).all()
        )
    if not valid:
        raise StudyError(
            "prefix sharing: trie_end and position_ids of a batch contradict each other, so the "
            "attention mask would be wrong; something between collator and model changed the batch"
        )


class _Hook:
    """The forward pre-hook of one model."""

    def __init__(self) -> None:
        self.tried = False

    def __call__(
        self, model: "PreTrainedModel", args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        end = kwargs.pop("trie_end", None)
        mask, positions = kwargs.get("attention_mask"), kwargs.get("position_ids")
        if end is None:
            lost = isinstance(mask, Tensor) and mask.ndim == 3
            if mask is None and positions is not None and kwargs.get("past_key_values") is None:
                lost = bool((positions.diff(dim=-1) != 1).any())
            if lost:
                raise StudyError(
                    "prefix sharing: a batch of tries reached the model without trie_end; pass the "
                    "collator's whole batch to the model, or train with prefix_sharing: off"
                )
            return args, kwargs
        if positions is None:
            raise StudyError(
                "prefix sharing: a batch of tries reached the model without position_ids; pass the "
                "collator's whole batch to the model, or train with prefix_sharing: off"
            )
        check_trie(end, positions)
        self._try_kernel(model)
        kwargs["attention_mask"] = trie_masks(model, end, positions)
        return args, kwargs

    def _try_kernel(self, model: "PreTrainedModel") -> None:
        """Try FlexAttention's kernel where it will compute: nothing else has, before the first
        batch of a training."""
        if self.tried or model.config._attn_implementation != "flex_attention":
            return
        self.tried = True
        if reason := _refusal(model):
            raise StudyError(
                f"prefix sharing: the model with attention flex_attention on {model.device.type}: "
                f"{reason}; train it with attention: sdpa, or with prefix_sharing: off"
            )


def _flex_attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any
) -> tuple[Tensor, Tensor | None]:
    """transformers' FlexAttention with autocast's cast before its compiled part.

    So the kernel computes in the half type on every torch, and its inputs have a layout of their
    own, which torch 2.11 only guesses for what is cast within (pytorch 175445).
    """
    from transformers.integrations.flex_attention import flex_attention_forward

    kind = query.device.type
    if not torch.is_autocast_enabled(kind):
        return flex_attention_forward(module, query, key, value, *args, **kwargs)
    dtype = torch.get_autocast_dtype(kind)
    query, key, value = (tensor.to(dtype) for tensor in (query, key, value))
    with torch.autocast(kind, enabled=False):
        return flex_attention_forward(module, query, key, value, *args, **kwargs)


def install(model: "PreTrainedModel", device: torch.device | None = None) -> tuple[Any, str | None]:
    """Register the hook on the bare causal LM, before TRL or PEFT wrap it.

    `device` is where the model will compute, if it is not there yet.

    Returns (handle, None), the handle removes the hook; or (None, reason) in one line, with the
    model as it was, where the model's attention cannot take the masks.
    """
    implementation = model.config._attn_implementation
    if implementation not in (*DENSE, "flex_attention"):
        return None, f"its attention implementation {implementation} takes no custom mask"
    if implementation == "flex_attention" and (device or model.device).type == "cpu":
        return None, "flex_attention has no backward pass on CPU"
    unknown = set(layer_windows(model.config)) - {"full_attention", "sliding_attention"}
    if unknown:
        return None, f"it has layers of kind {', '.join(sorted(unknown))}"
    if implementation == "flex_attention":
        from transformers import AttentionInterface

        AttentionInterface.register("flex_attention", _flex_attention)
    handle = model.register_forward_pre_hook(_Hook(), with_kwargs=True)
    if model.device.type != "meta" and (reason := _refusal(model)):
        handle.remove()
        return None, reason
    return handle, None


@torch.no_grad()
def _refusal(model: "PreTrainedModel") -> str | None:
    """Say why the model does not attend along a trie, or None if it does.

    Two branches behind one prefix: the last logits of the second must depend on the prefix and not
    on the first branch. That holds to rounding in any precision, whatever the weights are.
    """
    training, implementation = model.training, model.config._attn_implementation
    # FlexAttention has another kernel for fewer than 128 queries.
    times = 16 if implementation == "flex_attention" else 1
    prefix, first, second = [3, 4, 5, 6] * times, [6, 7] * times, [8, 9] * times
    model.eval()
    try:
        if implementation == "flex_attention" and model.device.type == "cpu":
            # Its kernel is for the device to come. What is tried here is the model's own code,
            # which hands either kind of mask on in the same way.
            model.set_attn_implementation("sdpa")
        reference = _last_logits(model, prefix, first, second)
        leak = (_last_logits(model, prefix, [10, 11] * times, second) - reference).norm()
        reach = (_last_logits(model, [12, *prefix[1:]], first, second) - reference).norm()
    # Whatever a model raises here, its forward cannot take the masks: that is the answer sought.
    except Exception as error:
        first_line = str(error).split("\n", 1)[0]
        return f"its forward does not take the masks ({type(error).__name__}: {first_line})"
    finally:
        model.train(training)
        if model.config._attn_implementation != implementation:
            model.set_attn_implementation(implementation)
    if not reach > 0:
        return "its attention does not reach the shared prefix"
    if not leak <= 0.01 * reach:
        return "its attention reaches across branches"
    return None


def _last_logits(model: "PreTrainedModel", prefix: list[int], *branches: list[int]) -> Tensor:
    """Logits (vocabulary,) behind the last branch of a trie."""
    row = build_row([prefix + b for b in branches], [len(prefix)] * len(branches))
    ids, positions, end = torch.tensor([row.ids, row.positions, row.end], device=model.device)
    logits = model(
        input_ids=ids[None] % model.config.get_text_config().vocab_size,
        position_ids=positions[None],
        trie_end=end[None],
        use_cache=False,
    ).logits
    return logits[0, row.columns[-1][-1]].float()
