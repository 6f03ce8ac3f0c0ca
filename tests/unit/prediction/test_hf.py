"""The `hf` engine: how much it computes at a time, and what it says on the way."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from sftstudy.prediction import hf
from sftstudy.prediction.engine import Generated, Machine
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


def test_replies_that_take_long_say_how_far_they_are(
    engine: HFEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts = [[3, 4, 5 + n, 6 + n] for n in range(6)]
    list(engine.generate(prompts, 5, None))
    assert capsys.readouterr().out == ""  # what is quick says nothing

    monkeypatch.setattr(hf, "TELL_SECONDS", 0.0)
    monkeypatch.setattr(engine, "batch_size", 3)
    replies = list(engine.generate(prompts, 5, None))

    told = re.compile(
        r"(\d) of 6 replies, (\d) being written; (\d+) tokens, \d+ a second; about (\d+) s more"
    )
    lines = [told.fullmatch(line) for line in capsys.readouterr().out.splitlines()]
    assert all(lines)
    counts = [tuple(map(int, line.groups())) for line in lines if line]
    assert counts[0][:3] == (0, 3, 3)
    assert max(going for _, going, *_ in counts) == 3
    assert counts[-1][1] == 0 and counts[-1][2] == sum(map(_with_end, replies))


def _with_end(reply: Generated) -> int:
    return reply.tokens + (reply.finish_reason == "stop")


def test_the_end_is_expected_from_what_ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 10.0, 20.0, 100.0])
    monkeypatch.setattr(hf.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(hf, "TELL_SECONDS", 0.0)
    progress = hf._Progress(done=0, replies=10, most=100)
    progress.step(50, 5)  # nothing ended: 100 tokens a reply, 950 left at 5 a second
    progress.done = 2
    progress.step(50, 3)  # 100 tokens of 2 replies: 50 a reply, 400 left at 5 a second
    progress.done = 10
    progress.step(20, 0)
    ends = [line.rsplit("about ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    assert ends == ["190 s more", "80 s more", "0 s more"]


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_as_many_tokens_at_a_time_as_a_quarter_of_the_free_memory_holds(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Qwen3-4B: 36 layers of 8 key and 8 value heads of 128, of two bytes: 147,456 bytes a token.
    config = SimpleNamespace(
        num_attention_heads=32,
        num_hidden_layers=36,
        num_key_value_heads=8,
        head_dim=128,
        get_text_config=lambda: config,
    )
    model = SimpleNamespace(config=config, dtype=torch.bfloat16, device=torch.device(device))
    asked = []

    def free_memory(*arguments: object) -> float:
        asked.append(arguments)
        return 80e9

    monkeypatch.setattr(hf, "free_memory", free_memory)
    assert hf.tokens_that_fit(model, 4000) == 20 * 10**9 // 147_456  # type: ignore[arg-type]
    assert asked == [(torch.device(device), 4000)]


def test_where_the_free_memory_is_not_known(
    engine: HFEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hf, "free_memory", lambda device, limit: None)
    assert hf.tokens_that_fit(engine.model, None) == hf.TOKENS_UNKNOWN


def test_a_job_without_memory_to_spare_replies_one_by_one(
    engine: HFEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = [[3, 4, 5 + n] for n in range(3)]
    expected = sorted(engine.generate(prompts, 5, None), key=lambda reply: reply.index)
    monkeypatch.setattr(engine, "tokens_per_batch", 0)
    assert sorted(engine.generate(prompts, 5, None), key=lambda reply: reply.index) == expected
