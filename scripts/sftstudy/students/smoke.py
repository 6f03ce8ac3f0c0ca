"""The smoke student: a byte-level BPE tokenizer and a small Qwen3-style model, from scratch."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftstudy.documents.source import SOURCE
from sftstudy.files.writing import atomic_path, permit, write_json
from sftstudy.tasks.corpus import COMMON_WORDS, Conversation, conversations

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

PAD, START, END = "<|pad|>", "<|start|>", "<|end|>"
# A conversation is rendered turn by turn, so a rendered prompt is a prefix of what it continues.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    f"{{{{ '{START}' + message['role'] + '\\n' + message['content'] + '{END}' }}}}"
    "{% endfor %}"
    f"{{% if add_generation_prompt %}}{{{{ '{START}assistant\\n' }}}}{{% endif %}}"
)
VOCABULARY = 2048
PARTS = 2  # of a batch, by length

Encoded = tuple[list[int], int]  # the tokens of a conversation, the length of its prompt


@dataclass(frozen=True)
class Pretraining:
    """How the student is trained from scratch: `steps` batches, each of fresh conversations."""

    seed: int
    steps: int
    batch_size: int = 16
    learning_rate: float = 3e-3
    warmup: float = 0.1


def build(output: Path, pretraining: Pretraining) -> dict[str, Any]:
    """Train tokenizer and model, save a Hugging Face checkpoint at `output`, return SOURCE.json.

    The folder appears complete or not at all. The same values give the same weights on the same
    machine and software: training runs on one thread.
    """
    import torch
    import transformers

    transformers.set_seed(pretraining.seed)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    pairs = conversations(pretraining.seed, pretraining.steps * pretraining.batch_size)
    tokenizer = train_tokenizer(pairs)
    model = make_model(tokenizer)
    loss = train_model(model, tokenizer, pairs, pretraining)
    source = {
        **{"kind": "smoke", "id": None, "revision": None, "files": {}},
        **asdict(pretraining),
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "loss": round(loss, 4),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    with atomic_path(output) as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        permit(folder / "model.safetensors", 0o644)  # written for its owner only
        write_json(folder / SOURCE, source)
    return source


def train_tokenizer(pairs: list[Conversation]) -> "PreTrainedTokenizerFast":
    """Return a byte-level BPE tokenizer for these conversations, with the chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, START, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [text for pair in pairs for text in pair]
    tokenizer.train_from_iterator([*texts, COMMON_WORDS, COMMON_WORDS], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        additional_special_tokens=[START],
        chat_template=CHAT_TEMPLATE,
        model_max_length=8192,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def make_model(tokenizer: "PreTrainedTokenizerFast") -> "Qwen3ForCausalLM":
    """Return the untrained Qwen3 model: two layers of width 128, under a million parameters."""
    from transformers import GenerationConfig, Qwen3Config, Qwen3ForCausalLM

    special = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    model = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=64,  # normalised heads of 32 cannot look sharply enough
            initializer_range=0.08,  # copying is learned far sooner than from the usual 0.02
            max_position_embeddings=32768,
            tie_word_embeddings=True,
            bos_token_id=None,
            **special,
        )
    )
    model.generation_config = GenerationConfig(do_sample=False, **special)
    return model


def train_model(
    model: "Qwen3ForCausalLM",
    tokenizer: "PreTrainedTokenizerFast",
    pairs: list[Conversation],
    pretraining: Pretraining,
) -> float:
    """Train `model` in place on the assistants' turns; return the mean loss of the last 20 steps.

    AdamW with a linear warm-up and a cosine decay to zero.
    """
    import torch
    from transformers import get_cosine_schedule_with_warmup

    optimizer = torch.optim.AdamW(
        model.parameters(), pretraining.learning_rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    schedule = get_cosine_schedule_with_warmup(
        optimizer, int(pretraining.warmup * pretraining.steps), pretraining.steps
    )
    model.train()
    started = time.monotonic()
    losses: list[float] = []
    for step in range(1, pretraining.steps + 1):
        start = (step - 1) * pretraining.batch_size
        batch = [_encode(tokenizer, pair) for pair in pairs[start : start + pretraining.batch_size]]
        loss = _accumulate(model, batch)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss)
        if step % 100 == 0 or step == pretraining.steps:
            seconds = time.monotonic() - started
            print(
                f"step {step}/{pretraining.steps}  loss {_last(losses):.3f}  {seconds:.0f} s",
                flush=True,
            )
    model.eval()
    return _last(losses)


def _last(losses: list[float]) -> float:
    last = losses[-20:]
    return sum(last) / len(last)


def _accumulate(model: "Qwen3ForCausalLM", batch: list[Encoded]) -> float:
    """Add the gradient of the batch's mean cross-entropy per reply token; return that mean.

    The batch goes through the model in parts of similar length, which saves most of the padding,
    and the vocabulary's logits are computed only where a reply's token is predicted.
    """
    import torch

    pad_token_id = model.config.pad_token_id
    assert pad_token_id is not None, "make_model has set it"
    rows = sorted(batch, key=lambda row: len(row[0]))
    tokens = sum(len(ids) - prompt_length for ids, prompt_length in rows)
    total = 0.0
    size = -(-len(rows) // PARTS)
    for start in range(0, len(rows), size):
        input_ids, supervised = _pad(rows[start : start + size], pad_token_id)
        # Padding stands on the right, where a causal model's earlier positions cannot see it.
        hidden = model.model(input_ids=input_ids, use_cache=False).last_hidden_state
        logits = model.lm_head(hidden[:, :-1][supervised[:, 1:]])
        targets = input_ids[:, 1:][supervised[:, 1:]]
        loss = torch.nn.functional.cross_entropy(logits, targets, reduction="sum") / tokens
        loss.backward()
        total += loss.item()
    return total


def _pad(rows: list[Encoded], pad_token_id: int) -> tuple["torch.Tensor", "torch.Tensor"]:
    """Return the tokens, padded on the right, and which of them are a reply's: (rows, width)."""
    import torch

    shape = len(rows), max(len(ids) for ids, _ in rows)
    input_ids = torch.full(shape, pad_token_id)
    supervised = torch.zeros(shape, dtype=torch.bool)
    for row, (ids, prompt_length) in enumerate(rows):
        input_ids[row, : len(ids)] = torch.tensor(ids)
        supervised[row, prompt_length : len(ids)] = True
    return input_ids, supervised


def _encode(tokenizer: "PreTrainedTokenizerFast", pair: Conversation) -> Encoded:
    """Return the conversation's tokens and how many of them are the prompt."""
    prompt, reply = pair
    turn = f"{START}user\n{prompt}{END}{START}assistant\n"
    ids = tokenizer(turn, add_special_tokens=False)["input_ids"]
    answer = tokenizer(f"{reply}{END}", add_special_tokens=False)["input_ids"]
    return ids + answer, len(ids)
