"""Random small models of the three families, and samples, for the tests of prefix sharing."""

import random
from pathlib import Path
from typing import Any

import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3NextConfig,
    Qwen3NextForCausalLM,
)
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from sftstudy.tasks.registry import data_module

FAMILIES = ("llama", "qwen3", "gemma3")
WINDOW = 24  # of the Gemma 3 model's sliding layers: shorter than most generated samples

REAL_VOCABULARY = 600


def make_model(
    family: str, vocab_size: int = 300, seed: int = 0, attention: str = "sdpa", **settings: Any
) -> torch.nn.Module:
    """Return a random float32 model in training mode, large enough to have opinions."""
    torch.manual_seed(seed)
    common = {
        "vocab_size": vocab_size,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "initializer_range": 0.1,
        "max_position_embeddings": 4096,
        "pad_token_id": 0,
        "bos_token_id": None,
        "eos_token_id": 1,
        "attn_implementation": attention,
        **settings,
    }
    if family == "llama":
        return LlamaForCausalLM(LlamaConfig(**common)).train()
    if family == "qwen3":
        return Qwen3ForCausalLM(Qwen3Config(**common)).train()
    kinds = ["sliding_attention", "full_attention", "sliding_attention"]
    config = {"sliding_window": WINDOW, "layer_types": kinds, **common}
    return Gemma3ForCausalLM(Gemma3TextConfig(**config)).train()


def make_linear_attention_model() -> torch.nn.Module:
    """Return a random model with a kind of layer that cannot attend along a trie."""
    torch.manual_seed(0)
    config = Qwen3NextConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        num_experts=0,
        layer_types=["linear_attention", "full_attention"],
        linear_num_key_heads=2,
        linear_num_value_heads=2,
        linear_key_head_dim=16,
        linear_value_head_dim=16,
        pad_token_id=0,
    )
    return Qwen3NextForCausalLM(config)


def make_samples(
    seed: int,
    documents: int = 3,
    questions: int = 4,
    vocab_size: int = 300,
    lengths: tuple[int, int, int] = (10, 30, 12),
) -> list[dict[str, list[int]]]:
    """Return samples {"input_ids", "labels"} with nested prefixes, in random order.

    `lengths`: of the instruction that all share, of a document, of a question, each up to a
    third shorter.
    """
    generator = random.Random(seed)

    def tokens(length: int) -> list[int]:
        size = generator.randint(length - length // 3, length)
        return [generator.randrange(2, vocab_size) for _ in range(size)]

    instruction = tokens(lengths[0])
    samples = []
    for _ in range(documents):
        document = instruction + tokens(lengths[1])
        for _ in range(questions):
            prompt = document + tokens(lengths[2])
            completion = [*tokens(4), 1]
            samples.append(
                {
                    "input_ids": prompt + completion,
                    "labels": [-100] * len(prompt) + completion,
                }
            )
    generator.shuffle(samples)
    return samples


def real_samples(task: str, shared_data: Path, number: int) -> list[dict[str, list[int]]]:
    """Return the first training rows of a task, tokenised by a small BPE made from them."""
    rows = data_module(task).read(shared_data / task)["train"][:number]
    texts = [row["prompt"][0]["content"] for row in rows]
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(texts, vocab_size=REAL_VOCABULARY, show_progress=False)
    samples = []
    for row, text in zip(rows, texts, strict=True):
        prompt = tokenizer.encode(text).ids
        completion = tokenizer.encode(row["completion"][0]["content"]).ids
        samples.append(
            {"input_ids": prompt + completion, "labels": [-100] * len(prompt) + completion}
        )
    return samples


def padded_batch(samples: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
    """Return the batch that TRL would train on without prefix sharing."""
    return DataCollatorForLanguageModeling(pad_token_id=0)(samples)


def gradient(model: torch.nn.Module, batches: list[dict[str, torch.Tensor]]) -> torch.Tensor:
    """Return the gradient, flat, of the summed negative log-likelihood over some batches."""
    model.zero_grad()
    for batch in batches:
        inputs = {key: value for key, value in batch.items() if key != "labels"}
        logits = model(**inputs, use_cache=False).logits[:, :-1].float()
        labels = batch["labels"][:, 1:]
        loss = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), labels.flatten(), reduction="sum"
        )
        loss.backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def trl_gradient(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return the gradient of the loss by which TRL trains, summed over the tokens."""
    model.zero_grad()
    model(**batch, use_cache=False, fused_lm_head=True, num_items_in_batch=1).loss.backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def relative_difference(a: torch.Tensor, b: torch.Tensor) -> float:
    """Return the Frobenius norm of a - b relative to that of b."""
    return ((a - b).norm() / b.norm()).item()
