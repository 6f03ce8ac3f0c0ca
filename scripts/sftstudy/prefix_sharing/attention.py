"""Attention for decoding, as an attention implementation of transformers.

transformers' own sdpa repeats keys and values for every query head as soon as there is more than
one query to a row and a mask: seven times the time of a step on a CPU. Here the query heads that
share a key head are more queries to that head: the same sums, and nothing is copied.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from transformers import AttentionInterface

if TYPE_CHECKING:
    from sftstudy.prefix_sharing.places import Step

NAME = "sftstudy_decoding"


def grouped(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """Attention of (rows, heads, queries, dim) to (rows, key heads, columns, dim), like `query`.

    mask: (rows, 1, queries, columns), boolean (True: may attend) or additive.
    """
    rows, heads, queries, dim = query.shape
    key_heads = key.shape[1]
    group = heads // key_heads
    if mask is not None and group > 1:
        mask = mask[:, :, None].expand(-1, -1, group, -1, -1).flatten(2, 3)
    out = nn.functional.scaled_dot_product_attention(
        query.reshape(rows, key_heads, group * queries, dim), key, value, mask, scale=scale
    )
    return out.reshape(rows, heads, queries, value.shape[-1])


def _attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    cached: "Step | None" = None,
    sliding_window: int | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """What transformers calls in each layer. Without `cached`, `key` and `value` are all there
    is, under the mask."""
    for name in ("softcap", "s_aux", "position_bias"):
        if others.get(name) is not None:
            raise NotImplementedError(f"attention with {name}")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    if cached is not None:
        out = cached.attend(module.layer_idx, query, key, value, scale, sliding_window)
    else:
        out = grouped(query, key, value, attention_mask, scale)
    return out.transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, _attend)


@contextmanager
def decoding(model: Any) -> Iterator[None]:
    """Let the model attend by this module; on leaving as before."""
    before = model.config._attn_implementation
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)
