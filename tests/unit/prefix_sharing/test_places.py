"""Places of prompts with long replies: their caches, and what is fed in a step."""

from collections import Counter

import pytest
import torch

from sftstudy.prefix_sharing import attention, places
from sftstudy.prefix_sharing.drafts import Draft
from sftstudy.prefix_sharing.places import BLOCK, Band, Place, Places, refusal
from unit.prefix_sharing.models import FAMILIES, WINDOW, make_linear_attention_model, make_model
from unit.prefix_sharing.test_generate import fed_shapes, plain, shared

LONG = BLOCK + 2 * WINDOW  # tokens of a reply: its band grows on the way


@pytest.fixture(scope="module", params=FAMILIES)
def model(request):
    return make_model(request.param).eval()


@pytest.fixture(scope="module")
def prompts():
    return [[3, 4, 5, 6, 7, 8 + n, *range(20, 20 + n)] for n in range(8)]


@pytest.mark.slow  # five CPU-seconds of references
def test_bands_grow_and_shrink(model, prompts):
    expected = plain(model, prompts, new_tokens=LONG)
    assert shared(model, prompts, new_tokens=LONG) == expected
    ends = Counter(token for reply in expected for token in reply[BLOCK - 20 :])
    eos = {token for token, _ in ends.most_common(2)}
    expected = plain(model, prompts, eos, LONG)
    assert min(map(len, expected)) < LONG
    assert shared(model, prompts, eos, LONG) == expected
    assert shared(model, prompts, eos, LONG, batch_size=3) == expected


def test_what_a_reply_repeats_is_fed_several_tokens_at_a_time():
    model = make_model("gemma3").eval()  # this random one says the same for ever
    prompts = [[3, 4, 5 + n] for n in range(4)]
    expected = plain(model, prompts, new_tokens=LONG)
    assert all(reply[-20:-10] == reply[-10:] for reply in expected)
    steps = fed_shapes(model, lambda: shared(model, prompts, new_tokens=LONG))
    assert len(steps) < LONG / 3


@pytest.mark.slow
def test_all_places_fed_equally(model, prompts, monkeypatch):
    """As on a CUDA device, where such a step is recorded; here it is computed each time anew."""
    build = Places.__init__

    def as_on_cuda(self, *arguments):
        build(self, *arguments)
        self.cuda = True

    monkeypatch.setattr(Places, "__init__", as_on_cuda)
    expected = plain(model, prompts, new_tokens=LONG)
    assert shared(model, prompts, new_tokens=LONG) == expected
    eos = {Counter(reply[BLOCK - 20] for reply in expected).most_common(1)[0][0]}
    expected = plain(model, prompts, eos, LONG)
    assert shared(model, prompts, eos, LONG, batch_size=4) == expected
    width = 1 + places.GUESSES_CUDA
    shapes = fed_shapes(model, lambda: shared(model, prompts, new_tokens=LONG))
    assert shapes[-1][0] == 1 and shapes[-1][1] % width == 0


def test_a_place_takes_of_its_guesses_what_the_model_says():
    place = Place(index=0, length=5, draft=Draft([1, 2]), reply=[], fed=[2, 7, 8, 9])
    assert place.take([7, 8, 6, 5], eos=set(), most=10) == 3
    assert (place.reply, place.length, place.done) == ([7, 8, 6], 8, False)
    assert place.draft.tokens == [1, 2, 7, 8, 6]


@pytest.mark.parametrize("eos, most, reply", [({8}, 10, [7, 8]), (set(), 1, [7])])
def test_a_reply_ends_within_the_guesses(eos, most, reply):
    place = Place(index=0, length=5, draft=Draft([1, 2]), reply=[], fed=[2, 7, 8, 9])
    place.take([7, 8, 9, 5], eos, most)
    assert (place.reply, place.done) == (reply, True)


def test_few_complete_replies_stay_in_their_band():
    """Removing them copies all the others."""
    tensor = torch.arange(16.0).reshape(16, 1, 1, 1)
    band = Band([Place(n, 0, Draft([]), []) for n in range(16)], [tensor], [tensor])
    for n in (3, 4):
        band.places[n].done = True
    assert not band.shrink()
    band.places[9].done = True
    assert band.shrink()
    assert [place.index for place in band.places] == band.keys[0].flatten().tolist()
    assert len(band.places) == 13


def test_models_that_cannot_have_places():
    assert refusal(make_linear_attention_model().eval())


def test_attention_that_is_not_what_is_computed_here_is_refused(model, monkeypatch):
    """Such as capped scores: silence would be wrong numbers."""
    real = attention._attend

    def capped(*arguments, **named):
        return real(*arguments, **named, softcap=30.0)

    assert refusal(model) is None
    attention.AttentionInterface.register(attention.NAME, capped)
    try:
        assert "attention with softcap" in refusal(model)
    finally:
        attention.AttentionInterface.register(attention.NAME, real)


@pytest.mark.parametrize("queries", [1, 5])
@pytest.mark.parametrize("additive", [False, True])
def test_grouped_attention_is_that_of_repeated_keys(queries, additive):
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(2, 6, queries, 8, generator=generator)
    key, value = torch.randn(2, 2, 2, 9, 8, generator=generator)
    mask = torch.rand(2, 1, queries, 9, generator=generator) < 0.7
    mask[..., 0] = True
    repeated = [tensor.repeat_interleave(3, dim=1) for tensor in (key, value)]
    expected = torch.nn.functional.scaled_dot_product_attention(query, *repeated, mask, scale=0.3)
    given = torch.zeros(mask.shape).masked_fill_(~mask, -torch.inf) if additive else mask
    found = attention.grouped(query, key, value, given, 0.3)
    torch.testing.assert_close(found, expected)
