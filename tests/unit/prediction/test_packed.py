"""Weights laid out for the processor's products give the numbers of the plain ones."""

import pytest
import torch
from torch import nn

from sftstudy.prediction import packed
from unit.prefix_sharing.models import FAMILIES, make_model
from unit.prefix_sharing.test_generate import make_prompts, shared

needs_onednn = pytest.mark.skipif(
    not packed._works(nn.Linear(3, 4)), reason="this torch has no packed products of oneDNN"
)


@needs_onednn
@pytest.mark.parametrize("family", FAMILIES)
def test_logits_and_replies(family: str) -> None:
    plain, other = make_model(family).eval(), make_model(family).eval()
    packed.pack(other)
    assert not any(type(module) is nn.Linear for module in other.modules())
    ids = torch.randint(2, 300, (3, 50), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected, found = plain(input_ids=ids).logits, other(input_ids=ids).logits
    assert (found - expected).norm() < 1e-5 * expected.norm()
    prompts = make_prompts(seed=1)
    assert shared(other, prompts) == shared(plain, prompts)


@needs_onednn
def test_biases_and_embeddings_that_are_shared() -> None:
    model = nn.Sequential(nn.Embedding(50, 16), nn.Linear(16, 50, bias=False), nn.Linear(50, 3))
    model[1].weight = model[0].weight
    ids = torch.arange(50)
    expected = model(ids)
    packed.pack(model)
    torch.testing.assert_close(model(ids), expected)


def test_half_types_are_left_alone() -> None:
    model = make_model("llama").to(torch.bfloat16)
    packed.pack(model)
    assert type(model.lm_head) is nn.Linear


def test_a_torch_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model("llama")
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    packed.pack(model)
    assert type(model.lm_head) is nn.Linear
