"""Prompts as text: a student's by its chat template, a judge's so that what it quotes stays quoted.

Two keys of `generation` are a judge's alone. ``quotes``: the messages are texts of others, in which
control tokens are plain text. ``chat_template``: the format's own, for guard models that have none.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftstudy.errors import StudyError
from sftstudy.students.chat import Messages, load_tokenizer, read_tokenizer, render_prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def open_tokenizer(checkpoint: Path, generation: dict[str, Any]) -> "PreTrainedTokenizerBase":
    """Return the tokenizer of a checkpoint, with the template of `generation` where it has one.

    Raises `StudyError` as `load_tokenizer` does.
    """
    template = generation.get("chat_template")
    if template is None:
        return load_tokenizer(checkpoint, generation["chat_template_kwargs"])
    tokenizer = read_tokenizer(checkpoint)
    tokenizer.chat_template = template
    return tokenizer


def rendered(
    tokenizer: "PreTrainedTokenizerBase",
    prompt: Messages,
    generation: dict[str, Any],
    where: str,
) -> str:
    """Return the text up to the place where the reply begins.

    Raises `StudyError`, naming the row as `where`, if the template of a judge leaves out what the
    judge is asked about.
    """
    kwargs = generation["chat_template_kwargs"]
    if not generation.get("quotes"):
        return render_prompt(tokenizer, prompt, kwargs)
    marks = _control_tokens(tokenizer)
    quoted: Messages = [
        {"role": message["role"], "content": without(marks, message["content"])}
        for message in prompt
    ]
    text = render_prompt(tokenizer, quoted, kwargs)
    if not _holds(text, quoted):
        # The template of Llama Guard 3 1B reads messages of parts alone, and drops plain ones.
        text = render_prompt(tokenizer, _in_parts(quoted), kwargs)
    if not _holds(text, quoted):
        raise StudyError(
            f"{where}: the judge's chat template leaves out some of what it is asked about; name "
            "the format that the judge speaks (`judge: {student: ..., format: ...}`)"
        )
    return text


def _control_tokens(tokenizer: "PreTrainedTokenizerBase") -> list[str]:
    """Return the texts that the tokenizer takes for one token wherever they stand.

    Of those that it does not call special, the ones in brackets: <end_of_turn>, </think>.
    """
    found = {
        token.content.strip(): token.special for token in tokenizer.added_tokens_decoder.values()
    }
    return [
        text
        for text, special in found.items()
        if len(text) > 1 and (special or not (text[0].isalnum() or text[-1].isalnum()))
    ]


def without(marks: list[str], text: str) -> str:
    """Return a text in which no mark occurs: a blank is put behind its first character."""
    while any(mark in text for mark in marks):
        for mark in marks:
            text = text.replace(mark, f"{mark[0]} {mark[1:]}")
    return text


def _in_parts(prompt: Messages) -> Any:
    return [
        {"role": message["role"], "content": [{"type": "text", "text": message["content"]}]}
        for message in prompt
    ]


def _holds(text: str, prompt: Messages) -> bool:
    """Return whether a rendered text has every message in it; templates may trim them."""
    return all(message["content"].strip() in text for message in prompt)
