"""The `hf` engine: how much it computes at a time, and what it says on the way."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from sftstudy.prediction import hf
from sftstudy.prediction.engine import Machine
from sftstudy.prediction.hf import HFEngine
from sftstudy.students.chat import load_tokenizer
from tiny_student import save_student

GENERATION = {
    "attention": "sdpa",
    "chat_template_kwargs": {},
    "dtype": "float32",
    "max_length": 400,
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HFEngine]:
    checkpoint: Path = save_student(tmp_path_factory.mktemp("checkpoint"))
    tokenizer = load_tokenizer(checkpoint, {})
    with hf.opened(checkpoint, tokenizer, GENERATION, Machine()) as opened:
        yield opened


def test_long_batches_say_how_far_they_are(
    engine: HFEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts = [[3, 4, 5 + n, 6 + n] for n in range(6)]
    list(engine.generate(prompts, 5))
    assert capsys.readouterr().out == ""  # a batch that is quick says nothing

    monkeypatch.setattr(hf, "TELL_SECONDS", 0.0)
    monkeypatch.setattr(engine, "batch_size", 3)
    replies = list(engine.generate(prompts, 5))

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("0 of 6 replies; this batch: 3 go on behind 1 of at most 5 tokens,")
    second = next(line for line in lines if line.startswith("3 of 6 replies"))
    assert second.split(",")[0].endswith("3 go on behind 1 of at most 5 tokens")
    written = sum(reply.tokens for reply in replies)
    assert written >= 6 and all(line.endswith(" tokens/s") for line in lines)


def test_on_a_cpu_a_batch_has_a_fixed_number_of_tokens(engine: HFEngine) -> None:
    assert engine.tokens_per_batch == hf.TOKENS_ON_CPU


def test_on_a_gpu_a_batch_has_what_a_quarter_of_the_free_memory_holds(
    engine: HFEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Qwen3-4B: 36 layers of 8 key and 8 value heads of 128, of two bytes: 147,456 bytes a token.
    config = SimpleNamespace(
        num_attention_heads=32,
        num_hidden_layers=36,
        num_key_value_heads=8,
        head_dim=128,
        get_text_config=lambda: config,
    )
    model = SimpleNamespace(config=config, dtype=torch.bfloat16, device=torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (80 * 10**9, 85 * 10**9))

    assert hf._tokens_that_fit(model) == 20 * 10**9 // 147_456  # type: ignore[arg-type]
