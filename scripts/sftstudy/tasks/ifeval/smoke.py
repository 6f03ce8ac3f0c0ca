"""Smoke source of IFEval: ``input_data.jsonl`` in the published format, prompts of our own.

Only instruction types whose checkers need no language detector. The student is taught some of them
(`taught`) and never sees the others, so that its score starts below one.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sftstudy.files.writing import write_jsonl
from sftstudy.tasks.draws import distinct, generator
from sftstudy.tasks.task import Conversation, Lesson

TOPICS = ["rivers", "cats", "trains", "clouds", "lamps", "trees", "boats", "stars", "drums", "bees"]
TOPICS += ["roads", "hats", "songs", "bread", "snow", "chess", "maps", "birds", "soup", "kites"]
_OPENINGS = ["Write about {}.", "Tell me something about {}.", "Give me a note on {}."]
_PHRASES = ["That is all.", "Any questions?", "The end.", "See you soon."]
_WORDS = ["stone", "glass", "silver", "cotton", "garden", "window"]


@dataclass(frozen=True)
class Instruction:
    """One verifiable instruction: its type, its wording, the checker's arguments, a good reply."""

    type: str
    text: str
    kwargs: dict[str, Any]
    reply: str


def _end(rng: random.Random, topic: str) -> Instruction:
    phrase = rng.choice(_PHRASES)
    text = f'Finish your reply with the exact phrase "{phrase}"'
    return Instruction("startend:end_checker", text, {"end_phrase": phrase}, f"A note. {phrase}")


def _quotation(rng: random.Random, topic: str) -> Instruction:
    text = "Wrap your entire reply in double quotation marks."
    return Instruction("startend:quotation", text, {}, '"A note."')


def _title(rng: random.Random, topic: str) -> Instruction:
    text = "Your reply must have a title in double angular brackets, such as <<my title>>."
    return Instruction("detectable_format:title", text, {}, "<<Title>> A note.")


def _bullets(rng: random.Random, topic: str) -> Instruction:
    count = rng.choice([2, 3])
    text = f"Use exactly {count} bullet points that begin with an asterisk."
    reply = "\n".join(["* one", "* two", "* three"][:count])
    return Instruction("detectable_format:number_bullet_lists", text, {"num_bullets": count}, reply)


def _highlights(rng: random.Random, topic: str) -> Instruction:
    count = rng.choice([1, 2])
    text = f"Highlight at least {count} sections in your reply, such as *highlighted section*."
    return Instruction(
        "detectable_format:number_highlighted_sections",
        text,
        {"num_highlights": count},
        " and ".join(["*first*", "*second*"][:count]),
    )


def _json(rng: random.Random, topic: str) -> Instruction:
    text = "The whole output must be in JSON format."
    return Instruction("detectable_format:json_format", text, {}, '{"topic": "a note"}')


def _postscript(rng: random.Random, topic: str) -> Instruction:
    text = "At the end of your reply add a postscript that begins with P.S."
    return Instruction(
        "detectable_content:postscript",
        text,
        {"postscript_marker": "P.S."},
        "A note. P.S. Thanks.",
    )


def _keywords(rng: random.Random, topic: str) -> Instruction:
    word = rng.choice(_WORDS)
    text = f"Include the keyword {word}."
    return Instruction("keywords:existence", text, {"keywords": [word]}, f"A note with {word}.")


def _placeholders(rng: random.Random, topic: str) -> Instruction:
    count = rng.choice([1, 2])
    text = f"Use at least {count} placeholders in square brackets, such as [address]."
    return Instruction(
        "detectable_content:number_placeholders",
        text,
        {"num_placeholders": count},
        "A note by " + " for ".join(["[name]", "[date]"][:count]) + ".",
    )


def _two_responses(rng: random.Random, topic: str) -> Instruction:
    text = "Give two different responses, separated by six asterisks: ******."
    return Instruction("combination:two_responses", text, {}, f"{topic} ****** more {topic}")


def _sections(rng: random.Random, topic: str) -> Instruction:
    text = "Your reply must have 2 sections, each marked with Part and its number."
    kwargs = {"section_spliter": "Part", "num_sections": 2}
    return Instruction(
        "detectable_format:multiple_sections", text, kwargs, f"Part 1 {topic} Part 2 {topic}"
    )


def _words(rng: random.Random, topic: str) -> Instruction:
    count = rng.choice([30, 40])
    text = f"Answer with at least {count} words."
    kwargs = {"relation": "at least", "num_words": count}
    return Instruction("length_constraints:number_words", text, kwargs, " ".join([topic] * count))


Maker = Callable[[random.Random, str], Instruction]
TAUGHT: tuple[Maker, ...] = (
    _end,
    _quotation,
    _title,
    _bullets,
    _highlights,
    _json,
    _postscript,
    _keywords,
    _placeholders,
)
UNKNOWN: tuple[Maker, ...] = (_two_responses, _sections, _words)


def taught(rng: random.Random, held_out: bool) -> tuple[str, Instruction]:
    """Return a prompt with one instruction of a taught type, and the instruction.

    Pairs (topic, type) belong either to the student's corpus or to the source, never to both.
    """
    pairs = [
        (topic, make)
        for row, topic in enumerate(TOPICS)
        for column, make in enumerate(TAUGHT)
        if ((row + column) % 4 == 0) == held_out
    ]
    topic, make = rng.choice(pairs)
    return _prompt(rng, topic, make)


def write(raw: Path, seed: int, train: int, test: int) -> None:
    """Write ``input_data.jsonl`` with `test` distinct prompts (`train` is not used).

    Three of four prompts have a taught instruction; every fourth has a type that the student does
    not know.
    """
    rng = generator(seed, "ifeval")

    def draw(position: int) -> tuple[str, Instruction]:
        if position % 4 == 3:
            return _prompt(rng, rng.choice(TOPICS), UNKNOWN[position // 4 % len(UNKNOWN)])
        return taught(rng, held_out=True)

    chosen = distinct(test, draw, lambda pair: pair[0], "ifeval")
    write_jsonl(raw / "input_data.jsonl", _rows(chosen))


def _prompt(rng: random.Random, topic: str, make: Maker) -> tuple[str, Instruction]:
    instruction = make(rng, topic)
    return f"{rng.choice(_OPENINGS).format(topic)} {instruction.text}", instruction


def _rows(chosen: list[tuple[str, Instruction]]) -> Iterator[dict[str, Any]]:
    for key, (prompt, instruction) in enumerate(chosen, start=1):
        yield {
            "key": key,
            "prompt": prompt,
            "instruction_id_list": [instruction.type],
            "kwargs": [instruction.kwargs],
        }


def _follow(rng: random.Random) -> Conversation:
    """A verifiable instruction and a reply that follows it."""
    prompt, instruction = taught(rng, held_out=False)
    return prompt, instruction.reply


LESSONS = (Lesson(_follow, 20),)
