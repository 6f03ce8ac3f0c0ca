"""Ways of replying greedily, for benchmarks to compare.

Each takes a causal LM in evaluation mode, tokenised prompts, the most new tokens of a reply, and
the token that ends one. It returns a reply for each prompt, in their order: its new tokens, the end
token included where the model wrote it.
"""

from collections.abc import Callable
from typing import Any

Replies = list[list[int]]
Decoder = Callable[[Any, list[list[int]], int, int], Replies]

# Of a page table on a CPU, where transformers would take 0.6 of all memory and masks for 8,192
# tokens at a time.
PAGE = 256  # tokens
PROMPT_TOKENS = 2048  # computed at a time


def at_a_time(model: Any, prompts: list[list[int]], limit: int) -> int:
    """How many prompts engine hf would decode together."""
    from sftstudy.prediction import hf

    longest = max(map(len, prompts)) + limit
    return min(len(prompts), hf.at_a_time(model, hf.tokens_that_fit(model, None), longest))


def until(tokens: list[int], end_token: int) -> list[int]:
    """Return tokens up to the first end token, which stays."""
    return tokens[: tokens.index(end_token) + 1] if end_token in tokens else tokens


def greedy(limit: int, end_token: int) -> Any:
    """Return transformers' settings."""
    from transformers import GenerationConfig

    return GenerationConfig(
        do_sample=False, max_new_tokens=limit, eos_token_id=end_token, pad_token_id=end_token
    )


def with_generate(model: Any, prompts: list[list[int]], limit: int, end_token: int) -> Replies:
    """Reply with transformers' `generate`: left-padded batches, as large as engine hf's."""
    import torch

    size = at_a_time(model, prompts, limit)
    replies = []
    for start in range(0, len(prompts), size):
        batch = prompts[start : start + size]
        length = max(map(len, batch))
        ids = [[end_token] * (length - len(p)) + p for p in batch]
        mask = [[0] * (length - len(p)) + [1] * len(p) for p in batch]
        output = model.generate(
            torch.tensor(ids, device=model.device),
            attention_mask=torch.tensor(mask, device=model.device),
            generation_config=greedy(limit, end_token),
        )
        replies += [until(row, end_token) for row in output[:, length:].tolist()]
    return replies


def with_continuous_batching(
    model: Any, prompts: list[list[int]], limit: int, end_token: int
) -> Replies:
    """Reply with transformers' continuous batching; on a CPU with a cache as large as engine hf's.

    Raises `RuntimeError` where it leaves prompts without a reply.
    """
    from transformers import ContinuousBatchingConfig

    paged = None
    if model.device.type == "cpu":
        pages = -(-(max(map(len, prompts)) + limit) // PAGE)
        paged = ContinuousBatchingConfig(
            page_size=PAGE,
            num_blocks=at_a_time(model, prompts, limit) * pages,
            max_batch_tokens=PROMPT_TOKENS,
        )
    attention = model.config._attn_implementation
    try:
        found = model.generate_batch(
            inputs=prompts,
            generation_config=greedy(limit, end_token),
            continuous_batching_config=paged,
        )
    finally:
        model.set_attn_implementation(attention)
    outputs = list(found.values())  # in the order of the prompts
    if len(outputs) != len(prompts) or any(output.error for output in outputs):
        errors = sorted({output.error for output in outputs if output.error})
        raise RuntimeError(f"{len(outputs)} replies to {len(prompts)} prompts; errors: {errors}")
    return [until(list(output.generated_tokens), end_token) for output in outputs]


def with_ours(model: Any, prompts: list[list[int]], limit: int, end_token: int) -> Replies:
    """Reply as engine hf does."""
    from sftstudy.prefix_sharing.generate import generate_shared

    replies = generate_shared(
        model,
        prompts,
        max_new_tokens=limit,
        eos_token_ids={end_token},
        pad_token_id=end_token,
        batch_size=at_a_time(model, prompts, limit),
    )
    return [reply.tokens for reply in sorted(replies)]


WAYS: dict[str, Decoder] = {
    "generate": with_generate,
    "continuous batching": with_continuous_batching,
    "ours": with_ours,
}
