"""The `hf` engine: greedy generation with transformers, in this process.

Prompts that begin alike are computed once where they are alike (`sftstudy.prefix_sharing`); prompts
that share nothing are decoded in padded batches, the longest first.
"""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftstudy.errors import StudyError
from sftstudy.prediction.engine import Generated, Machine, decode, end_tokens
from sftstudy.students.models import load_model, pick_device, require_embedded

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

COMPUTES_WITH = ("torch", "transformers", "tokenizers", "flash_attn", "kernels")
# What is computed at a time; bounds memory, not results. Tokens are those of prompt and reply,
# padding included. What is left of a GPU's memory is for what is computed with the cache.
TOKENS_ON_CPU = 32_768
SHARE_FOR_CACHE = 0.25  # of the memory of a GPU that is free
PROMPTS = 1024  # laying prompts out takes time by the square of their number
TELL_SECONDS = 30.0  # how often a batch that takes long says how far it is


@contextmanager
def opened(
    checkpoint: Path,
    tokenizer: "PreTrainedTokenizerBase",
    generation: dict[str, Any],
    machine: Machine,
) -> Iterator["HFEngine"]:
    """Load a checkpoint; `generation` as in `sftstudy.prediction.suite.predict`."""
    yield HFEngine(checkpoint, tokenizer, generation, machine)


class HFEngine:
    """A checkpoint, loaded once, that replies to prompts. Decoding is greedy."""

    def __init__(
        self,
        checkpoint: Path,
        tokenizer: "PreTrainedTokenizerBase",
        generation: dict[str, Any],
        machine: Machine,
    ) -> None:
        self.tokenizer = tokenizer
        self.end_tokens = end_tokens(checkpoint, tokenizer, generation["chat_template_kwargs"])
        self.batch_size = machine.batch_size
        self.model = load_model(checkpoint, generation["dtype"], generation["attention"])
        self.model.to(pick_device())  # type: ignore[arg-type]  # transformers' type forgets `self`
        self.model.eval()
        self.tokens_per_batch = _tokens_that_fit(self.model)

    def generate(self, prompts: list[list[int]], max_new_tokens: int) -> Iterator[Generated]:
        """Yield the replies to tokenised prompts, in an order of its own, as they are ready.

        Where memory does not suffice it goes on with half as many prompts at a time. Raises
        `StudyError` when it does not suffice for a single one, or for tokens without embedding.
        """
        require_embedded(self.model, prompts)
        left = list(range(len(prompts)))
        while left:
            longest = max(len(prompts[i]) for i in left) + max_new_tokens
            size = min(len(left), PROMPTS, max(1, self.tokens_per_batch // longest))
            size = min(size, self.batch_size or size)
            done: set[int] = set()
            progress = _Progress(len(prompts) - len(left), len(prompts), max_new_tokens)
            replies = self._replies([prompts[i] for i in left], max_new_tokens, size, progress)
            for reply in replies:
                done.add(reply.index)
                progress.done += 1
                yield Generated(left[reply.index], reply.text, reply.tokens, reply.finish_reason)
            left = [index for place, index in enumerate(left) if place not in done]
            if left:
                self._shrink(size, longest)

    def _replies(
        self,
        prompts: list[list[int]],
        max_new_tokens: int,
        batch_size: int,
        progress: "_Progress",
    ) -> Iterator[Generated]:
        """Yield replies; end early where memory does not suffice."""
        import torch

        from sftstudy.prefix_sharing.generate import generate_shared

        try:
            for reply in generate_shared(
                self.model,
                prompts,
                max_new_tokens=max_new_tokens,
                eos_token_ids=self.end_tokens,
                pad_token_id=min(self.end_tokens),  # masked, so that any token serves
                batch_size=batch_size,
                watch=progress.step,
            ):
                tokens = [token for token in reply.tokens if token not in self.end_tokens]
                text = decode(self.tokenizer, tokens)
                yield Generated(reply.index, text, len(tokens), reply.finish_reason)
        except torch.OutOfMemoryError as error:
            print(f"out of memory: {str(error).splitlines()[0]}", flush=True)

    def _shrink(self, batch_size: int, longest: int) -> None:
        """Halve what is computed at a time, and return what the failed batch held."""
        import torch

        if batch_size == 1:
            raise StudyError(
                f"one prompt at a time, up to {longest} tokens with its reply, does not fit in the "
                "memory of the device: use one with more memory, or lower the student's "
                "max_length or the task's max_new_tokens; finished replies are kept"
            )
        print(f"{batch_size} prompts at a time are too many; going on with {batch_size // 2}")
        self.tokens_per_batch = batch_size // 2 * longest
        gc.collect()
        if torch.accelerator.is_available():
            torch.accelerator.empty_cache()


class _Progress:
    """Says from time to time how far the replies are: those to an eval set may take an hour."""

    def __init__(self, done: int, replies: int, most: int) -> None:
        self.done, self.replies, self.most = done, replies, most
        self.began = self.told = time.monotonic()
        self.batch_began, self.written = self.began, 0

    def step(self, tokens: int, going: int) -> None:
        """A batch's replies have `tokens` tokens by now, and so many of them go on."""
        now = time.monotonic()
        if tokens == 1:
            self.batch_began = now
        self.written += going
        if now - self.told < TELL_SECONDS:
            return
        self.told = now
        left = (self.most - tokens) * (now - self.batch_began) / tokens
        print(
            f"{self.done} of {self.replies} replies; this batch: {going} go on behind {tokens} of "
            f"at most {self.most} tokens, at most {left:.0f} s more; "
            f"{self.written / (now - self.began):.0f} tokens/s",
            flush=True,
        )


def _tokens_that_fit(model: "PreTrainedModel") -> int:
    """Return how many tokens' keys and values have room in a part of the device's free memory."""
    import torch

    if model.device.type != "cuda":
        return TOKENS_ON_CPU
    config = model.config.get_text_config()
    heads = config.num_attention_heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
    values = 2 * config.num_hidden_layers * config.num_key_value_heads * head_dim
    free, _ = torch.cuda.mem_get_info(model.device)
    return int(SHARE_FOR_CACHE * free / (values * model.dtype.itemsize))
