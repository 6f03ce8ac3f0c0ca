"""What the collator hands to the trainer."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from sftstudy.errors import StudyError
from sftstudy.prefix_sharing.collator import IGNORED, PrefixSharingCollator, enable
from unit.prefix_sharing.models import make_model, make_samples

COLLATOR = PrefixSharingCollator(pad_token_id=0, knee=float("inf"))


@st.composite
def batches(draw):
    """Samples over few tokens: duplicates, prefixes of each other, several supervised spans."""
    samples = []
    for _ in range(draw(st.integers(1, 6))):
        prompt = draw(st.lists(st.integers(2, 4), min_size=1, max_size=8))
        rest = draw(st.lists(st.integers(2, 4), min_size=1, max_size=4))
        scored = [True, *draw(st.lists(st.booleans(), min_size=len(rest) - 1, max_size=len(rest)))]
        labels = [t if s else IGNORED for t, s in zip(rest, scored, strict=False)]
        samples.append({"input_ids": prompt + rest, "labels": [IGNORED] * len(prompt) + labels})
    return samples


@settings(deadline=None)
@given(batches())
def test_supervised_tokens_and_the_columns_that_score_them_are_never_shared(samples):
    supervised = 0
    for row, labels in COLLATOR.rows(samples):
        for column, label in enumerate(labels):
            if label != IGNORED:
                supervised += 1
                assert label == row.ids[column]
                assert row.count[column] == row.count[column - 1] == 1
                assert row.positions[column] == row.positions[column - 1] + 1
    assert supervised == sum(label != IGNORED for s in samples for label in s["labels"])


MODEL = make_model("llama", vocab_size=16).eval()
_, REASON = enable(MODEL, pad_token_id=0)


@pytest.mark.slow  # ten CPU-seconds of examples
@settings(deadline=None, max_examples=60)
@given(batches())
@torch.no_grad()
def test_every_sample_gets_its_own_loss_whatever_it_meets(samples):
    assert REASON is None

    def loss(batch):
        labels = batch.pop("labels")[:, 1:]
        logits = MODEL(**batch).logits[:, :-1]
        return torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), labels.flatten(), reduction="sum"
        )

    together = loss(COLLATOR(samples))
    apart = sum(loss(DataCollatorForLanguageModeling(0)([sample])) for sample in samples)
    torch.testing.assert_close(together, apart, rtol=1e-5, atol=1e-5)


def test_the_token_count_that_trl_logs_is_that_of_the_padded_batch():
    samples = make_samples(seed=1)
    batch = COLLATOR(samples)
    padded = DataCollatorForLanguageModeling(0)(samples)
    assert batch["attention_mask"].sum() == padded["attention_mask"].sum()
    assert batch["input_ids"].numel() < padded["input_ids"].numel() / 2


@pytest.mark.parametrize("number", [1, 5])
def test_a_batch_that_shares_nothing_is_the_padded_batch(number):
    samples = [
        {"input_ids": [k + 2] * 20, "labels": [IGNORED] * 15 + [k + 2] * 5} for k in range(number)
    ]
    batch = PrefixSharingCollator(pad_token_id=0, knee=50.0)(samples)
    padded = DataCollatorForLanguageModeling(0)(samples)
    assert batch.keys() == padded.keys()
    assert all(torch.equal(batch[key], padded[key]) for key in batch)


def test_rows_are_padded_with_columns_that_see_themselves():
    samples = make_samples(seed=2)
    batch = PrefixSharingCollator(pad_token_id=7, knee=20.0)(samples)
    rows, length = batch["trie_end"].shape
    assert rows > 1
    filled = batch["attention_mask"][:, 0] > 0
    own = torch.arange(1, length + 1).expand(rows, length)
    assert not filled.all()
    assert torch.equal(batch["trie_end"][~filled], own[~filled])
    assert (batch["input_ids"][~filled] == 7).all()
    assert (batch["labels"][~filled] == IGNORED).all()


@pytest.mark.parametrize("labels", [[IGNORED] * 4, [5, IGNORED, IGNORED, IGNORED]])
def test_an_empty_completion_is_refused(labels):
    with pytest.raises(StudyError, match="no supervised token"):
        COLLATOR([{"input_ids": [5, 6, 7, 8], "labels": labels}])


def test_language_modelling_samples_share_nothing():
    sample = {"input_ids": [5, 6, 7, 8], "labels": [5, 6, 7, 8]}
    batch = COLLATOR([sample, sample])
    assert batch["input_ids"].numel() == 8
