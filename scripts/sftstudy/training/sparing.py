"""What a training on a CPU need not compute, with the same loss and gradients to rounding.

- Attention: a block of queries is multiplied with the keys between the first and the last that it
  sees. torch's kernel for CPUs multiplies hidden keys as well: under a causal mask that is half of
  all. Heads that share keys and values share them here; transformers copies both for each head.
- Logits: they are computed where a label is. TRL does so on GPUs; elsewhere it scores every column
  and drops most.

On GPUs FlexAttention leaves out hidden blocks, and blocks that are launched one by one would keep
the device waiting.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.weak import WeakTensorKeyDictionary
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from sftstudy.training.rows import IGNORED

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

BLOCK = 128  # queries: larger blocks meet more hidden keys, smaller ones cost more each
_BLOCKS = "sdpa_blocks"  # as which transformers knows `attend_in_blocks`
_OTHER = ("softcap", "position_bias")  # arguments that `sdpa_attention_forward` answers

_Block = tuple[slice, slice, Tensor]  # queries, keys, what is added to their scores
_prepared: Any = WeakTensorKeyDictionary()  # blocks by mask, which all layers of a pass share


def spare(model: "PreTrainedModel") -> None:
    """Prepare the bare causal LM, before TRL or PEFT wrap it."""
    if model.config._attn_implementation == "sdpa":
        AttentionInterface.register(_BLOCKS, attend_in_blocks)
        AttentionMaskInterface.register(_BLOCKS, sdpa_mask)
        model.set_attn_implementation(_BLOCKS)
    _score_labels_only(model)


def attend_in_blocks(
    module: "nn.Module",
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **named: Any,
) -> tuple[Tensor, None]:
    """Return what `sdpa_attention_forward` returns: (rows, queries, heads, width), and no weights.

    `query`, `key`, `value`: (rows, heads, columns, width), with fewer heads of keys than of
    queries; `attention_mask`: boolean, (rows, 1, queries, keys), every query sees some key.
    """
    whole = query.shape[2] <= BLOCK or any(named.get(name) is not None for name in _OTHER)
    if whole or attention_mask is None or attention_mask.dtype != torch.bool:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling, **named
        )
    parts = [
        scaled_dot_product_attention(
            query[:, :, queries],
            key[:, :, keys],
            value[:, :, keys],
            attn_mask=added,
            dropout_p=dropout,
            scale=scaling,
            enable_gqa=True,
        )
        for queries, keys, added in _blocks(attention_mask, query.dtype)
    ]
    return torch.cat(parts, dim=2).transpose(1, 2).contiguous(), None


def _blocks(mask: Tensor, dtype: torch.dtype) -> list[_Block]:
    found: list[_Block] | None = _prepared.get(mask)
    if found is None or found[0][2].dtype != dtype:
        found = []
        for start in range(0, mask.shape[2], BLOCK):
            queries = slice(start, start + BLOCK)
            seen = mask[:, :, queries].flatten(0, 2).any(0).nonzero()
            keys = slice(int(seen[0]), int(seen[-1]) + 1)
            hidden = ~mask[:, :, queries, keys]
            added = torch.zeros_like(hidden, dtype=dtype).masked_fill_(hidden, float("-inf"))
            found.append((queries, keys, added))
        _prepared[mask] = found
    return found


def _score_labels_only(model: "PreTrainedModel") -> None:
    """Give TRL's head only the columns before a label, in one row, with the labels as they stand.

    That head (`trl.trainer.utils.add_fused_lm_head`) scores the last hidden states of the model
    below it, or, with `shift_labels`, labels that are moved to their columns already.
    """
    chosen: list[Tensor] = []  # of the pass that is being computed

    def choose(
        _: "nn.Module", args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if kwargs.get("fused_lm_head"):
            labels = kwargs["labels"][:, 1:]
            chosen[:] = [labels != IGNORED]
            kwargs["shift_labels"] = labels[chosen[0]][None]
        return args, kwargs

    def keep(_: "nn.Module", __: Any, output: Any) -> Any:
        if chosen:
            output.last_hidden_state = output.last_hidden_state[:, :-1][chosen.pop()][None]
        return output

    model.register_forward_pre_hook(choose, with_kwargs=True)
    model.base_model.register_forward_hook(keep)
