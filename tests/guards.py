"""Stand-ins for guard models: tokenizers with their chat templates, and a model that answers.

The templates have the published structure (which roles, in which order, what is trimmed, what ends
the prompt), with the policies cut down to a line. Sources: chat_template in the hub's
tokenizer_config.json of Llama-Guard-3-8B and -1B (the 1B reads messages in parts alone, and drops a
message that is text), and of Qwen3Guard-Gen-4B. WildGuard has none.
"""

from pathlib import Path
from typing import Any

from made_documents import source
from sftstudy.files.writing import write_json
from tiny_tokenizer import make_tokenizer

_LLAMA_BEGIN = (
    "{% if messages | length % 2 == 0 %}{% set role = 'Agent' %}"
    "{% else %}{% set role = 'User' %}{% endif %}"
    "{{ '<|begin_of_text|><|start_header_id|>user<|end_header_id|>\\n\\nTask: Check if there is "
    "unsafe content in \\'' + role + '\\' messages in conversations according our safety policy "
    "with the below categories.\\n\\n<BEGIN UNSAFE CONTENT CATEGORIES>\\nS1: Violent Crimes.\\n"
    "<END UNSAFE CONTENT CATEGORIES>\\n\\n<BEGIN CONVERSATION>\\n\\n' }}"
    "{% for message in messages %}{% if (message.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}"
    "{% endif %}{% set said = 'User' if message.role == 'user' else 'Agent' %}"
)
_LLAMA_END = (
    "{% endfor %}{{ '<END CONVERSATION>\\n\\nProvide your safety assessment for ONLY THE LAST ' + "
    "role + ' message in the above conversation:\\n - First line must read \\'safe\\' or "
    "\\'unsafe\\'.\\n - If unsafe, a second line must include a comma-separated list of violated "
    "categories.<|eot_id|><|start_header_id|>assistant<|end_header_id|>\\n\\n' }}"
)
LLAMA_GUARD_8B = (
    _LLAMA_BEGIN + "{{ said + ': ' + message.content.strip() + '\\n\\n' }}" + _LLAMA_END
)
LLAMA_GUARD_1B = (
    _LLAMA_BEGIN
    + "{% for part in message.content | selectattr('type', 'equalto', 'text') %}"
    + "{{ said + ': ' + part.text | trim + '\\n\\n' }}{% endfor %}"
    + _LLAMA_END
)
QWEN3_GUARD = (
    "{{ '<|im_start|>user\\n# Task:\\n' }}{% if messages[-1].role == 'assistant' %}"
    '{% set last = "ASSISTANT\'s response" %}{% else %}{% set last = "USER\'s query" %}{% endif %}'
    "{{ '<BEGIN CONVERSATION>\\n\\n' }}{% for message in messages %}"
    "{{ message.role.upper() + ': ' + message.content + '\\n\\n' }}{% endfor %}"
    "{{ '<END CONVERSATION>\\n\\nProvide your safety assessment for ONLY THE LAST **' + last + '** "
    "in the above conversation:<|im_end|>\\n<|im_start|>assistant\\n<think>\\n\\n</think>\\n\\n' }}"
)
# Format -> template, first token, token that ends a turn, other tokens that are one wherever they
# stand, and whether the tokenizer calls these special.
GUARDS: dict[str, tuple[str | None, str, str, tuple[str, ...], bool]] = {
    "llama_guard": (
        LLAMA_GUARD_8B,
        "<|begin_of_text|>",
        "<|eot_id|>",
        ("<|start_header_id|>", "<|end_header_id|>"),
        True,
    ),
    "llama_guard_1b": (
        LLAMA_GUARD_1B,
        "<|begin_of_text|>",
        "<|eot_id|>",
        ("<|start_header_id|>", "<|end_header_id|>"),
        True,
    ),
    "qwen3_guard": (
        QWEN3_GUARD,
        "<|endoftext|>",
        "<|im_end|>",
        ("<|im_start|>", "<think>", "</think>"),
        False,
    ),
    "shield_gemma": (None, "<bos>", "<eos>", ("<start_of_turn>", "<end_of_turn>"), False),
    "wild_guard": (None, "<s>", "</s>", ("[INST]", "[/INST]"), True),
}


def guard_tokenizer(guard: str, *words: str) -> Any:
    """Return a guard's tokenizer, in which each of `words` is one token as well."""
    template, first, end, others, special = GUARDS[guard]
    tokenizer = make_tokenizer(template)
    tokenizer.add_special_tokens({"bos_token": first, "eos_token": end, "pad_token": end})
    tokenizer.add_tokens(list(others), special_tokens=special)
    tokenizer.add_tokens(list(words))
    return tokenizer


def save_guard(folder: Path, guard: str, sign: str, unsafe: str, safe: str) -> Path:
    """Save a model that says `unsafe` where `sign` stands anywhere in its prompt, else `safe`.

    Every token is a direction of its own. One head attends to all that was read alike, and writes
    the sign's share into one more direction, which the answer `unsafe` is read from; an answer is
    followed by the token that ends a turn.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = guard_tokenizer(guard, sign, unsafe, safe)
    seen = len(tokenizer)
    size = seen + 8 - seen % 8
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=size,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        max_position_embeddings=16384,
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config)
    ids = {text: tokenizer.convert_tokens_to_ids(text) for text in (sign, unsafe, safe)}
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" not in name:
                weight.zero_()
        model.model.embed_tokens.weight.copy_(torch.eye(size))
        attention = model.model.layers[0].self_attn
        attention.v_proj.weight[seen, ids[sign]] = 1e4
        attention.o_proj.weight.copy_(torch.eye(size))
        model.lm_head.weight[ids[safe], :seen] = 1.0
        model.lm_head.weight[ids[unsafe], seen] = 10.0
        for answer in (safe, unsafe):
            model.lm_head.weight[tokenizer.eos_token_id, ids[answer]] = 1e7
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    write_json(folder / "SOURCE.json", source(kind="test", id=None, revision=None))
    return folder
