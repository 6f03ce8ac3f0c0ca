"""Model, rows and measuring that the benchmarks of prefix sharing have in common."""

import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
sys.path.insert(0, str(ROOT / "scripts"))

VOCABULARY = 8192
PAD, EOS = 0, 1
ROWS = 400  # rows of each task that the tokenizer is made from and the samples are drawn from


def load_rows(task: str) -> list[dict[str, Any]]:
    """Return rows of a task's real training data; document order where there are documents."""
    from sftstudy.tasks.registry import data_module

    rows = data_module(task).read(DATA / task)["train"]
    if task == "tatqa":
        return rows[:ROWS]
    return random.Random(0).sample(rows, ROWS)


def make_tokenizer(texts: list[str]) -> Any:
    """Return a byte-level BPE of 8,192 tokens made from `texts`."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(
        texts, vocab_size=VOCABULARY, special_tokens=["<pad>", "</s>"], show_progress=False
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe._tokenizer, pad_token="<pad>", eos_token="</s>"
    )


def load_samples(task: str) -> tuple[list[dict[str, Any]], Any]:
    """Return tokenised rows {"input_ids", "labels", "group"} of a task, and the tokenizer."""
    rows = load_rows(task)
    tokenizer = make_tokenizer([row["prompt"][0]["content"] for row in rows])
    samples = []
    for row in rows:
        prompt = tokenizer.encode(row["prompt"][0]["content"])
        completion = [*tokenizer.encode(row["completion"][0]["content"]), EOS]
        samples.append(
            {
                "input_ids": prompt + completion,
                "labels": [-100] * len(prompt) + completion,
                "group": row["group"],
            }
        )
    return samples, tokenizer


def student_samples(task: str, folder: Path) -> tuple[list[dict[str, Any]], Any]:
    """Return rows of a task as a training of the student in `folder` has them, and its tokenizer.

    Templates are rendered without options.
    """
    from sftstudy.students.chat import load_tokenizer
    from sftstudy.training.rows import samples

    rows = [{"id": str(number)} | row for number, row in enumerate(load_rows(task))]
    tokenizer = load_tokenizer(folder, {})
    tokens = samples(rows, tokenizer, {}, max_length=1 << 20, file=Path(task))
    return [t | {"group": row["group"]} for t, row in zip(tokens, rows, strict=True)], tokenizer


def make_model() -> Any:
    """Return a random Qwen3-style model of 12.6M parameters in float32."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=384,
        intermediate_size=1024,
        num_hidden_layers=6,
        num_attention_heads=6,
        num_key_value_heads=2,
        head_dim=64,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
        pad_token_id=PAD,
        eos_token_id=EOS,
        bos_token_id=None,
        attn_implementation="sdpa",
    )
    return Qwen3ForCausalLM(config)


def forward_flops(model: Any, rows: int, queries: int, keys: int, scored: int) -> float:
    """FLOPs of a forward pass with dense attention and `scored` positions of the LM head."""
    config = model.config
    weights = sum(p.numel() for p in model.model.layers.parameters())
    attention = 4 * queries * keys * config.num_attention_heads * config.head_dim
    return rows * (2 * weights * queries + config.num_hidden_layers * attention) + (
        2 * scored * config.hidden_size * config.vocab_size
    )


def matmul_flops_per_second(size: int = 1024, seconds: float = 2.0) -> float:
    """FLOPs per CPU-second of a plain float32 matrix product."""
    import torch

    a, b = torch.randn(size, size), torch.randn(size, size)
    a @ b
    number, start = 0, time.process_time()
    while (spent := time.process_time() - start) < seconds:
        a @ b
        number += 1
    return 2 * size**3 * number / spent


def peak_memory_gb() -> float:
    """Peak resident memory of this process in GB (10**9 bytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def median(values: list[float]) -> float:
    """Median; at least three values, as all published figures have."""
    if len(values) < 3:
        raise ValueError(f"{len(values)} measurements: at least 3 are needed")
    return statistics.median(values)


def run_apart(
    script: str,
    *arguments: str,
    python: Path = Path(sys.executable),
    threads: int = 1,
    seconds: float | None = None,
) -> str:
    """Run one way of computing in a process of its own, for its peak memory; return its last line.

    Raises `subprocess.CalledProcessError` when it fails, `TimeoutExpired` after some `seconds`.
    """
    command = [str(python), str(ROOT / "benchmarks" / script), *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(
        command,
        env=environment,
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=seconds,
    )
    return done.stdout.strip().splitlines()[-1]


def machine(threads: int = 1) -> str:
    """One line about the machine and the versions, which are not imported: see `run_apart`."""
    packages = ("torch", "transformers", "trl")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return (
        f"{platform.machine()}, {os.cpu_count()} CPUs, {threads} thread{'s' * (threads > 1)}, "
        f"float32; {versions}"
    )


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
