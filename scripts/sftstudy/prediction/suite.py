"""Predicting a suite: several eval sets with one checkpoint, loaded once and only if needed."""

import importlib
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sftstudy.documents.rows import Prompt, read_prompts
from sftstudy.errors import StudyError
from sftstudy.files.hashing import sha256_json
from sftstudy.files.ledger import LEDGER
from sftstudy.files.writing import write_jsonl
from sftstudy.prediction.engine import Engine, Machine
from sftstudy.prediction.journal import Journal
from sftstudy.students.chat import load_tokenizer, render_prompt, token_ids
from sftstudy.students.checkpoints import Watched, parameter_count, require_weights

DEFAULT_ENGINE = "hf"


@dataclass(frozen=True)
class EvalSet:
    """Rows to reply to, the most tokens of a reply, and the file that takes the predictions."""

    data: Path
    max_new_tokens: int
    output: Path


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
    journal = Journal(evalsets[0].output.parent / ".journal", evalsets[0].output.stem)
    watched = Watched(checkpoint)
    tokenizer = load_tokenizer(checkpoint, generation["chat_template_kwargs"])
    used, replied, generated = [], [], []
    with ExitStack() as stack:
        began = time.monotonic()
        engine: Engine | None = None
        for evalset in evalsets:
            rows = read_prompts(evalset.data)
            if not rows:
                raise StudyError(f"{evalset.data}: holds no rows; there is nothing to reply to")
            prompts = _tokenised(tokenizer, rows, generation["chat_template_kwargs"])
            keys = [
                _key(watched.sha256, prompt, evalset.max_new_tokens, generation)
                for prompt in prompts
            ]
            open_rows = [i for i, key in enumerate(keys) if journal.get(key) is None]
            _check_lengths(rows, prompts, open_rows, evalset, generation["max_length"])
            if open_rows and engine is None:
                require_weights(checkpoint)
                opened = _module(generation).opened(checkpoint, tokenizer, generation, machine)
                engine = stack.enter_context(opened)
            if open_rows:
                questions = {keys[i]: prompts[i] for i in open_rows}
                _answer(engine, journal, evalset, questions, watched)
                generated += [journal.get(key) for key in {keys[i] for i in open_rows}]
            used += keys
            replies = [journal.get(key) for key in keys]
            watched.require_same()
            write_jsonl(
                evalset.output,
                ({"id": row["id"]} | reply for row, reply in zip(rows, replies, strict=True)),
            )
            replied += replies
            known = len(rows) - len(open_rows)
            print(f"{evalset.output.name}: {len(rows)} replies, {known} known before", flush=True)
    journal.compact(used)
    counts = ("prompt_tokens", "completion_tokens")
    LEDGER.note(replies=len(replied), **{key: sum(r[key] for r in replied) for key in counts})
    if generated:
        tokens = sum(reply[key] for reply in generated for key in counts)
        seconds = time.monotonic() - began
        LEDGER.note(
            engine=generation.get("engine", DEFAULT_ENGINE),
            dtype=generation["dtype"],
            generated_replies=len(generated),
            generated_tokens=tokens,
            gpu_seconds=round(seconds * max(1, machine.gpus), 3),
            # Two operations per token and weight; what prefixes share counts as if it were not.
            flops=2.0 * tokens * parameter_count(checkpoint),
        )


def _tokenised(
    tokenizer: Any, rows: list[Prompt], chat_template_kwargs: dict[str, Any]
) -> list[list[int]]:
    texts = [render_prompt(tokenizer, row["prompt"], chat_template_kwargs) for row in rows]
    return token_ids(tokenizer, texts)


def _module(generation: dict[str, Any]) -> Any:
    """Return the engine's module; by name, so that a rule declares only the one that it uses."""
    return importlib.import_module(
        f"sftstudy.prediction.{generation.get('engine', DEFAULT_ENGINE)}"
    )


def _answer(
    engine: Any,
    journal: Journal,
    evalset: EvalSet,
    questions: dict[str, list[int]],
    watched: Watched,
) -> None:
    """Generate what is open (key -> prompt) into the journal, as it is ready.

    No reply is kept that may be of another checkpoint than the key says: weights of a file that is
    mapped into memory can change while they are used.
    """
    keys, prompts = list(questions), list(questions.values())
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
        )
        if done % tenth == 0 or done == len(keys):
            print(f"{evalset.output.stem}: {done}/{len(keys)} replies", flush=True)


def _key(weights: str, prompt: list[int], max_new_tokens: int, generation: dict[str, Any]) -> str:
    parts = {
        "checkpoint": weights,
        "prompt": prompt,
        "max_new_tokens": max_new_tokens,
        "dtype": generation["dtype"],
        "attention": generation["attention"],
    }
    # Only where it is named, so that replies of hf keep the keys that they had before.
    if "engine" in generation:
        parts["engine"] = generation["engine"]
    return sha256_json(parts)


def _check_lengths(
    rows: list[Prompt],
    prompts: list[list[int]],
    open_rows: list[int],
    evalset: EvalSet,
    max_length: int,
) -> None:
    for i in open_rows:
        if len(prompts[i]) + evalset.max_new_tokens > max_length:
            raise StudyError(
                f"{evalset.data}: row {rows[i]['id']!r} has a prompt of {len(prompts[i])} tokens; "
                f"with {evalset.max_new_tokens} for the reply that is over the student's "
                f"max_length of {max_length}: raise max_length or lower max_new_tokens"
            )
