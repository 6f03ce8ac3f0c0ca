"""What a training on a CPU does not compute: the same losses, gradients and logs without it."""

import copy
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from trl.trainer.utils import add_fused_lm_head

from sftstudy.prefix_sharing.collator import enable
from sftstudy.training.sparing import BLOCK, attend_in_blocks, spare
from unit.prefix_sharing.models import (
    FAMILIES,
    gradient,
    make_model,
    make_samples,
    padded_batch,
    relative_difference,
    trl_gradient,
)
from unit.prefix_sharing.tiny_training import STEPS, train

LIMIT = 1e-5  # relative Frobenius difference, float32
LENGTH = 2 * BLOCK + 40
INDEX = torch.arange(LENGTH)
CAUSAL = INDEX[None] <= INDEX[:, None]
MASKS = {
    "causal": CAUSAL,
    "sliding": CAUSAL & (INDEX[:, None] - INDEX[None] < 24),
    "padding on the right": CAUSAL & (INDEX[None] < 100),
    "both ways": (INDEX[:, None] - INDEX[None]).abs() < 200,
}


class Layer(torch.nn.Module):
    """What transformers hands to an attention function as its module."""

    num_key_value_groups = 2
    is_causal = True


def attended(function: Any, mask: torch.Tensor | None, dtype: torch.dtype) -> list[torch.Tensor]:
    """Return an attention's output and its gradients for queries, keys and values."""
    torch.manual_seed(0)
    inputs = [torch.randn(2, heads, LENGTH, 16, dtype=dtype) for heads in (4, 2, 2)]
    for tensor in inputs:
        tensor.requires_grad_()
    output, weights = function(Layer(), *inputs, mask, scaling=0.3)
    assert weights is None
    output.backward(torch.randn(output.shape).to(dtype))
    return [output.detach(), *(tensor.grad for tensor in inputs)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", MASKS)
def test_blocks_attend_like_one_product(name: str, dtype: torch.dtype) -> None:
    mask = torch.stack([MASKS[name], CAUSAL])[:, None]  # rows of different masks
    limit = LIMIT if dtype == torch.float32 else 0.01
    found = attended(attend_in_blocks, mask, dtype)
    for one, other in zip(found, attended(sdpa_attention_forward, mask, dtype), strict=True):
        assert one.dtype == other.dtype and one.shape == other.shape
        assert relative_difference(one.float(), other.float()) < limit


def test_without_a_mask_attention_is_that_of_transformers() -> None:
    pair = (attended(f, None, torch.float32) for f in (attend_in_blocks, sdpa_attention_forward))
    assert all(one.equal(other) for one, other in zip(*pair, strict=True))


def test_keys_that_a_block_does_not_see_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from sftstudy.training import sparing

    keys = []
    product = sparing.scaled_dot_product_attention

    def counting(query: Any, key: Any, *others: Any, **named: Any) -> torch.Tensor:
        keys.append(key.shape[2])
        return product(query, key, *others, **named)

    monkeypatch.setattr(sparing, "scaled_dot_product_attention", counting)
    for name, expected in {
        "causal": [BLOCK, 2 * BLOCK, LENGTH],
        "sliding": [BLOCK, BLOCK + 23, 40 + 23],
    }.items():
        keys.clear()
        attended(attend_in_blocks, MASKS[name][None, None], torch.float32)
        assert keys == expected


def samples() -> list[dict[str, list[int]]]:
    """Samples whose rows, of tries and padded, are longer than a block."""
    found = make_samples(seed=3, lengths=(60, 120, 30))
    assert min(len(sample["input_ids"]) for sample in found) > BLOCK
    return found


def spared(model: Any, lora: bool = False) -> tuple[Any, Any]:
    """Return (collator, model) as the trainer makes them: masks, what is spared, adapter, head."""
    collator, reason = enable(model, pad_token_id=0)
    assert reason is None
    spare(model)
    if lora:
        model = with_adapter(model)
    add_fused_lm_head(model.get_base_model() if lora else model)
    return collator, model


def with_adapter(model: Any) -> Any:
    torch.manual_seed(0)
    targets = r".*layers.*_proj"
    return get_peft_model(model, LoraConfig(r=4, target_modules=targets, init_lora_weights=False))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("layout", ["tries", "padded"])
def test_gradients(family: str, layout: str) -> None:
    """Against all logits of the untouched model; 24 tokens is the window of its sliding layers."""
    model = make_model(family)
    reference = gradient(copy.deepcopy(model), [padded_batch(samples())])
    collator, model = spared(model)
    batch = collator(samples()) if layout == "tries" else padded_batch(samples())
    assert ("trie_end" in batch) == (layout == "tries")
    assert relative_difference(trl_gradient(model, batch), reference) < LIMIT


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_of_an_adapter(family: str) -> None:
    model = make_model(family)
    reference = gradient(with_adapter(copy.deepcopy(model)), [padded_batch(samples())])
    collator, model = spared(model, lora=True)
    assert relative_difference(trl_gradient(model, collator(samples())), reference) < LIMIT


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("reentrant", [False, True])
def test_gradients_of_recomputed_activations(family: str, reentrant: bool) -> None:
    """On a CPU they are the same to the bit."""
    model = make_model(family)
    collator, model = spared(model)
    kept = trl_gradient(model, collator(samples()))
    model.gradient_checkpointing_enable({"use_reentrant": reentrant})
    model.enable_input_require_grads()
    assert trl_gradient(model, collator(samples())).equal(kept)


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_under_bfloat16(family: str) -> None:
    """Not farther from the exact ones than those of a padded batch that spares nothing."""
    model = make_model(family)
    exact = gradient(copy.deepcopy(model), [padded_batch(samples())])
    plain = copy.deepcopy(model)
    add_fused_lm_head(plain)
    collator, model = spared(model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        padded = trl_gradient(plain, padded_batch(samples()))
        shared = trl_gradient(model, collator(samples()))
    assert relative_difference(shared, exact) < 1.5 * relative_difference(padded, exact)


def test_only_labels_are_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    from trl.trainer import utils

    scored = []
    head = utils._ChunkedLogProbFunction.apply

    def counting(hidden: torch.Tensor, *others: Any) -> Any:
        scored.append(len(hidden))
        return head(hidden, *others)

    monkeypatch.setattr(utils._ChunkedLogProbFunction, "apply", counting)
    collator, model = spared(make_model("llama"))
    labels = sum(sum(label >= 0 for label in sample["labels"]) for sample in samples())
    for batch in (collator(samples()), padded_batch(samples())):
        trl_gradient(model, batch)
        assert scored.pop() == labels


def test_a_batch_without_labels_has_a_loss_of_zero() -> None:
    _, model = spared(make_model("llama"))
    batch = padded_batch(samples())
    batch["labels"] = torch.full_like(batch["labels"], -100)
    assert trl_gradient(model, batch).norm() == 0


def test_evaluation_is_left_alone() -> None:
    """Without TRL's head all logits are computed, whatever was scored before."""
    _, model = spared(make_model("llama"))
    batch = padded_batch(samples())
    trl_gradient(model, batch)
    logits = model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    assert logits.shape[:2] == batch["input_ids"].shape


@pytest.mark.slow
@pytest.mark.parametrize("shared", [True, False])
def test_twenty_steps_and_their_log(shared: bool, tmp_path: Any) -> None:
    one, other = (
        train(tmp_path, "gemma3", shared=shared, per_device=8, accumulation=1, spared=spared)
        for spared in (False, True)
    )
    assert len(one[0]) == len(other[0]) == STEPS
    for plain, less in zip(one[0], other[0], strict=True):
        for key in ("loss", "entropy"):
            assert less[key] == pytest.approx(plain[key], abs=1e-5), key
        for key in ("num_tokens", "mean_token_accuracy", "learning_rate", "epoch"):
            assert less[key] == plain[key], key
    assert (one[1] - other[1]).abs().max() < 1e-4


def test_a_checkpoint_does_not_tell_of_it(tmp_path: Any) -> None:
    _, model = spared(make_model("qwen3"))
    model.save_pretrained(tmp_path)
    assert "attn" not in (tmp_path / "config.json").read_text(encoding="utf-8")
