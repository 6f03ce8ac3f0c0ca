"""Decoding with shared prefixes gives the tokens of plain greedy decoding."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import GenerationConfig

from sftstudy.prefix_sharing.generate import Reply, generate_shared
from unit.prefix_sharing.models import (
    FAMILIES,
    REAL_VOCABULARY,
    WINDOW,
    make_linear_attention_model,
    make_model,
    make_samples,
    real_samples,
)

NEW_TOKENS = 10
NO_EOS = {-1}


def plain(model, prompts, eos=NO_EOS, new_tokens=NEW_TOKENS):
    """Reference: transformers' own greedy search, one prompt at a time."""
    replies = []
    for prompt in prompts:
        ids = torch.tensor([prompt])
        config = GenerationConfig(
            do_sample=False, max_new_tokens=new_tokens, eos_token_id=list(eos), pad_token_id=0
        )
        output = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config)
        replies.append(output[0, len(prompt) :].tolist())
    return replies


def shared(model, prompts, eos=NO_EOS, new_tokens=NEW_TOKENS, batch_size=8):
    replies = list(
        generate_shared(
            model,
            prompts,
            max_new_tokens=new_tokens,
            eos_token_ids=eos,
            pad_token_id=0,
            batch_size=batch_size,
        )
    )
    assert sorted(reply.index for reply in replies) == list(range(len(prompts)))
    return [reply.tokens for reply in sorted(replies)]


def make_prompts(seed, **shape):
    """Nested prefixes, a duplicate, a prompt that begins another one, two single tokens."""
    prompts = [sample["input_ids"][:-5] for sample in make_samples(seed, **shape)]
    return [*prompts, prompts[0], prompts[1][:-3], [5], [6]]


def computed_tokens(model, call):
    """Return how many token positions go through the model during `call`."""
    seen = []
    handle = model.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["input_ids"].numel()), with_kwargs=True
    )
    call()
    handle.remove()
    return sum(seen)


@pytest.fixture(scope="module", params=FAMILIES)
def model(request):
    return make_model(request.param).eval()


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_nested_prefixes(model, batch_size):
    prompts = make_prompts(seed=1)
    assert max(map(len, prompts)) > WINDOW
    replies = plain(model, prompts)
    assert len(set(map(tuple, replies))) > len(prompts) / 2
    assert shared(model, prompts, batch_size=batch_size) == replies


def test_end_of_sequence(model):
    prompts = make_prompts(seed=2)
    frequent = Counter(token for reply in plain(model, prompts) for token in reply[2:6])
    eos = {token for token, _ in frequent.most_common(4)}
    expected = plain(model, prompts, eos)
    assert len(set(map(len, expected))) > 2
    assert shared(model, prompts, eos) == expected
    for reply in generate_shared(
        model, prompts, max_new_tokens=10, eos_token_ids=eos, pad_token_id=0, batch_size=8
    ):
        stopped = reply.tokens[-1] in eos
        assert reply.finish_reason == ("stop" if stopped else "length")
        assert stopped or len(reply.tokens) == 10


def test_prompts_far_beyond_the_window():
    model = make_model("gemma3").eval()
    prompts = make_prompts(seed=3, documents=2, questions=2, lengths=(40, 80, 40))
    assert shared(model, prompts, new_tokens=WINDOW + 10) == plain(
        model, prompts, new_tokens=WINDOW + 10
    )


def fed_shapes(model, call):
    """Return the (rows, slots) of every step that goes through the model during `call`."""
    seen = []
    handle = model.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    call()
    handle.remove()
    return seen


def test_long_replies_to_short_prompts_get_places_of_their_own(model):
    """Otherwise each slot would attend to all that its neighbours have said."""
    prompts = [[3, 4, 5, 6, 7, 8 + n, *range(20, 20 + n)] for n in range(8)]
    new_tokens = WINDOW + 10
    expected = plain(model, prompts, new_tokens=new_tokens)
    eos = {Counter(reply[12] for reply in expected).most_common(1)[0][0]}  # some end on the way
    shapes = fed_shapes(model, lambda: shared(model, prompts, new_tokens=new_tokens))
    assert (1, len(prompts)) in shapes[1:], "the tokens of a step are not in one row"
    assert shared(model, prompts, new_tokens=new_tokens) == expected
    assert shared(model, prompts, eos, new_tokens) == plain(model, prompts, eos, new_tokens)


def test_short_replies_to_long_prompts_stay_in_slots(model):
    prompts = [[*range(2, 250), n] for n in range(2, 10)]
    shapes = fed_shapes(model, lambda: shared(model, prompts))
    assert shapes[-1] == (1, len(prompts))


def test_eager_attention(model):
    eager = make_model(model.config.model_type.removesuffix("_text"), attention="eager").eval()
    prompts = make_prompts(seed=4)
    assert shared(eager, prompts) == plain(model, prompts)


MODEL = make_model("gemma3").eval()


@pytest.mark.slow  # ten CPU-seconds of examples
@settings(deadline=None, max_examples=15)
@given(
    st.lists(st.lists(st.integers(2, 4), min_size=1, max_size=30), min_size=1, max_size=9),
    st.integers(1, 10),
)
def test_any_prompts_in_any_batches(prompts, batch_size):
    replies = shared(MODEL, prompts, new_tokens=4, batch_size=batch_size)
    assert replies == plain(MODEL, prompts, new_tokens=4)


@pytest.mark.parametrize("task", ["banking77", "tatqa"])
def test_real_prompts(model, task, shared_data):
    samples = real_samples(task, shared_data, 6)
    prompts = [
        [token for token, label in zip(s["input_ids"], s["labels"], strict=True) if label == -100]
        for s in samples
    ]
    family = model.config.model_type.removesuffix("_text")
    window = {"sliding_window": 256} if family == "gemma3" else {}
    model = make_model(family, vocab_size=REAL_VOCABULARY, **window).eval()
    expected = plain(model, prompts, new_tokens=4)
    assert shared(model, prompts, new_tokens=4) == expected
    computed = computed_tokens(model, lambda: shared(model, prompts, new_tokens=4))
    assert computed < sum(map(len, prompts)) / 2


def test_a_common_prefix_is_computed_once_for_all_batches(model):
    samples = make_samples(seed=5, documents=30, questions=1, lengths=(150, 3, 3))
    prompts = [sample["input_ids"][:-5] for sample in samples]
    instruction = len(prompts[0]) - 6
    computed = computed_tokens(model, lambda: shared(model, prompts, new_tokens=1, batch_size=4))
    assert computed < instruction + 15 * len(prompts)


def test_a_document_is_computed_once_where_a_batch_holds_it(model):
    samples = make_samples(seed=6, documents=5, questions=6, lengths=(3, 100, 6))
    prompts = [sample["input_ids"][:-5] for sample in samples]
    computed = computed_tokens(model, lambda: shared(model, prompts, new_tokens=1, batch_size=8))
    assert computed < 5 * 105 + 8 * len(prompts)


def test_prompts_that_share_nothing_are_read_once(model):
    samples = make_samples(seed=7, documents=8, questions=1, lengths=(1, 40, 10))
    prompts = [sample["input_ids"][1:-5] for sample in samples]
    assert shared(model, prompts) == plain(model, prompts)
    computed = computed_tokens(model, lambda: shared(model, prompts, new_tokens=1))
    probes = 3 * 7 + 2 * 4  # tokens of the checks whether the model takes the masks, and places
    assert computed <= probes + len(prompts) * (max(map(len, prompts)) + 1)


def test_linear_attention_is_decoded_padded(capsys):
    model = make_linear_attention_model().eval()
    prompts = [sample["input_ids"][:-5] for sample in make_samples(seed=8, vocab_size=64)]
    assert shared(model, prompts) == plain(model, prompts)
    assert "padded batches: it has layers of kind linear_attention" in capsys.readouterr().out


def test_more_prompts_than_places(model):
    """Prompts begin as soon as a quarter of the places is free, whoever else goes on."""
    prompts = [[*range(3 + n, 9 + 2 * n)] for n in range(20)]
    frequent = Counter(reply[n] for n, reply in enumerate(plain(model, prompts, new_tokens=20)))
    eos = {token for token, _ in frequent.most_common(6)}
    expected = plain(model, prompts, eos, 60)
    assert len(set(map(len, expected))) > 2
    going = []
    replies = list(
        generate_shared(
            model,
            prompts,
            max_new_tokens=60,
            eos_token_ids=eos,
            pad_token_id=0,
            batch_size=8,
            watch=lambda tokens, left: going.append((tokens, left)),
        )
    )
    assert [reply.tokens for reply in sorted(replies)] == expected
    assert sum(tokens for tokens, _ in going) == sum(map(len, expected))
    assert max(left for _, left in going) == 8
    assert [left for _, left in going].count(0) == 1, "places stood empty before the last reply"


def test_the_attention_is_the_models_own_again(model):
    before = model.config._attn_implementation
    stream = generate_shared(
        model,
        [[3, 4], [5, 6]],
        max_new_tokens=9,
        eos_token_ids=NO_EOS,
        pad_token_id=0,
        batch_size=1,
    )
    next(stream)
    assert model.config._attn_implementation != before
    stream.close()
    assert model.config._attn_implementation == before


def test_the_generation_config_has_no_influence():
    model = make_model("llama").eval()
    prompts = make_prompts(seed=9)
    expected = shared(model, prompts)
    model.generation_config.update(repetition_penalty=5.0, do_sample=True, max_length=12)
    assert shared(model, prompts) == expected


def test_replies_arrive_batch_by_batch(model):
    prompts = make_prompts(seed=10)
    stream = generate_shared(
        model, prompts, max_new_tokens=2, eos_token_ids=NO_EOS, pad_token_id=0, batch_size=4
    )
    first = computed_tokens(model, lambda: next(stream))
    rest = computed_tokens(model, lambda: list(stream))
    assert first < rest
    assert Reply._fields == ("index", "tokens", "finish_reason")


def test_no_prompts(model):
    assert shared(model, []) == []


def test_training_goes_on_after_generation(model):
    shared(model, make_prompts(seed=11))
    ids = torch.tensor([[3, 4, 5]])
    model(input_ids=ids, labels=ids).loss.backward()
    assert model.lm_head.weight.grad is not None
    model.zero_grad()
