"""Stand-ins for the students' tokenizers: the tokens of `tiny_tokenizer`, and chat templates that
hold the published facts of each family.

Llama 3: a system header with two dates, ids of roles in headers, content trimmed.
Qwen3: no system message of its own; hybrid models write an empty think block where thinking is off,
and before every last reply that has none. The 2507 instruct models have no think block.
Gemma 3: no system role (its text is put before the first user's), the assistant is called `model`.
SmolLM2: a system message of its own.
"""

from pathlib import Path
from typing import Any

from tiny_tokenizer import make_tokenizer

LLAMA3 = (
    "{{ bos_token }}{% if date_string is not defined %}"
    "{% set date_string = strftime_now('%d %b %Y') %}{% endif %}"
    "{% if messages[0].role == 'system' %}{% set system = messages[0].content | trim %}"
    "{% set messages = messages[1:] %}{% else %}{% set system = '' %}{% endif %}"
    "<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n"
    "Today Date: {{ date_string }}\n\n{{ system }}<|eot_id|>"
    "{% for message in messages %}<|start_header_id|>{{ message.role }}<|end_header_id|>\n\n"
    "{{ message.content | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
QWEN3 = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.role == 'assistant' and loop.last %}<think>\n\n</think>\n\n"
    "{{ message.content.lstrip('\\n') }}{% else %}{{ message.content }}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n"
    "{% endif %}{% endif %}"
)
QWEN3_2507 = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
GEMMA3 = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}"
    "{% set first = messages[0].content + '\n\n' %}{% set messages = messages[1:] %}"
    "{% else %}{% set first = '' %}{% endif %}{% for message in messages %}"
    "{% if (message.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}"
    "{% endif %}<start_of_turn>{{ 'model' if message.role == 'assistant' else message.role }}\n"
    "{{ first if loop.first else '' }}{{ message.content | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
SMOLLM2 = (
    "{% for message in messages %}{% if loop.first and messages[0].role != 'system' %}"
    "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face"
    "<|im_end|>\n{% endif %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# Template, first token, token that ends a turn, other special tokens.
_CHATML = ("<|im_start|>", "<|im_end|>", ())
_FAMILIES: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "Llama-3": (
        LLAMA3,
        "<|begin_of_text|>",
        "<|eot_id|>",
        ("<|start_header_id|>", "<|end_header_id|>"),
    ),
    "Qwen3-4B-Instruct-2507": (QWEN3_2507, *_CHATML),
    "Qwen3": (QWEN3, *_CHATML),
    "gemma-3": (GEMMA3, "<bos>", "<end_of_turn>", ("<start_of_turn>",)),
    "SmolLM2": (SMOLLM2, *_CHATML),
}


def stand_in(student: str) -> Any:
    """Return a tokenizer with the template and the special tokens of a student's family."""
    family = next(name for name in _FAMILIES if student.startswith(name))
    template, first, end, others = _FAMILIES[family]
    tokenizer = make_tokenizer(template)
    tokenizer.add_special_tokens(
        {
            "bos_token": first,
            "eos_token": end,
            "pad_token": end,
            "additional_special_tokens": list(others),
        }
    )
    return tokenizer


def save_stand_in(student: str, folder: Path) -> Path:
    """Save the tokenizer as a student's folder has it; return the folder."""
    stand_in(student).save_pretrained(folder)
    return folder
