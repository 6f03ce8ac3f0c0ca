"""Drawn replies: of the right distribution, and the same in any company."""

from collections import Counter

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from sftstudy.prefix_sharing import places
from sftstudy.prefix_sharing.generate import generate_shared
from sftstudy.prefix_sharing.places import Places
from sftstudy.prefix_sharing.sampling import Sampling, choose, on_device
from sftstudy.prefix_sharing.slots import lay_out
from unit.prefix_sharing.models import (
    FAMILIES,
    WINDOW,
    make_linear_attention_model,
    make_model,
    make_samples,
)
from unit.prefix_sharing.test_generate import NO_EOS, computed_tokens, fed_shapes

NEW_TOKENS = 10


def exact(logits: torch.Tensor, temperature: float, top_p: float) -> np.ndarray:
    """The probabilities of the next token by their definition, in float64."""
    scaled = logits.double().numpy() / temperature
    likely = np.exp(scaled - scaled.max())
    likely /= likely.sum()
    order = np.argsort(-likely, kind="stable")
    kept = order[: int((np.cumsum(likely[order]) < top_p).sum()) + 1]
    cut = np.zeros_like(likely)
    cut[kept] = likely[kept]
    return cut / cut.sum()


def plain(model, prompts, how, eos=NO_EOS, new_tokens=NEW_TOKENS):
    """Reference: one reply at a time, all of it read anew for each token."""
    replies = []
    for index, prompt in enumerate(prompts):
        numbers, tokens = how.numbers(index, new_tokens), []
        for number in numbers:
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([[*prompt, *tokens]])).logits[0, -1]
            likely = exact(logits, how.temperature, how.top_p)
            tokens.append(int(np.searchsorted(np.cumsum(likely), number, side="right")))
            if tokens[-1] in eos:
                break
        replies.append(tokens)
    return replies


def drawn(model, prompts, how, eos=NO_EOS, new_tokens=NEW_TOKENS, batch_size=8):
    replies = generate_shared(
        model,
        prompts,
        max_new_tokens=new_tokens,
        eos_token_ids=eos,
        pad_token_id=0,
        batch_size=batch_size,
        sampling=how,
    )
    return [reply.tokens for reply in sorted(replies)]


def several(prompts, replies, temperature=0.8, top_p=0.9):
    """Each prompt so many times, and seeds for all of them."""
    asked = [prompt for prompt in prompts for _ in range(replies)]
    return asked, Sampling(temperature, top_p, [31 * n + 7 for n in range(len(asked))])


def different(number=3, length=20):
    """Prompts of one length that share nothing."""
    return [[2 + n, *range(10 + 40 * n, 9 + 40 * n + length)] for n in range(number)]


@pytest.fixture(scope="module", params=FAMILIES)
def model(request):
    return make_model(request.param).eval()


@pytest.mark.parametrize("top_p", [1.0, 0.7])
def test_replies_do_not_hang_on_batch_or_order(model, top_p):
    prompts = [sample["input_ids"][:-5] for sample in make_samples(1, documents=2, questions=2)]
    asked, how = several([*prompts, prompts[0][:-3], [5]], 3, top_p=top_p)
    expected = plain(model, asked, how)
    assert len(set(map(tuple, expected))) > len(asked) / 2
    for batch_size in (1, 5, 64):
        assert drawn(model, asked, how, batch_size=batch_size) == expected
    order = np.random.default_rng(0).permutation(len(asked))
    seeds = [how.seeds[i] for i in order]
    shuffled = drawn(model, [asked[i] for i in order], Sampling(0.8, top_p, seeds))
    assert shuffled == [expected[i] for i in order]
    alone = drawn(model, [asked[4]], Sampling(0.8, top_p, [how.seeds[4]]))
    assert alone == [expected[4]]


def test_replies_end_where_the_end_is_drawn(model):
    asked, how = several(different(), 4)
    frequent = Counter(token for reply in plain(model, asked, how) for token in reply[2:6])
    eos = {token for token, _ in frequent.most_common(4)}
    expected = plain(model, asked, how, eos)
    assert len(set(map(len, expected))) > 2
    assert drawn(model, asked, how, eos) == expected


@pytest.mark.slow
def test_long_replies_in_places(model):
    asked, how = several([[3, 4, 5], [3, 4, 6]], 4, temperature=0.3)
    expected = plain(model, asked, how, new_tokens=3 * WINDOW)
    for batch_size in (3, 8):
        found = drawn(model, asked, how, new_tokens=3 * WINDOW, batch_size=batch_size)
        assert found == expected


def test_what_is_guessed_ahead_is_held_to_what_is_drawn():
    """This random model often repeats itself, but not always."""
    model = make_model("gemma3").eval()
    asked, how = several([[3, 4, 5], [3, 4, 6]], 3, temperature=0.3, top_p=0.95)
    expected, found = plain(model, asked, how, new_tokens=100), []
    shapes = fed_shapes(model, lambda: found.extend(drawn(model, asked, how, new_tokens=100)))
    assert found == expected
    assert len(shapes) < 100, "no guess was right"
    assert sum(rows * tokens for rows, tokens in shapes) > 1.1 * 100 * len(asked), "none was wrong"


def test_all_places_fed_equally_as_on_a_cuda_device(model, monkeypatch):
    build = Places.__init__

    def as_on_cuda(self, *arguments):
        build(self, *arguments)
        self.cuda = True

    monkeypatch.setattr(Places, "__init__", as_on_cuda)
    asked, how = several([[3, 4, 5], [3, 4, 6]], 4, temperature=0.3)
    expected = plain(model, asked, how, new_tokens=2 * WINDOW)
    assert drawn(model, asked, how, new_tokens=2 * WINDOW) == expected
    shapes = fed_shapes(model, lambda: drawn(model, asked, how, new_tokens=2 * WINDOW))
    assert shapes[-1][1] % (1 + places.GUESSES_CUDA) == 0


def test_padded_decoding_draws_the_same():
    model = make_linear_attention_model().eval()
    prompts = [[token % 64 for token in prompt] for prompt in different(3, 9)] + [[5, 6]]
    asked, how = several(prompts, 3)
    expected = plain(model, asked, how)
    for batch_size in (1, 5, 64):
        assert drawn(model, asked, how, batch_size=batch_size) == expected
    eos = {Counter(reply[3] for reply in expected).most_common(1)[0][0]}
    expected = plain(model, asked, how, eos)
    assert len(set(map(len, expected))) > 1
    assert drawn(model, asked, how, eos) == expected
    computed = computed_tokens(model, lambda: drawn(model, asked, how, new_tokens=1, batch_size=64))
    assert computed == 4 * 9, "prompts are computed once each, padded"


@pytest.mark.parametrize("batch_size", [5, 8, 12, 64])
def test_a_prompt_is_computed_once_for_all_its_replies(model, batch_size):
    """Whether its replies fill several batches, share one, or there is one batch for all."""
    prompts = different()
    asked, how = several(prompts, 8)
    computed = computed_tokens(
        model, lambda: drawn(model, asked, how, new_tokens=1, batch_size=batch_size)
    )
    probes = computed_tokens(model, lambda: drawn(model, [], how))  # whether it can be shared
    heads = sum(len(prompt) - 1 for prompt in prompts)
    assert computed == probes + heads + len(asked)


def test_prompts_of_several_lengths_are_computed_once_where_rows_have_room():
    """A row that is padded anyway would have room to compute a short prompt again."""
    heads = [[1, *range(50, 90)], [2, 7, 8], [3, 7, 8]]
    rows = lay_out([head for head in heads for _ in range(4)], knee=100.0)
    assert sum(len(row.ids) for _, row in rows) == sum(map(len, heads))
    assert sorted(s for members, _ in rows for s in members) == list(range(12))
    for members, row in rows:
        for slot, s in enumerate(members):
            assert [row.ids[column] for column in row.columns[slot]] == heads[s // 4]


def test_equal_heads_that_are_empty_share_a_row():
    rows = lay_out([[], [], [4, 5], [4, 5], []], knee=100.0)
    assert [members for members, _ in rows] == [[2, 3, 0, 1, 4]]
    assert [len(columns) for columns in rows[0][1].columns] == [2, 2, 0, 0, 0]


def goodness(counts: Counter, likely: np.ndarray) -> float:
    """The p-value of Pearson's chi-square test; tokens of small expectation are taken together."""
    draws = sum(counts.values())
    large = [token for token in range(len(likely)) if draws * likely[token] >= 5]
    observed = [counts[token] for token in large]
    expected = [draws * likely[token] for token in large]
    rest = draws - sum(expected)
    if rest > 1e-6 * draws:
        observed, expected = [*observed, draws - sum(observed)], [*expected, rest]
    assert len(observed) > 2
    return float(chisquare(observed, np.array(expected) * draws / sum(expected)).pvalue)


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.6, 1.0), (1.3, 0.8), (0.7, 0.5)])
def test_frequencies_are_the_probabilities(temperature, top_p):
    model = make_model("llama", initializer_range=0.2).eval()  # it has opinions
    prompt, number = [3, 4, 5, 6], 4000
    how = Sampling(temperature, top_p, range(number))
    replies = drawn(model, [prompt] * number, how, new_tokens=2, batch_size=500)
    with torch.no_grad():
        first = exact(model(torch.tensor([prompt])).logits[0, -1], temperature, top_p)
        counts = Counter(reply[0] for reply in replies)
        assert goodness(counts, first) > 0.01
        assert all(first[token] > 0 for token in counts), "drawn outside of top_p"
        [(token, _)] = counts.most_common(1)
        second = exact(model(torch.tensor([[*prompt, token]])).logits[0, -1], temperature, top_p)
        behind = Counter(reply[1] for reply in replies if reply[0] == token)
    assert goodness(behind, second) > 0.01


@pytest.mark.parametrize("spread", [0.5, 4.0])
@pytest.mark.parametrize("top_p", [0.1, 0.5, 0.9, 0.999])
def test_large_vocabularies_are_cut_as_small_ones(spread, top_p):
    """Whether the likeliest thousand hold the share, or all have to be sorted."""
    generator = torch.Generator().manual_seed(0)
    logits = spread * torch.randn(70, 5000, generator=generator)
    numbers = torch.rand(70, generator=generator, dtype=torch.float64)
    found = choose(logits, Sampling(0.9, top_p, []), numbers).tolist()
    for row, number, token in zip(logits, numbers.tolist(), found, strict=True):
        mass = np.cumsum(exact(row, 0.9, top_p))
        assert mass[token] > number - 1e-5 and (token == 0 or mass[token - 1] <= number + 1e-5)


def test_the_ends_of_the_numbers_draw_tokens_that_can_be_drawn():
    logits = torch.tensor([[-9.0, 1.0, 2.0, 1.5, -9.0]]).repeat(2, 1)
    last = float(np.nextafter(1.0, 0.0))
    for device in ("cpu", "mps"):  # which knows no float64
        numbers = on_device([0.0, last], torch.device("cpu"))
        if device == "mps":
            numbers = torch.tensor([0.0, last]).clamp(max=1 - torch.finfo(torch.float32).eps / 2)
        assert choose(logits, Sampling(1.0, 0.9, []), numbers).tolist() == [1, 3]


def test_a_model_of_no_numbers_says_something():
    """Its replies are worthless, and scored so; the other checkpoints go on."""
    nan = torch.full((3, 7), torch.nan)
    tokens = choose(nan, Sampling(1.0, 0.9, []), on_device([0.0, 0.5, 0.9], torch.device("cpu")))
    assert all(0 <= token < 7 for token in tokens.tolist())


def test_numbers_are_the_same_everywhere_and_for_ever():
    """Philox4x64-10 with the seed as key: replies of today are those of tomorrow."""
    how = Sampling(1.0, 1.0, [5, 6])
    assert how.numbers(0, 3).tolist() == PINNED
    assert how.numbers(0, 9)[:3].tolist() == PINNED, "a longer reply begins alike"
    assert set(how.numbers(1, 9)).isdisjoint(how.numbers(0, 9))
    many = how.numbers(0, 100_000)
    assert many.min() >= 0 and many.max() < 1
    assert abs(many.mean() - 0.5) < 0.005


def test_checkpoints_that_differ_little_mostly_draw_the_same():
    """So the difference of base and tuned is less noisy than with seeds of their own."""
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2000, 300, generator=generator)
    tuned = logits + 0.1 * torch.randn(2000, 300, generator=generator)
    one, other = torch.rand(2, 2000, generator=generator, dtype=torch.float64)
    how = Sampling(1.0, 1.0, [])
    base = choose(logits, how, one)
    same = (base == choose(tuned, how, one)).float().mean()
    apart = (base == choose(tuned, how, other)).float().mean()
    assert same > 0.75 > 3 * apart


PINNED = [0.7337459554446363, 0.5905206445727093, 0.20780894066207112]
