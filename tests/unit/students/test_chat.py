"""Rendering with a chat template: generation prompt, prefix, and what is refused."""

from pathlib import Path

import pytest

from families import stand_in
from sftstudy.cautions import teaches
from sftstudy.errors import StudyError
from sftstudy.students import chat
from tiny_tokenizer import CHATML, make_tokenizer, save_tokenizer

USER = [{"role": "user", "content": "hi"}]


def reply(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def make_row(completion: list[dict[str, str]]) -> dict:
    return {"id": "r1", "prompt": USER, "completion": completion}


def test_prompt_ends_where_the_reply_begins() -> None:
    tokenizer = make_tokenizer()
    start = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    assert chat.render_prompt(tokenizer, USER, {}) == start
    rendered = chat.render_conversation(tokenizer, USER, reply("yes"), {}, "x")
    assert rendered == (start, start + "yes<|im_end|>\n")


def test_template_arguments_reach_the_template() -> None:
    text = chat.render_prompt(make_tokenizer(), USER, {"enable_thinking": False})
    assert text.endswith("<|im_start|>assistant\n<think></think>")


def test_prompt_that_does_not_begin_the_conversation_is_refused() -> None:
    # The template writes an empty think block into prompts, but not before replies it reads.
    with pytest.raises(StudyError) as error:
        kwargs = {"enable_thinking": False}
        where = "train.jsonl, row 'r1'"
        chat.render_conversation(make_tokenizer(), USER, reply("yes"), kwargs, where)
    message = str(error.value)
    assert message.startswith("train.jsonl, row 'r1': the rendered prompt ends in ")
    assert "chat_template_kwargs" in message


def test_tokens_are_those_of_the_text_and_nothing_is_added() -> None:
    tokenizer = make_tokenizer()
    tokenizer.model_max_length = 3  # must not cut
    abc = tokenizer.convert_tokens_to_ids(["ab", "c"])
    assert chat.token_ids(tokenizer, ["abc", ""]) == [abc, []]
    assert chat.token_ids(tokenizer, []) == []
    [(prompt, full)] = chat.conversation_ids(tokenizer, [make_row(reply("yes"))], {}, "x")
    assert full[: len(prompt)] == prompt
    assert tokenizer.decode(full[len(prompt) :]) == "yes<|im_end|>\n"


@pytest.mark.parametrize("target", ["b", "ab<|im_start|>", " yes\n", "", "\u00e9"])
def test_ids_are_those_of_the_whole_text(target: str) -> None:
    tokenizer = make_tokenizer()
    rows = [make_row(reply(target)), {**make_row(reply(target)), "prompt": reply("<|im_end|>ab")}]
    for row, (prompt, full) in zip(
        rows, chat.conversation_ids(tokenizer, rows, {}, "x"), strict=True
    ):
        texts = chat.render_conversation(tokenizer, row["prompt"], row["completion"], {}, "x")
        assert [prompt, full] == chat.token_ids(tokenizer, texts)


def test_control_rows_have_no_completion() -> None:
    [(prompt, full)] = chat.conversation_ids(make_tokenizer(), [make_row([])], {}, "x")
    assert prompt == full


def test_tokens_that_merge_across_the_boundary_are_refused() -> None:
    # The prompt ends in "a", the reply begins with "b", and "ab" is one token.
    template = (
        "{{ messages[0].content }}a{% if not add_generation_prompt %}"
        "{{ messages[1].content }}{% endif %}"
    )
    tokenizer = make_tokenizer(template)
    with pytest.raises(StudyError, match=r"data, row 'r1': the last tokens of the prompt merge"):
        chat.conversation_ids(tokenizer, [make_row(reply("b"))], {}, "data")


def test_saved_tokenizer_is_loaded_with_its_template(tmp_path: Path) -> None:
    tokenizer = chat.load_tokenizer(save_tokenizer(tmp_path), {})
    assert tokenizer.chat_template == CHATML
    assert chat.token_ids(tokenizer, ["ab<|im_end|>"]) == [
        tokenizer.convert_tokens_to_ids(["ab", "<|im_end|>"])
    ]


def test_tokenizer_without_template_is_refused(tmp_path: Path) -> None:
    save_tokenizer(tmp_path, template=None)
    with pytest.raises(StudyError, match="the tokenizer has no chat template") as error:
        chat.load_tokenizer(tmp_path, {})
    assert str(tmp_path) in str(error.value)


def test_folder_without_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no usable tokenizer"):
        chat.load_tokenizer(tmp_path, {})


def test_template_that_reads_the_clock_needs_a_date() -> None:
    template = (
        "{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}"
        "{% endif %}Today: {{ date_string }}" + CHATML
    )
    tokenizer = make_tokenizer(template)
    with pytest.raises(StudyError, match=r"today's date.*date_string"):
        chat.check_template(tokenizer, {}, "llama")
    date = {"date_string": "26 Jul 2024"}
    chat.check_template(tokenizer, date, "llama")
    assert chat.render_prompt(tokenizer, USER, date).startswith("Today: 26 Jul 2024")


def test_template_that_reads_the_clock_under_any_name_is_refused() -> None:
    tokenizer = make_tokenizer("Today: {{ strftime_now('%d %b %Y') }}" + CHATML)
    with pytest.raises(StudyError, match="today's date"):
        chat.check_template(tokenizer, {}, "x")


def test_template_that_reads_the_clock_only_for_others_is_taken() -> None:
    tokenizer = make_tokenizer("{% if tools %}{{ strftime_now('%d %b %Y') }}{% endif %}" + CHATML)
    chat.check_template(tokenizer, {}, "x")


def test_turn_end_is_the_special_token_behind_a_reply() -> None:
    tokenizer = make_tokenizer()
    assert chat.turn_end(tokenizer, {}) == tokenizer.convert_tokens_to_ids("<|im_end|>")
    tokenizer.chat_template = CHATML.replace("<|im_end|>", "<end>")
    assert chat.turn_end(tokenizer, {}) is None


@pytest.mark.parametrize(
    ("student", "kwargs", "written"),
    [
        ("Qwen3-0.6B", {}, "<think>\n\n</think>\n\n"),
        ("Qwen3-0.6B", {"enable_thinking": True}, "<think>\n\n</think>\n\n"),
        ("Qwen3-0.6B", {"enable_thinking": False}, ""),
        ("Qwen3-4B-Instruct-2507", {}, ""),
        ("Llama-3.2-1B-Instruct", {"date_string": "26 Jul 2024"}, ""),
        ("gemma-3-4b-it", {}, ""),
        ("SmolLM2-135M-Instruct", {}, ""),
    ],
)
def test_what_a_template_writes_before_a_reply(student: str, kwargs: dict, written: str) -> None:
    assert chat.before_reply(stand_in(student), USER, kwargs, "x") == written


def test_a_space_before_a_reply_is_written_too() -> None:
    """The templates of Llama 2 and of the first Mistral models have one there."""
    tokenizer = make_tokenizer(
        "{% for message in messages %}{% if message.role == 'user' %}[INST] {{ message.content }} "
        "[/INST]{% else %} {{ message.content }}{{ eos_token }}{% endif %}{% endfor %}"
    )
    assert chat.before_reply(tokenizer, USER, {}, "x") == " "
    assert "puts ' ' before every reply" in teaches(" ")
