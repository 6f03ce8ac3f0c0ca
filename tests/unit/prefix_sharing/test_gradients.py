"""Gradients of trie batches equal those of padded batches, to rounding."""

import copy
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model

from sftstudy.prefix_sharing.collator import enable
from unit.prefix_sharing.models import (
    FAMILIES,
    REAL_VOCABULARY,
    WINDOW,
    gradient,
    make_model,
    make_samples,
    padded_batch,
    real_samples,
    relative_difference,
)

LIMIT = 1e-5  # relative Frobenius difference, float32


def assert_same_gradient(model, samples, limit=LIMIT):
    """Compare one trie batch with one padded batch, and with the noise floor: the difference
    between one padded batch and several smaller ones."""
    collator, reason = enable(model, pad_token_id=0)
    assert reason is None
    quarter = max(len(samples) // 4, 2)
    reference = gradient(model, [padded_batch(samples)])
    pieces = [samples[k : k + quarter] for k in range(0, len(samples), quarter)]
    noise = relative_difference(gradient(model, [padded_batch(p) for p in pieces]), reference)
    batch = collator(samples)
    assert "trie_end" in batch
    assert batch["input_ids"].numel() < padded_batch(samples)["input_ids"].numel()
    difference = relative_difference(gradient(model, [batch]), reference)
    assert difference < limit
    assert difference < 3 * noise


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", FAMILIES)
def test_generated_samples(family, attention):
    samples = make_samples(seed=3, lengths=(20, 40, 15))
    assert min(len(sample["input_ids"]) for sample in samples) > WINDOW
    assert_same_gradient(make_model(family, attention=attention), samples)


def test_layers_that_all_slide_get_the_window():
    model = make_model("gemma3", layer_types=["sliding_attention"] * 3)
    assert_same_gradient(model, make_samples(seed=4))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("task", ["banking77", "tatqa"])
def test_real_rows(family, task, shared_data: Path):
    samples = real_samples(task, shared_data, 6)
    window = {"sliding_window": 256} if family == "gemma3" else {}
    assert_same_gradient(make_model(family, vocab_size=REAL_VOCABULARY, **window), samples)


@pytest.mark.parametrize("family", FAMILIES)
def test_lora(family):
    samples = make_samples(seed=5)
    model = make_model(family)
    collator, _ = enable(model, pad_token_id=0)
    torch.manual_seed(0)
    config = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    model = get_peft_model(model, config)
    reference = gradient(model, [padded_batch(samples)])
    assert relative_difference(gradient(model, [collator(samples)]), reference) < LIMIT


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("reentrant", [False, True])
def test_gradient_checkpointing(family, reentrant):
    samples = make_samples(seed=6)
    model = make_model(family)
    collator, _ = enable(model, pad_token_id=0)
    reference = gradient(model, [padded_batch(samples)])
    model.gradient_checkpointing_enable({"use_reentrant": reentrant})
    model.enable_input_require_grads()
    assert relative_difference(gradient(model, [collator(samples)]), reference) < LIMIT


@pytest.mark.parametrize("family", FAMILIES)
def test_bfloat16_autocast(family):
    """bfloat16 has 8 bits: 3% stands for rounding here, two padded layouts differ as much."""
    samples = make_samples(seed=7)
    model = make_model(family)
    exact = gradient(copy.deepcopy(model), [padded_batch(samples)])
    collator, _ = enable(model, pad_token_id=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        padded = gradient(model, [padded_batch(samples)])
        shared = gradient(model, [collator(samples)])
    assert relative_difference(shared, padded) < 0.03
    assert relative_difference(shared, exact) < 1.5 * relative_difference(padded, exact)


def test_models_loaded_in_bfloat16():
    samples = make_samples(seed=8)
    model = make_model("gemma3").to(torch.bfloat16)
    collator, reason = enable(model, pad_token_id=0)
    assert reason is None
    reference = gradient(model, [padded_batch(samples)])
    assert relative_difference(gradient(model, [collator(samples)]), reference) < 0.05


@pytest.fixture
def flex_without_kernels(monkeypatch):
    """FlexAttention as plain operations, which torch otherwise refuses on CPU with gradients."""
    from torch.nn.attention import flex_attention as flex
    from transformers.integrations import flex_attention as integration

    def plain(query, key, value, training=False, **named):
        return flex.flex_attention(query, key, value, **named)

    monkeypatch.setattr(integration, "compile_friendly_flex_attention", plain)
    monkeypatch.setattr(flex, "_validate_device", lambda *_: None)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("family", FAMILIES)
def test_flex_attention(family, flex_without_kernels):
    samples = make_samples(seed=3, lengths=(20, 40, 15))
    reference = gradient(make_model(family), [padded_batch(samples)])
    model = make_model(family, attention="flex_attention")
    collator, reason = enable(model, pad_token_id=0, device=torch.device("cuda"))
    assert reason is None
    batch = collator(samples)
    assert len(batch["trie_end"]) == 1
    assert relative_difference(gradient(model, [batch]), reference) < LIMIT
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert relative_difference(gradient(model, [batch]), reference) < 0.05
