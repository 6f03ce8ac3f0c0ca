"""Predicting a suite: several eval sets with one checkpoint, loaded once and only if needed."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftstudy.documents.decoding import Decoding
from sftstudy.documents.replies import DROPPED
from sftstudy.documents.rows import read_prompts
from sftstudy.errors import StudyError
from sftstudy.files.hashing import sha256_json
from sftstudy.files.ledger import LEDGER
from sftstudy.files.writing import write_jsonl
from sftstudy.prediction.engine import Asked, Engine, Kept, Machine, answers
from sftstudy.prediction.journal import Journal
from sftstudy.prediction.maker import (
    Made,
    Maker,
    differences,
    engine_module,
    engine_name,
    made_now,
    maker,
)
from sftstudy.prediction.rendering import open_tokenizer, rendered
from sftstudy.students.chat import token_ids
from sftstudy.students.checkpoints import Watched, parameter_count, require_weights
from sftstudy.students.limits import require_positions, without_room

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class EvalSet:
    """Rows to reply to, the most tokens of a reply, and the file that takes the predictions.

    decoding: how many replies each row gets and how they are drawn; None: one greedy reply.
    """

    data: Path
    max_new_tokens: int
    output: Path
    decoding: Decoding | None = None


@dataclass(frozen=True)
class _Question:
    """The prompt of a row as tokens, and the name of this question in the journal.

    One that is dropped is too long for a reply, and is not asked.
    """

    row: str
    key: str
    asked: Asked
    dropped: bool


def predict(
    checkpoint: Path,
    evalsets: list[EvalSet],
    generation: dict[str, Any],
    machine: Machine | None = None,
    drop_overlong: bool = False,
) -> None:
    """Write the predictions of every eval set.

    `generation` holds ``attention``, ``chat_template_kwargs``, ``dtype``, ``max_length`` and,
    unless it is hf, ``engine``; a judge's also the keys of `rendering`. What the journal knows is
    not generated again; if it knows all, no model is loaded. With `drop_overlong`, rows without
    room for a reply are marked as dropped. Raises `StudyError` if there are such rows otherwise, if
    `max_length` is more than the checkpoint has positions for, or if the checkpoint is replaced
    meanwhile.
    """
    machine = machine or Machine()
    us = maker(generation, machine)
    journal = Journal(evalsets[0].output, us)
    watched = Watched(checkpoint)
    require_positions(checkpoint, generation["max_length"], str(checkpoint))
    tokenizer = open_tokenizer(checkpoint, generation)
    asked = [
        _questions(evalset, tokenizer, watched.sha256, generation, drop_overlong)
        for evalset in evalsets
    ]
    used: list[str] = []  # names in the journal, one a reply
    fresh: set[str] = set()  # those that were not there before
    read = 0  # tokens of prompts that were asked for them, those of equal ones once
    evalsets_told: list[dict[str, Any]] = []
    with ExitStack() as stack:
        began = time.monotonic()
        engine: Engine | None = None
        for evalset, questions in zip(evalsets, asked, strict=True):
            kept = [question for question in questions if not question.dropped]
            unanswered = [question for question in kept if question.key not in journal]
            if unanswered:
                if engine is None:
                    require_weights(checkpoint)
                    opened = _opened(checkpoint, tokenizer, generation, machine)
                    engine = stack.enter_context(opened)
                _tell_replaced(evalset, journal, unanswered, us)
                _answer(engine, journal, evalset, unanswered, watched, made_now(us))
            watched.require_same()
            write_jsonl(evalset.output, _lines(evalset, questions, journal))
            used += [question.key for question in kept]
            fresh |= {question.key for question in unanswered}
            read += sum(map(len, {tuple(question.asked.prompt) for question in unanswered}))
            evalsets_told.append(_told(evalset, kept, journal))
            _say(evalset, len(kept), len(kept) - len(unanswered), len(questions) - len(kept))
    journal.compact(used)
    replies = [journal[key] for key in used]
    LEDGER.note(
        replies=len(replies),
        prompt_tokens=sum(reply["prompt_tokens"] for reply in replies),
        completion_tokens=sum(reply["completion_tokens"] for reply in replies),
        evalsets=evalsets_told,
    )
    _note_known(journal, [key for key in used if key not in fresh])
    if fresh:
        seconds = time.monotonic() - began
        made = [journal[key] for key in fresh]
        _note_cost(checkpoint, generation, machine, made, read, seconds)


def _questions(
    evalset: EvalSet,
    tokenizer: "PreTrainedTokenizerBase",
    weights: str,
    generation: dict[str, Any],
    drop_overlong: bool,
) -> list[_Question]:
    rows, limit = read_prompts(evalset.data), evalset.max_new_tokens
    if not rows:
        raise StudyError(f"{evalset.data}: holds no rows; there is nothing to reply to")
    texts = [
        rendered(tokenizer, row["prompt"], generation, f"{evalset.data}, row {row['id']!r}")
        for row in rows
    ]
    prompts, ids = token_ids(tokenizer, texts), [row["id"] for row in rows]
    dropped = without_room(
        ids,
        [len(prompt) for prompt in prompts],
        limit,
        generation["max_length"],
        drop_overlong,
        str(evalset.data),
    )
    left_out = set(dropped)
    return [
        _Question(
            row, _key(weights, asked, limit, generation, evalset.decoding), asked, row in left_out
        )
        for row, prompt in zip(ids, prompts, strict=True)
        for number in range(_replies(evalset) if row not in left_out else 1)
        for asked in [Asked(prompt, number)]
    ]


def _replies(evalset: EvalSet) -> int:
    """Return how many replies each row gets."""
    return evalset.decoding["samples"] if evalset.decoding else 1


def _lines(
    evalset: EvalSet, questions: Iterable[_Question], journal: Journal
) -> Iterator[dict[str, Any]]:
    """Yield the lines of the predictions, with the number of the reply where rows get several."""
    for question in questions:
        if question.dropped:
            empty = {"text": "", "finish_reason": DROPPED, "completion_tokens": 0}
            yield {"id": question.row, **empty, "prompt_tokens": len(question.asked.prompt)}
        elif _replies(evalset) == 1:
            yield {"id": question.row, **journal[question.key]}
        else:
            sample = question.asked.sample
            yield {"id": question.row, "sample": sample, **journal[question.key]}


def _told(evalset: EvalSet, kept: list[_Question], journal: Journal) -> dict[str, Any]:
    """Return what is told of an eval set in the record: a forecast is made of it."""
    return {
        "evalset": evalset.output.stem,
        "replies": len(kept),
        "replies_to_each": _replies(evalset),
        "prompt_tokens": sum(len(q.asked.prompt) for q in kept if q.asked.sample == 0),
        "completion_tokens": sum(journal[q.key]["completion_tokens"] for q in kept),
    }


def _say(evalset: EvalSet, replies: int, known: int, dropped: int) -> None:
    more = f", {dropped} rows dropped as too long" if dropped else ""
    print(f"{evalset.output.name}: {replies} replies, {known} known before{more}", flush=True)


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
    asked = {question.key: question.asked for question in unanswered}
    tenth = max(1, len(asked) // 10)
    replies = answers(engine, asked, evalset.max_new_tokens, evalset.decoding)
    for done, (key, reply) in enumerate(replies, start=1):
        watched.require_same()
        journal.add(key, reply, made)
        if done % tenth == 0 or done == len(asked):
            print(f"{evalset.output.stem}: {done}/{len(asked)} replies", flush=True)


def _key(
    weights: str,
    asked: Asked,
    max_new_tokens: int,
    generation: dict[str, Any],
    decoding: Decoding | None,
) -> str:
    """Name a question by all of the study that determines the reply to it.

    Of several replies to a prompt each is one question, whatever their number.
    """
    drawn = {}
    if decoding:
        drawn = {
            "temperature": decoding["temperature"],
            "top_p": decoding["top_p"],
            "sample": asked.sample,
        }
    return sha256_json(
        {
            "checkpoint": weights,
            "prompt": asked.prompt,
            "max_new_tokens": max_new_tokens,
            "dtype": generation["dtype"],
            "attention": generation["attention"],
            # They have a say in where a reply ends.
            "chat_template_kwargs": generation["chat_template_kwargs"],
            **drawn,
        }
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
    replies: list[Kept],
    read: int,
    seconds: float,
) -> None:
    """Enter what the replies that were generated now have cost into the record of this job."""
    tokens = sum(reply["prompt_tokens"] + reply["completion_tokens"] for reply in replies)
    LEDGER.note(
        engine=engine_name(generation),
        dtype=generation["dtype"],
        generated_replies=len(replies),
        generated_tokens=tokens,
        computed_tokens=read + sum(reply["completion_tokens"] for reply in replies),
        gpu_seconds=round(seconds * max(1, machine.gpus), 3),
        # Two operations per token and weight; what prefixes share counts as if it were not.
        flops=2.0 * tokens * parameter_count(checkpoint),
    )
