"""Predicting a suite: several eval sets with one checkpoint, loaded once and only if needed."""

import time
from collections import Counter
from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftstudy.documents.rows import read_prompts
from sftstudy.errors import StudyError
from sftstudy.files.hashing import sha256_json
from sftstudy.files.ledger import LEDGER
from sftstudy.files.writing import write_jsonl
from sftstudy.prediction.engine import Engine, Machine
from sftstudy.prediction.journal import Generated, Journal
from sftstudy.prediction.maker import (
    Made,
    Maker,
    differences,
    engine_module,
    engine_name,
    made_now,
    maker,
)
from sftstudy.students.chat import load_tokenizer, render_prompt, token_ids
from sftstudy.students.checkpoints import Watched, parameter_count, require_weights

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class EvalSet:
    """Rows to reply to, the most tokens of a reply, and the file that takes the predictions."""

    data: Path
    max_new_tokens: int
    output: Path


@dataclass(frozen=True)
class _Question:
    """The prompt of a row as tokens, and the name of this question in the journal."""

    row: str
    key: str
    prompt: list[int]


def predict(
    checkpoint: Path,
    evalsets: list[EvalSet],
    generation: dict[str, Any],
    machine: Machine | None = None,
) -> None:
    """Write the predictions of every eval set.

    `generation` holds ``attention``, ``chat_template_kwargs``, ``dtype``, ``max_length`` and,
    unless it is hf, ``engine``. What the journal knows is not generated again; if it knows all, no
    model is loaded. Raises `StudyError` if the checkpoint is replaced meanwhile.
    """
    machine = machine or Machine()
    us = maker(generation, machine)
    journal = Journal(evalsets[0].output, us)
    watched = Watched(checkpoint)
    tokenizer = load_tokenizer(checkpoint, generation["chat_template_kwargs"])
    used: list[str] = []  # names in the journal, one a row
    fresh: set[str] = set()  # those that were not there before
    with ExitStack() as stack:
        began = time.monotonic()
        engine: Engine | None = None
        for evalset in evalsets:
            questions = _questions(evalset, tokenizer, watched.sha256, generation)
            unanswered = [question for question in questions if question.key not in journal]
            _check_lengths(evalset, unanswered, generation["max_length"])
            if unanswered:
                if engine is None:
                    require_weights(checkpoint)
                    opened = _opened(checkpoint, tokenizer, generation, machine)
                    engine = stack.enter_context(opened)
                _tell_replaced(evalset, journal, unanswered, us)
                _answer(engine, journal, evalset, unanswered, watched, made_now(us))
            watched.require_same()
            write_jsonl(evalset.output, ({"id": q.row, **journal[q.key]} for q in questions))
            used += [question.key for question in questions]
            fresh |= {question.key for question in unanswered}
            known = len(questions) - len(unanswered)
            print(
                f"{evalset.output.name}: {len(questions)} replies, {known} known before", flush=True
            )
    journal.compact(used)
    replies = [journal[key] for key in used]
    LEDGER.note(
        replies=len(replies),
        prompt_tokens=sum(reply["prompt_tokens"] for reply in replies),
        completion_tokens=sum(reply["completion_tokens"] for reply in replies),
    )
    _note_known(journal, [key for key in used if key not in fresh])
    if fresh:
        seconds = time.monotonic() - began
        _note_cost(checkpoint, generation, machine, [journal[key] for key in fresh], seconds)


def _questions(
    evalset: EvalSet,
    tokenizer: "PreTrainedTokenizerBase",
    weights: str,
    generation: dict[str, Any],
) -> list[_Question]:
    rows = read_prompts(evalset.data)
    if not rows:
        raise StudyError(f"{evalset.data}: holds no rows; there is nothing to reply to")
    template = generation["chat_template_kwargs"]
    texts = [render_prompt(tokenizer, row["prompt"], template) for row in rows]
    return [
        _Question(row["id"], _key(weights, prompt, evalset.max_new_tokens, generation), prompt)
        for row, prompt in zip(rows, token_ids(tokenizer, texts), strict=True)
    ]


def _opened(
    checkpoint: Path,
    tokenizer: "PreTrainedTokenizerBase",
    generation: dict[str, Any],
    machine: Machine,
) -> AbstractContextManager[Engine]:
    module = engine_module(engine_name(generation))
    return module.opened(checkpoint, tokenizer, generation, machine)


def _tell_replaced(
    evalset: EvalSet, journal: Journal, unanswered: list[_Question], us: Maker
) -> None:
    """Say how many replies are generated although they are known, and why: versions differ."""
    if replaced := journal.replaced({question.key for question in unanswered}):
        print(
            f"{evalset.output.name}: {len(replaced)} known replies are generated anew: "
            f"{differences(replaced, us)}",
            flush=True,
        )


def _answer(
    engine: Engine,
    journal: Journal,
    evalset: EvalSet,
    unanswered: list[_Question],
    watched: Watched,
    made: Made,
) -> None:
    """Generate the replies into the journal as they are ready; one for equal questions.

    No reply is kept that may be of another checkpoint than the key says: weights of a file that is
    mapped into memory can change while they are used.
    """
    by_key = {question.key: question.prompt for question in unanswered}
    keys, prompts = list(by_key), list(by_key.values())
    tenth = max(1, len(keys) // 10)
    for done, reply in enumerate(engine.generate(prompts, evalset.max_new_tokens), start=1):
        watched.require_same()
        journal.add(
            keys[reply.index],
            {
                "text": reply.text,
                "finish_reason": reply.finish_reason,
                "prompt_tokens": len(prompts[reply.index]),
                "completion_tokens": reply.tokens,
            },
            made,
        )
        if done % tenth == 0 or done == len(keys):
            print(f"{evalset.output.stem}: {done}/{len(keys)} replies", flush=True)


def _key(weights: str, prompt: list[int], max_new_tokens: int, generation: dict[str, Any]) -> str:
    """Name a question by all of the study that determines the reply to it."""
    return sha256_json(
        {
            "checkpoint": weights,
            "prompt": prompt,
            "max_new_tokens": max_new_tokens,
            "dtype": generation["dtype"],
            "attention": generation["attention"],
            # They have a say in where a reply ends.
            "chat_template_kwargs": generation["chat_template_kwargs"],
        }
    )


def _check_lengths(evalset: EvalSet, questions: list[_Question], max_length: int) -> None:
    for question in questions:
        tokens = len(question.prompt)
        if tokens + evalset.max_new_tokens > max_length:
            raise StudyError(
                f"{evalset.data}: row {question.row!r} has a prompt of {tokens} tokens; "
                f"with {evalset.max_new_tokens} for the reply that is over the student's "
                f"max_length of {max_length}: raise max_length or lower max_new_tokens"
            )


def _note_known(journal: Journal, known: Iterable[str]) -> None:
    """Enter into the record of this job who has made the replies that were known."""
    makers: dict[str, Made] = {}
    counts: Counter[str] = Counter()
    for key in known:
        made = journal.made_by(key)
        name = sha256_json(made)
        makers[name] = made
        counts[name] += 1
    if makers:
        LEDGER.note(known_replies=[{"replies": counts[n], **made} for n, made in makers.items()])


def _note_cost(
    checkpoint: Path,
    generation: dict[str, Any],
    machine: Machine,
    replies: list[Generated],
    seconds: float,
) -> None:
    """Enter what the replies that were generated now have cost into the record of this job."""
    tokens = sum(reply["prompt_tokens"] + reply["completion_tokens"] for reply in replies)
    LEDGER.note(
        engine=engine_name(generation),
        dtype=generation["dtype"],
        generated_replies=len(replies),
        generated_tokens=tokens,
        gpu_seconds=round(seconds * max(1, machine.gpus), 3),
        # Two operations per token and weight; what prefixes share counts as if it were not.
        flops=2.0 * tokens * parameter_count(checkpoint),
    )
