"""Replies of the real student: token by token those of transformers' greedy `generate`."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from real.conftest import Rows
from sftstudy.data.splits import limit_rows
from sftstudy.documents.rows import Row
from sftstudy.prediction.engine import Machine
from sftstudy.prefix_sharing.trie import common_prefix
from sftstudy.tasks.registry import CONTROLS, TASKS

pytestmark = pytest.mark.real

PROMPTS = 40
ENOUGH = 500  # tokens of a prompt; those of banking77 have 880
BATCH = 8  # of transformers' `generate`
SHORT = 8  # tokens of a reply
LONG_PROMPTS, LONG = 6, 300
GENERATION = {"dtype": "float32", "attention": "sdpa", "chat_template_kwargs": {}}


@pytest.fixture(scope="module")
def engine(smollm2: Path) -> Iterator[Any]:
    """The `hf` engine on the student in float32, in which no rounding excuses a difference."""
    from sftstudy.prediction import hf
    from sftstudy.students.chat import load_tokenizer

    with hf.opened(smollm2, load_tokenizer(smollm2, {}), GENERATION, Machine()) as opened:
        yield opened


def prompts(engine: Any, found: list[Row]) -> list[list[int]]:
    """Return the prompts of rows as tokens."""
    from sftstudy.students.chat import render_prompt, token_ids

    texts = [render_prompt(engine.tokenizer, row["prompt"], {}) for row in found]
    return token_ids(engine.tokenizer, texts)


def some_prompts(engine: Any, rows: Rows, name: str) -> list[list[int]]:
    """Return prompts of an eval set, short ones where there are so many.

    Of TAT-QA they are the first, on whole documents, as an eval set holds them.
    """
    found = rows(name)
    if name != "tatqa":
        found = limit_rows(found, 4 * PROMPTS, 0, "real")
    asked = prompts(engine, found)
    short = [prompt for prompt in asked if len(prompt) <= ENOUGH]
    return (short if len(short) >= PROMPTS else asked)[:PROMPTS]


def asks_for_words(row: Row) -> bool:
    """Say whether a row of IFEval asks for at least so many words, some hundred."""
    named = zip(row["reference"]["instruction_id_list"], row["reference"]["kwargs"], strict=True)
    return any(
        name == "length_constraints:number_words" and values["relation"] == "at least"
        for name, values in named
    )


def by_generate(engine: Any, asked: list[list[int]], tokens: int, root: int) -> list[list[int]]:
    """Return the replies of transformers' `generate` to padded batches, the longest first.

    The first `root` tokens, which all prompts have in common, it finds in a cache of its own.
    """
    import torch
    from transformers import DynamicCache, GenerationConfig

    [end] = engine.end_tokens
    config = GenerationConfig(
        do_sample=False, max_new_tokens=tokens, eos_token_id=end, pad_token_id=end
    )
    known = DynamicCache(config=engine.model.config)
    if root:
        with torch.no_grad():
            engine.model(torch.tensor([asked[0][:root]]), past_key_values=known, use_cache=True)
    order = sorted(range(len(asked)), key=lambda i: len(asked[i]), reverse=True)
    replies: dict[int, list[int]] = {}
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        length = len(asked[batch[0]])
        padding = [length - len(asked[i]) for i in batch]
        ids, seen = (
            torch.tensor(
                [
                    [*first(i)[:root], *([pad] * short), *first(i)[root:]]
                    for i, short in zip(batch, padding, strict=True)
                ]
            )
            for pad, first in ((end, lambda i: asked[i]), (0, lambda i: [1] * len(asked[i])))
        )
        cache = None
        if root:
            cache = copy.deepcopy(known)
            cache.batch_repeat_interleave(len(batch))
        made = engine.model.generate(
            ids, attention_mask=seen, past_key_values=cache, generation_config=config
        )
        for i, reply in zip(batch, made[:, length:].tolist(), strict=True):
            replies[i] = reply[: reply.index(end) + 1] if end in reply else reply
    return [replies[i] for i in range(len(asked))]


def by_us(engine: Any, asked: list[list[int]], tokens: int) -> list[list[int]]:
    """Return the replies of our decoding."""
    from sftstudy.prefix_sharing.generate import generate_shared

    [end] = engine.end_tokens
    replies = generate_shared(
        engine.model,
        asked,
        max_new_tokens=tokens,
        eos_token_ids={end},
        pad_token_id=end,
        batch_size=32,
    )
    return [reply.tokens for reply in sorted(replies)]


@pytest.mark.parametrize("name", TASKS + CONTROLS)
def test_short_replies_are_those_of_generate(engine: Any, name: str, real_rows: Rows) -> None:
    asked = some_prompts(engine, real_rows, name)
    root = common_prefix(min(asked), max(asked))
    assert by_us(engine, asked, SHORT) == by_generate(engine, asked, SHORT, root)


def test_long_replies_are_those_of_generate_and_of_the_engine(
    engine: Any, real_rows: Rows, measured: Callable[[str], None]
) -> None:
    wordy = [row for row in real_rows("ifeval") if asks_for_words(row)]
    asked = prompts(engine, wordy[:LONG_PROMPTS])
    replies = by_generate(engine, asked, LONG, root=0)
    lengths = sorted(map(len, replies))
    measured(f"long replies: {len(asked)} of {lengths[0]} to {lengths[-1]} tokens")
    assert lengths[len(lengths) // 2] == LONG, "long ones, most of them"
    made = {reply.index: reply for reply in engine.generate(asked, LONG, None)}
    for i, tokens in enumerate(replies):
        said = [token for token in tokens if token not in engine.end_tokens]
        assert made[i].text == engine.tokenizer.decode(said), asked[i]
        assert made[i].tokens == len(said)
        assert made[i].finish_reason == ("length" if len(said) == LONG else "stop")
