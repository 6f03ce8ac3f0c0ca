"""What an engine is: something that holds one checkpoint and replies to tokenised prompts.

`hf` computes in this process, `vllm` in vLLM's offline engine, `openai` asks a server. Each is a
module of that name with a function `opened`, so that a change of one reruns nothing of the others.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypedDict

from sftstudy.documents.decoding import Decoding
from sftstudy.errors import StudyError
from sftstudy.files.hashing import sha256_json
from sftstudy.files.reading import read_json
from sftstudy.students.chat import turn_end

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Generated:
    """One reply: which prompt it answers, its text, how many tokens it took, and why it ended."""

    index: int
    text: str  # without special tokens, otherwise unchanged
    tokens: int
    finish_reason: Literal["stop", "length"]


@dataclass(frozen=True)
class Machine:
    """What a job computes with. None of it is a parameter of the study: changing it reruns nothing.

    gpus: of this job, the tensor parallel size of vllm; batch_size: the most prompts at a time of
    hf, None: as many as fit; serve: the command that starts a server for openai, None: one runs
    already; requests: the most that a server is asked at a time; enforce_eager: vllm compiles
    nothing; memory: MiB of main memory that the job may take, None: what is there.
    """

    gpus: int = 0
    batch_size: int | None = None
    serve: str | None = None
    requests: int = 16
    enforce_eager: bool = False
    memory: int | None = None


class Asked(NamedTuple):
    """A prompt as tokens, and which of the replies to it is asked for: 0, 1, ..."""

    prompt: list[int]
    sample: int = 0


class Sampling(NamedTuple):
    """How replies are drawn: at a temperature above 0, from the likeliest tokens that together hold
    `top_p` of the probability (1: all), and by a seed for each prompt."""

    temperature: float
    top_p: float
    seeds: list[int]


class Engine(Protocol):
    """A checkpoint that replies to prompts."""

    def generate(
        self, prompts: list[list[int]], max_new_tokens: int, sampling: Sampling | None
    ) -> Iterator[Generated]:
        """Yield the replies to tokenised prompts, in an order of its own, as they are ready.

        Without `sampling` they are greedy. A prompt may occur several times, with other seeds.
        """
        ...


class Kept(TypedDict):
    """A reply as the journal keeps it: all of a line of predictions but the row's id."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int


def answers(
    engine: Engine,
    asked: Mapping[str, Asked],
    max_new_tokens: int,
    decoding: Decoding | None = None,
) -> Iterator[tuple[str, Kept]]:
    """Yield the name of each question and its reply, as they are ready.

    `decoding` says how replies are drawn; None: they are greedy. Here and not in the suite, whose
    code is not part of an engine's: an edit of what makes a reply must leave no reply known.
    """
    names, prompts = list(asked), [question.prompt for question in asked.values()]
    sampling = None
    if decoding:
        seeds = [seed(question) for question in asked.values()]
        sampling = Sampling(decoding["temperature"], decoding["top_p"], seeds)
    for reply in engine.generate(prompts, max_new_tokens, sampling):
        kept: Kept = {
            "text": reply.text,
            "finish_reason": reply.finish_reason,
            "prompt_tokens": len(prompts[reply.index]),
            "completion_tokens": reply.tokens,
        }
        yield names[reply.index], kept


def seed(question: Asked) -> int:
    """Return the seed of a reply, of 31 bits: every engine and server takes such a one.

    It hangs on the prompt's tokens and the number of the reply alone, not on checkpoint, batch or
    order. So base and tuned checkpoint are asked with the same luck, and their difference is less
    noisy than either.
    """
    return int(sha256_json([question.prompt, question.sample])[:8], 16) >> 1


def end_tokens(
    checkpoint: Path, tokenizer: "PreTrainedTokenizerBase", chat_template_kwargs: dict[str, Any]
) -> set[int]:
    """Return the tokens that end a reply: the tokenizer's, those of generation_config.json, and the
    one that the chat template writes behind a reply.

    Nothing else of that file is read: a repetition penalty, for example, would leak into replies.
    Where it is missing, the template's token is often the only one that a trained model says.
    Raises `StudyError` when there is none.
    """
    file = checkpoint / "generation_config.json"
    stated: Any = read_json(file).get("eos_token_id") if file.is_file() else None
    stated = stated if isinstance(stated, list) else [stated]
    found = {tokenizer.eos_token_id, turn_end(tokenizer, chat_template_kwargs), *stated} - {None}
    if not found:
        raise StudyError(
            f"{checkpoint}: no token ends a reply: the tokenizer has no eos_token, there is no "
            "eos_token_id in a generation_config.json, and the chat template writes no special "
            "token behind replies; set eos_token in a local copy's tokenizer_config.json"
        )
    return found


def decode(
    tokenizer: "PreTrainedTokenizerBase", tokens: list[int], special_tokens: bool = False
) -> str:
    """Return the text of tokens, unchanged but for special tokens, which are left out or not."""
    text = tokenizer.decode(
        tokens, skip_special_tokens=not special_tokens, clean_up_tokenization_spaces=False
    )
    assert isinstance(text, str), "of one sequence"
    return text
