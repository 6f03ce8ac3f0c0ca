"""Data collator for TRL's `SFTTrainer` that lays a batch out as token tries."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sftstudy.errors import StudyError
from sftstudy.prefix_sharing import mask
from sftstudy.prefix_sharing.trie import Row, build_row, choose_rows

if TYPE_CHECKING:
    from transformers import PreTrainedModel

IGNORED = -100  # label of a token that is not supervised


@dataclass(frozen=True)
class PrefixSharingCollator:
    """Turn prepared samples (``input_ids``, ``labels``) into padded rows of tries.

    Batch, tensors of (rows, length):

    - ``input_ids``, ``labels``: each shared prefix once, branches behind it;
    - ``position_ids``: restarted at each branch, as in the sample alone;
    - ``trie_end``: the attention mask, one integer a column (see `mask`);
    - ``attention_mask``: (rows, 2, length). Plane 0 counts the samples that contain a column and
      plane 1 is zero, so its sum, which TRL logs as ``num_tokens``, is that of the padded batch;
      and a model without the hook fails on this shape instead of training wrongly.

    A batch for which rows of single samples are cheapest is the plain padded one of TRL, with a
    two-dimensional ``attention_mask``.

    A label is scored by the column before it, so the last column before a sample's first
    supervised token must be its own: prefixes are shared up to that column, exclusively. As in
    TRL, the label of a sample's first token counts for nothing.
    """

    pad_token_id: int
    knee: float  # see `choose_rows`
    # Rows of tries are as long as a multiple of this. FlexAttention's kernels are made anew for
    # other lengths than whole blocks, and some lengths below 128 have none (pytorch 185349).
    multiple: int = 1

    def __call__(self, examples: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        rows = self.rows(examples)
        if len(rows) == len(examples):
            return self._padded(examples)
        built = [row for row, _ in rows]
        longest = max(len(row.ids) for row in built)
        length = -(-longest // self.multiple) * self.multiple
        counts = _pad([row.count for row in built], length, 0)
        return {
            "input_ids": _pad([row.ids for row in built], length, self.pad_token_id),
            "labels": _pad([labels for _, labels in rows], length, IGNORED),
            "position_ids": _pad([row.positions for row in built], length, 0),
            # A padding column sees itself only: a column that sees nothing would become NaN.
            "trie_end": torch.tensor(
                [row.end + list(range(len(row.end) + 1, length + 1)) for row in built]
            ),
            "attention_mask": torch.stack([counts, torch.zeros_like(counts)], dim=1),
        }

    def rows(self, examples: Sequence[dict[str, Any]]) -> list[tuple[Row, list[int]]]:
        """Return the rows of a batch with their labels (one a column)."""
        ids = [list(example["input_ids"]) for example in examples]
        labels = [[IGNORED, *example["labels"][1:]] for example in examples]
        shareable = [_shareable(sample) for sample in labels]
        rows = []
        for members in choose_rows(ids, shareable, self.knee):
            row = build_row([ids[s] for s in members], [shareable[s] for s in members])
            row_labels = [IGNORED] * len(row.ids)
            for s, columns in zip(members, row.columns, strict=True):
                for column, label in zip(columns, labels[s], strict=True):
                    row_labels[column] = label
            rows.append((row, row_labels))
        return rows

    def positions(self, examples: Sequence[dict[str, Any]]) -> int:
        """Return the number of token positions that a batch occupies, padding included."""
        rows = self.rows(examples)
        return len(rows) * max(len(labels) for _, labels in rows)

    def _padded(self, examples: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        ids = [list(example["input_ids"]) for example in examples]
        length = max(map(len, ids))
        return {
            "input_ids": _pad(ids, length, self.pad_token_id),
            "labels": _pad([list(e["labels"]) for e in examples], length, IGNORED),
            "attention_mask": _pad([[1] * len(sample) for sample in ids], length, 0),
        }


def _shareable(labels: list[int]) -> int:
    """How many leading tokens of a sample may be shared: all before its first label's scorer."""
    first = next((k for k, label in enumerate(labels) if label != IGNORED), None)
    if first is None:
        raise StudyError(
            f"prefix sharing: a sample of {len(labels)} tokens has no supervised token to learn "
            "from (an empty or cut completion): remove it or raise max_length"
        )
    return first - 1


def _pad(rows: list[list[int]], length: int, value: int) -> Tensor:
    return torch.tensor([row + [value] * (length - len(row)) for row in rows])


def attention_knee(model: "PreTrainedModel") -> float:
    """Sequence length at which a dense mask makes attention as costly as all other layers.

    FLOPs a token: 2P in the P weights outside the embeddings, 4*L*heads*head_dim in each layer's
    attention over L tokens (Kaplan et al., 2020, table 1). FlexAttention skips hidden blocks.
    """
    if model.config._attn_implementation == "flex_attention":
        return float("inf")
    config = model.config.get_text_config()
    heads = config.num_attention_heads
    width = heads * (getattr(config, "head_dim", None) or config.hidden_size // heads)
    embeddings = {id(model.get_input_embeddings().weight), id(model.get_output_embeddings().weight)}
    weights = sum(p.numel() for p in model.parameters() if id(p) not in embeddings)
    return weights / (2 * width * config.num_hidden_layers)


def enable(
    model: "PreTrainedModel", pad_token_id: int, device: torch.device | None = None
) -> tuple[PrefixSharingCollator | None, str | None]:
    """Prepare the bare causal LM for trie batches, before TRL or PEFT wrap it.

    `device` is where it will be trained, if it is not there yet.
    Returns (collator, None) to be given to `SFTTrainer` as ``data_collator``; or (None, reason)
    with a line for the log where the model's attention cannot take the masks, to train padded.
    """
    _, reason = mask.install(model, device)
    if reason is not None:
        return None, reason
    flex = model.config._attn_implementation == "flex_attention"
    return PrefixSharingCollator(
        pad_token_id, attention_knee(model), mask.FLEX_BLOCK if flex else 1
    ), None
