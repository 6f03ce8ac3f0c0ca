"""The `hf` engine: generation with transformers, in this process.

Prompts that begin alike are computed once where they are alike, several replies to one prompt among
them, and long replies are written side
by side (`sftstudy.prefix_sharing.generate`).
"""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftstudy.errors import StudyError
from sftstudy.prediction.engine import Generated, Machine, Sampling, decode, end_tokens
from sftstudy.prediction.packed import pack
from sftstudy.students.models import free_memory, load_model, pick_device, require_embedded

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

COMPUTES_WITH = ("torch", "transformers", "tokenizers", "flash_attn", "kernels")
# What is computed at a time; bounds memory, not results. What is left of the memory is for what is
# computed with the cache.
SHARE_FOR_CACHE = 0.25  # of the memory that is free
TOKENS_UNKNOWN = 32_768  # where nobody says how much is free
PROMPTS_ON_CPU = 128  # products with weights gain little from more tokens in a step
PROMPTS = 1024  # laying prompts out takes time by the square of their number
TELL_SECONDS = 30.0  # how often replies that take long say how far they are


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
    """A checkpoint, loaded once, that replies to prompts."""

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
        pack(self.model)
        self.tokens_per_batch = tokens_that_fit(self.model, machine.memory)

    def generate(
        self, prompts: list[list[int]], max_new_tokens: int, sampling: Sampling | None
    ) -> Iterator[Generated]:
        """Yield the replies to tokenised prompts, in an order of its own, as they are ready.

        Where memory does not suffice it goes on with half as many prompts at a time. Raises
        `StudyError` when it does not suffice for a single one, or for tokens without embedding.
        """
        require_embedded(self.model, prompts)
        left = list(range(len(prompts)))
        while left:
            longest = max(len(prompts[i]) for i in left) + max_new_tokens
            size = at_a_time(self.model, self.tokens_per_batch, longest)
            size = min(len(left), size, self.batch_size or size)
            done: set[int] = set()
            progress = _Progress(len(prompts) - len(left), len(prompts), max_new_tokens)
            own = sampling and sampling._replace(seeds=[sampling.seeds[i] for i in left])
            replies = self._replies([prompts[i] for i in left], max_new_tokens, own, size, progress)
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
        sampling: Sampling | None,
        batch_size: int,
        progress: "_Progress",
    ) -> Iterator[Generated]:
        """Yield replies; end early where memory does not suffice."""
        import torch

        from sftstudy.prefix_sharing import sampling as drawing
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
                sampling=drawing.Sampling(*sampling) if sampling else None,
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
        self.before, self.done, self.replies, self.most = done, done, replies, most
        self.began = self.told = time.monotonic()
        self.written = 0

    def step(self, tokens: int, going: int) -> None:
        """A step has brought so many tokens, and so many replies go on behind it."""
        self.written += tokens
        now = time.monotonic()
        if now - self.told < TELL_SECONDS:
            return
        self.told = now
        rate = self.written / (now - self.began)
        left = (self.replies - self.before) * self._expected() - self.written
        print(
            f"{self.done} of {self.replies} replies, {going} being written; {self.written} tokens, "
            f"{rate:.0f} a second; about {max(left, 0) / rate:.0f} s more",
            flush=True,
        )

    def _expected(self) -> float:
        """Tokens of a reply: all that were written over the replies that ended, which counts those
        that are being written for what they have by now; at most the limit."""
        ended = self.done - self.before
        return min(self.most, self.written / ended) if ended else self.most


def at_a_time(model: "PreTrainedModel", tokens: int, longest: int) -> int:
    """Return how many prompts, of at most `longest` tokens with their replies, are decoded together
    where so many tokens fit."""
    most = PROMPTS_ON_CPU if model.device.type == "cpu" else PROMPTS
    return min(most, max(1, tokens // longest))


def tokens_that_fit(model: "PreTrainedModel", limit: int | None) -> int:
    """Return how many tokens' keys and values have room in a part of the free memory.

    limit: MiB of main memory that this job may take, None: what is there.
    """
    config = model.config.get_text_config()
    heads = config.num_attention_heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
    values = 2 * config.num_hidden_layers * config.num_key_value_heads * head_dim
    free = free_memory(model.device, limit)
    if free is None:
        return TOKENS_UNKNOWN
    return max(0, int(SHARE_FOR_CACHE * free / (values * model.dtype.itemsize)))
