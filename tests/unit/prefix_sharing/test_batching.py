"""Which samples meet in a batch."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from sftstudy.prefix_sharing.batching import document_order, largest_batch, step_batches
from sftstudy.prefix_sharing.collator import PrefixSharingCollator
from unit.prefix_sharing.models import make_samples

COLLATOR = PrefixSharingCollator(pad_token_id=0, knee=1e3)


def test_a_step_that_shares_its_instruction_is_one_batch():
    samples = make_samples(seed=0, documents=8, questions=8, lengths=(90, 3, 6))
    assert step_batches(COLLATOR, samples, 4, 4, sequential=False, seed=0) == (16, 1)


def test_a_step_that_shares_nothing_keeps_its_micro_batches():
    samples = make_samples(seed=0, documents=64, questions=1, lengths=(3, 60, 6))
    assert step_batches(COLLATOR, samples, 4, 4, sequential=False, seed=0) == (4, 4)


def test_a_step_of_documents_takes_what_fits():
    samples = make_samples(seed=0, documents=16, questions=8, lengths=(3, 90, 12))
    samples.sort(key=lambda sample: sample["input_ids"])
    assert step_batches(COLLATOR, samples, 4, 8, sequential=True, seed=0) == (16, 2)
    random.Random(0).shuffle(samples)
    assert step_batches(COLLATOR, samples, 4, 8, sequential=True, seed=0) == (4, 8)


def test_the_largest_batch_is_one_of_those_that_are_trained():
    samples = make_samples(seed=0, documents=8, questions=8, lengths=(90, 3, 6))
    batches = [samples[k : k + 16] for k in range(0, 64, 16)]
    expected = max(COLLATOR.positions(batch) for batch in batches)
    assert largest_batch(COLLATOR, samples, 16, sequential=True, seed=0) == expected
    drawn = largest_batch(COLLATOR, samples, 16, sequential=False, seed=0)
    assert max(len(s["input_ids"]) for s in samples) < drawn < 1.5 * expected


def test_fewer_samples_than_a_step():
    samples = make_samples(seed=0, documents=1, questions=3)
    assert step_batches(COLLATOR, samples, 4, 4, sequential=False, seed=0) == (16, 1)


@settings(deadline=None)
@given(st.lists(st.integers(0, 8), min_size=1, max_size=60), st.integers(1, 9), st.integers(0, 3))
def test_document_order_is_a_permutation_that_follows_the_seed(groups, batch_size, seed):
    names = [f"document-{group}" for group in groups]
    order = document_order(names, batch_size, seed)
    assert sorted(order) == list(range(len(groups)))
    assert order == document_order(names, batch_size, seed)


def test_documents_that_fit_are_not_split():
    names = [f"d{k}" for k in range(40) for _ in range(k % 3 + 2)]
    order = document_order(names, 12, seed=5)
    batches = [{names[s] for s in order[k : k + 12]} for k in range(0, len(order), 12)]
    places = [sum(name in batch for batch in batches) for name in set(names)]
    assert sum(place > 1 for place in places) <= len(places) / 8
    assert order != document_order(names, 12, seed=6)
