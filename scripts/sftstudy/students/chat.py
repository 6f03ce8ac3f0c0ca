"""Rendering conversations with a student's chat template; shared by lengths, train and predict."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftstudy.documents.rows import Message, Row
from sftstudy.errors import StudyError
from sftstudy.records.record import use

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Messages = list[Message]
_QUESTION: Messages = [{"role": "user", "content": "?"}]
_REPLY = "REPLY"  # stands for any reply: what a template writes around it is not the reply


def load_tokenizer(
    student_dir: Path, chat_template_kwargs: dict[str, Any]
) -> "PreTrainedTokenizerBase":
    """Return the student's tokenizer.

    Raises `StudyError` when the folder holds none, when it has no chat template, or when the
    template would write today's date into every prompt.
    """
    tokenizer = read_tokenizer(student_dir)
    check_template(tokenizer, chat_template_kwargs, str(student_dir))
    return tokenizer


def read_tokenizer(student_dir: Path) -> "PreTrainedTokenizerBase":
    """Return the tokenizer of a folder, whatever its chat template is; a `StudyError` without."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            student_dir, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise StudyError(
            f"{student_dir}: no usable tokenizer ({error}); fetch the student again"
        ) from error
    use(student_dir)
    return tokenizer


def check_template(
    tokenizer: "PreTrainedTokenizerBase", chat_template_kwargs: dict[str, Any], where: str
) -> None:
    """Raise `StudyError` when there is no chat template, or its text changes from day to day."""
    template = tokenizer.chat_template
    if not template:
        raise StudyError(
            f"{where}: the tokenizer has no chat template; a student must be an instruct model: "
            "choose one, or add a chat_template.jinja to a local copy"
        )
    # Llama 3.2 reads the clock: rows made on two days would differ, and so would the scores.
    if len({_on(day, tokenizer, chat_template_kwargs) for day in ("Monday", "Friday")}) > 1:
        raise StudyError(
            f"{where}: the chat template writes today's date into every prompt, so that results "
            "change from day to day; fix it in the student's block of the study file, for "
            'example chat_template_kwargs: {date_string: "26 Jul 2024"} (the name is that of the '
            "template's variable; where it has none, put the date into a local copy's "
            "chat_template.jinja)"
        )


def _on(
    day: str, tokenizer: "PreTrainedTokenizerBase", chat_template_kwargs: dict[str, Any]
) -> str:
    """Return a prompt as it is rendered on a day; `strftime_now` is the templates' only clock."""
    clock = "{% macro clock_of_the_day(format) %}" + day + "{% endmacro %}"
    template = tokenizer.get_chat_template().replace("strftime_now", "clock_of_the_day")
    return _rendered(
        tokenizer,
        _QUESTION,
        chat_template_kwargs,
        chat_template=clock + template,
        add_generation_prompt=True,
    )


def _rendered(
    tokenizer: "PreTrainedTokenizerBase",
    conversation: Messages,
    chat_template_kwargs: dict[str, Any],
    **how: Any,
) -> str:
    """Return a conversation as text; `how` are arguments of `apply_chat_template`."""
    turns: list[dict[str, Any]] = [{**message} for message in conversation]
    text = tokenizer.apply_chat_template(turns, tokenize=False, **how, **chat_template_kwargs)
    assert isinstance(text, str), "of one conversation, not made tokens"
    return text


def render_prompt(
    tokenizer: "PreTrainedTokenizerBase", prompt: Messages, chat_template_kwargs: dict[str, Any]
) -> str:
    """Return the text up to the place where the student's reply begins."""
    return _rendered(tokenizer, prompt, chat_template_kwargs, add_generation_prompt=True)


def turn_end(
    tokenizer: "PreTrainedTokenizerBase", chat_template_kwargs: dict[str, Any]
) -> int | None:
    """Return the special token that the template writes behind a reply, which training teaches;
    None where it writes none there."""
    conversation: Messages = [*_QUESTION, {"role": "assistant", "content": _REPLY}]
    text = _rendered(tokenizer, conversation, chat_template_kwargs)
    behind = token_ids(tokenizer, [text.rpartition(_REPLY)[2]])[0]
    known = tokenizer.added_tokens_decoder
    return behind[0] if behind and behind[0] in known and known[behind[0]].special else None


def before_reply(
    tokenizer: "PreTrainedTokenizerBase",
    prompt: Messages,
    chat_template_kwargs: dict[str, Any],
    where: str,
) -> str:
    """Return what the template writes between a prompt and a reply to it; empty in most.

    It is not in the prompt that is asked at evaluation, so training teaches to write it. Raises
    `StudyError` as `render_conversation` does.
    """
    reply: Messages = [{"role": "assistant", "content": _REPLY}]
    text, full = render_conversation(tokenizer, prompt, reply, chat_template_kwargs, where)
    written, found, _ = full[len(text) :].partition(_REPLY)
    return written if found else ""


def render_conversation(
    tokenizer: "PreTrainedTokenizerBase",
    prompt: Messages,
    completion: Messages,
    chat_template_kwargs: dict[str, Any],
    where: str,
) -> tuple[str, str]:
    """Return the rendered prompt and the rendered prompt with its completion.

    Raises `StudyError`, naming the row as `where`, when the first is not the beginning of the
    second: training would then teach a context that is never seen at evaluation.
    """
    text = render_prompt(tokenizer, prompt, chat_template_kwargs)
    full = _rendered(tokenizer, prompt + completion, chat_template_kwargs)
    if not full.startswith(text):
        raise StudyError(
            f"{where}: the rendered prompt ends in {text[-60:]!r} and is not the beginning of the "
            "rendered conversation; the chat template treats replies that are read and replies "
            "that are written differently: set the student's chat_template_kwargs (for thinking "
            "models often enable_thinking: false) or use another template"
        )
    return text, full


def token_ids(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str]) -> list[list[int]]:
    """Return the token ids of rendered texts, one list per text, nothing added or cut.

    Special tokens are already in the text: adding them again would double the first one.
    """
    if not texts:
        return []
    encoded = tokenizer(
        list(texts),
        add_special_tokens=False,
        truncation=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,  # the student's own maximum is checked by `lengths`, with an error
    )
    return encoded["input_ids"]


def conversation_ids(
    tokenizer: "PreTrainedTokenizerBase",
    rows: Sequence[Row],
    chat_template_kwargs: dict[str, Any],
    where: str,
) -> list[tuple[list[int], list[int]]]:
    """Return, for each row, the token ids of its prompt and of its prompt with completion.

    Rows without completion (controls) give the prompt's ids twice. Raises `StudyError`, naming
    `where` and the row's id, when the prompt's text or tokens do not begin the conversation's.
    """
    texts = [
        _render_row(tokenizer, row, chat_template_kwargs, f"{where}, row {row['id']!r}")
        for row in rows
    ]
    # The text is cut at special tokens before anything else is tokenised, so that what follows the
    # prompt's last one can be tokenised alone. Tokenising long prompts twice would double the time.
    special = [
        token.content
        for token in tokenizer.added_tokens_decoder.values()
        if token.special and texts and token.content in texts[0][0]
    ]
    cuts = [max([0, *(prompt.rfind(token) for token in special)]) for prompt, _ in texts]
    pairs = list(zip(texts, cuts, strict=True))
    prompts = token_ids(tokenizer, [prompt for prompt, _ in texts])
    ends = token_ids(tokenizer, [prompt[cut:] for (prompt, _), cut in pairs])
    tails = token_ids(tokenizer, [full[cut:] for (_, full), cut in pairs])
    result = []
    for row, prompt, end, tail in zip(rows, prompts, ends, tails, strict=True):
        if tail[: len(end)] != end:
            raise StudyError(
                f"{where}, row {row['id']!r}: the last tokens of the prompt merge with the first "
                "of the completion, so that training and evaluation would see different tokens; "
                "begin the target with another character, or use a template that ends the prompt "
                "in a special token or line break"
            )
        result.append((prompt, prompt + tail[len(end) :]))
    return result


def _render_row(
    tokenizer: "PreTrainedTokenizerBase",
    row: Row,
    chat_template_kwargs: dict[str, Any],
    where: str,
) -> tuple[str, str]:
    if not row["completion"]:
        text = render_prompt(tokenizer, row["prompt"], chat_template_kwargs)
        return text, text
    return render_conversation(
        tokenizer, row["prompt"], row["completion"], chat_template_kwargs, where
    )
