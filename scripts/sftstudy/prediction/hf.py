"""The `hf` engine: greedy generation with transformers, in this process.

Prompts that begin alike are computed once where they are alike (`sftstudy.prefix_sharing`); prompts
that share nothing are decoded in padded batches, the longest first.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftstudy.errors import StudyError
from sftstudy.prediction.engine import Generated, Machine, decode, end_tokens
from sftstudy.students.models import load_model, pick_device, require_embedded

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

COMPUTES_WITH = ("torch", "transformers", "tokenizers", "flash_attn", "kernels")
TOKENS_PER_BATCH = 32_768  # prompt and reply, padding included; bounds memory, not results


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
        self.tokens_per_batch = TOKENS_PER_BATCH
        self.model = load_model(checkpoint, generation["dtype"], generation["attention"])
        self.model.to(pick_device())  # type: ignore[arg-type]  # transformers' type forgets `self`
        self.model.eval()

    def generate(self, prompts: list[list[int]], max_new_tokens: int) -> Iterator[Generated]:
        """Yield the replies to tokenised prompts, in an order of its own, as they are ready.

        Where memory does not suffice it goes on with half as many prompts at a time. Raises
        `StudyError` when it does not suffice for a single one, or for tokens without embedding.
        """
        require_embedded(self.model, prompts)
        left = list(range(len(prompts)))
        while left:
            longest = max(len(prompts[i]) for i in left) + max_new_tokens
            size = min(len(left), max(1, self.tokens_per_batch // longest))
            size = min(size, self.batch_size or size)
            done: set[int] = set()
            replies = self._replies([prompts[i] for i in left], max_new_tokens, size)
            for reply in replies:
                done.add(reply.index)
                yield Generated(left[reply.index], reply.text, reply.tokens, reply.finish_reason)
            left = [index for place, index in enumerate(left) if place not in done]
            if left:
                self._shrink(size, longest)

    def _replies(
        self, prompts: list[list[int]], max_new_tokens: int, batch_size: int
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
