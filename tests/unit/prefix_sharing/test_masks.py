"""A lost or wrong mask is an error, and a model that cannot take the mask is left alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from sftstudy.errors import StudyError
from sftstudy.prefix_sharing.collator import PrefixSharingCollator, attention_knee, enable
from sftstudy.prefix_sharing.mask import FLEX_BLOCK, block_mask, check_trie
from sftstudy.prefix_sharing.trie import build_row
from unit.prefix_sharing.models import (
    FAMILIES,
    gradient,
    make_linear_attention_model,
    make_model,
    make_samples,
    padded_batch,
)

COLLATOR = PrefixSharingCollator(pad_token_id=0, knee=200.0)


def trie_batch():
    batch = COLLATOR(make_samples(seed=0))
    assert "trie_end" in batch
    return batch


@pytest.fixture(scope="module", params=FAMILIES)
def model(request):
    model = make_model(request.param)
    assert enable(model, pad_token_id=0)[1] is None
    return model


def test_a_lost_mask_is_refused(model):
    batch = trie_batch()
    del batch["trie_end"]
    with pytest.raises(StudyError, match="without trie_end"):
        model(**batch)
    del batch["attention_mask"]  # only the restarted positions tell
    with pytest.raises(StudyError, match="without trie_end"):
        model(**batch)


def test_lost_positions_are_refused(model):
    batch = trie_batch()
    del batch["position_ids"]
    with pytest.raises(StudyError, match="without position_ids"):
        model(**batch)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda end: torch.full_like(end, end.shape[1]),  # plain causal
        lambda end: torch.roll(end, 1, dims=1),
        lambda end: end.flip(0),
        lambda end: torch.arange(1, end.shape[1] + 1).expand_as(end),  # sees itself only
        lambda end: end[:, :-1],
    ],
)
def test_a_wrong_mask_is_refused(model, wrong):
    batch = trie_batch()
    batch["trie_end"] = wrong(batch["trie_end"])
    with pytest.raises(StudyError, match="prefix sharing"):
        model(**batch)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_without_the_hook_fails_instead_of_training_wrongly(family, attention):
    with pytest.raises((IndexError, RuntimeError)):
        make_model(family, attention=attention)(**trie_batch())


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=6),
    st.integers(0, 40),
    st.integers(-1, 41),
)
def test_check_trie_accepts_what_the_collator_makes_and_no_other_end(sequences, column, value):
    row = build_row(sequences, [len(sequence) - 1 for sequence in sequences])
    end, positions = torch.tensor([row.end]), torch.tensor([row.positions])
    check_trie(end, positions)
    wrong = end.clone()
    wrong[0, column % len(row.end)] = value
    if not torch.equal(wrong, end):
        with pytest.raises(StudyError):
            check_trie(wrong, positions)


def test_padded_batches_and_generation_pass_the_hook(model):
    batch = padded_batch(make_samples(seed=0))
    with_hook = gradient(model, [batch])
    assert with_hook.norm() > 0
    prompt = batch["input_ids"][:1, :10]
    assert model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=3).numel()


def test_an_attention_without_masks_falls_back():
    model = make_model("qwen3")
    model.config._attn_implementation = "flash_attention_2"
    collator, reason = enable(model, pad_token_id=0)
    assert collator is None
    assert "flash_attention_2" in reason
    assert not model._forward_pre_hooks


@pytest.mark.parametrize("window", [None, 60])
@pytest.mark.parametrize("lengths", [(50, 200, 30), (300, 20, 5), (5, 5, 5)])
def test_blocks_of_flex_attention(window, lengths):
    """No block is missed; without a window they are those that all pairs of columns give."""
    from torch.nn.attention.flex_attention import create_block_mask

    collator = PrefixSharingCollator(pad_token_id=0, knee=float("inf"))
    for seed in range(8):
        batch = collator(make_samples(seed, documents=2, questions=3, lengths=lengths))
        end, positions = batch["trie_end"], batch["position_ids"]

        def seen(row, head, query, key, end=end, positions=positions):
            near = positions[row, query] - positions[row, key] < (window or 10**9)
            return (key <= query) & (query < end[row, key]) & near

        expected = create_block_mask(seen, len(end), None, *[end.shape[1]] * 2, device="cpu")
        found = block_mask(end, seen, whole=window is None)
        if window is None:
            assert torch.equal(found.to_dense(), expected.to_dense())
        assert (found.to_dense() >= expected.to_dense()).all()
        assert found.full_kv_num_blocks.sum() == (
            expected.full_kv_num_blocks.sum() if window is None else 0
        )
        assert found.shape == expected.shape


def test_rows_for_flex_attention_are_whole_blocks():
    model = make_model("llama", attention="flex_attention")
    collator, _ = enable(model, pad_token_id=0, device=torch.device("cuda"))
    batch = collator(make_samples(seed=0))
    assert batch["input_ids"].shape[1] % FLEX_BLOCK == 0
    check_trie(batch["trie_end"], batch["position_ids"])


def test_flex_attention_on_cpu_falls_back():
    collator, reason = enable(make_model("llama", attention="flex_attention"), pad_token_id=0)
    assert collator is None
    assert "CPU" in reason


@pytest.mark.parametrize("family", FAMILIES)
def test_flex_attention_is_taken_where_training_will_be_on_a_gpu(family):
    model = make_model(family, attention="flex_attention")  # loaded on the CPU, as always
    collator, reason = enable(model, pad_token_id=0, device=torch.device("cuda"))
    assert reason is None
    assert collator.knee == float("inf")
    assert model.config._attn_implementation == "flex_attention"


def test_linear_attention_falls_back():
    collator, reason = enable(make_linear_attention_model(), pad_token_id=0)
    assert collator is None
    assert "linear_attention" in reason


def causal_whatever_is_asked(module, query, key, value, attention_mask, **kwargs):
    return ALL_ATTENTION_FUNCTIONS["sdpa"](
        module, query, key, value, None, is_causal=True, **kwargs
    )


def blind_to_the_prefix(module, query, key, value, attention_mask, **kwargs):
    index = torch.arange(query.shape[2])
    own = (index[:, None] - index[None] < 2) & (index[:, None] >= index[None])
    return ALL_ATTENTION_FUNCTIONS["sdpa"](
        module, query, key, value, own[None, None], is_causal=False, **kwargs
    )


@pytest.mark.parametrize(
    ("attention", "complaint"),
    [(causal_whatever_is_asked, "across branches"), (blind_to_the_prefix, "shared prefix")],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_attention_that_ignores_the_mask_is_found_out(attention, complaint, dtype, monkeypatch):
    """The implementation is called sdpa and accepts the mask: only what it computes tells."""
    model = make_model("llama", num_hidden_layers=1, initializer_range=0.02).to(dtype)
    forward = ALL_ATTENTION_FUNCTIONS["sdpa"]
    monkeypatch.setattr(
        "transformers.models.llama.modeling_llama.ALL_ATTENTION_FUNCTIONS.get_interface",
        lambda *_: lambda *args, **kwargs: _call(forward, attention, *args, **kwargs),
    )
    collator, reason = enable(model, pad_token_id=0)
    assert collator is None
    assert complaint in reason
    assert not model._forward_pre_hooks


def _call(forward, attention, module, query, key, value, attention_mask, **kwargs):
    kwargs.pop("is_causal", None)
    return attention(module, query, key, value, attention_mask, **kwargs)


def test_the_knee_is_where_attention_costs_as_much_as_the_rest():
    model = make_model("llama")
    layer = sum(p.numel() for p in model.model.layers[0].parameters())
    tokens = attention_knee(model)
    attention_flops = 4 * tokens * 4 * 16  # heads * head_dim
    assert attention_flops == pytest.approx(2 * layer, rel=0.01)
