"""Engines: the same rows give the same text, whatever fails on the way.

`openai` is tested against a real server, `transformers serve` with a random student. vLLM, offline
and as a server, is run by tests/engines.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from faulty_proxy import cut, faulty_proxy, status
from programs import run, start
from repository import ROOT
from sftstudy.documents.decoding import Decoding
from sftstudy.errors import StudyError
from sftstudy.files.reading import read_jsonl
from sftstudy.files.writing import write_jsonl
from sftstudy.prediction.engine import Asked, Generated, Machine, Sampling, answers, seed
from sftstudy.prediction.maker import maker
from sftstudy.run.code import code
from tiny_student import save_student

GENERATION = {
    "attention": "sdpa",
    "chat_template_kwargs": {"enable_thinking": False},
    "dtype": "float32",
    "max_length": 400,
}
OPENAI = GENERATION | {"engine": "openai"}
ROWS = [
    {"id": f"r{n}", "prompt": [{"role": "user", "content": f"The same start of it all.\n{n}" * 3}]}
    for n in range(24)
]
SERVE = (
    f"{Path(sys.executable).with_name('transformers')} serve --host 127.0.0.1 --port {{port}}"
    " --device cpu --dtype {dtype}"
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_student(tmp_path_factory.mktemp("checkpoint"))


def predict(
    checkpoint: Path,
    folder: Path,
    generation: dict,
    machine: Machine | None = None,
    decoding: Decoding | None = None,
) -> list[dict]:
    from sftstudy.prediction.suite import EvalSet
    from sftstudy.prediction.suite import predict as predict_suite

    write_jsonl(folder / "data.jsonl", ROWS)
    output = folder / "predictions" / "evalset.jsonl"
    evalset = EvalSet(folder / "data.jsonl", 8, output, decoding)
    predict_suite(checkpoint, [evalset], generation, machine)
    return read_jsonl(output)


def texts(replies: list[dict]) -> list[tuple[str, str, str]]:
    return [(reply["id"], reply["text"], reply["finish_reason"]) for reply in replies]


@pytest.fixture(scope="module")
def expected(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """What hf replies."""
    replies = predict(checkpoint, tmp_path_factory.mktemp("hf"), GENERATION)
    assert len({reply["text"] for reply in replies}) > 1
    return replies


@pytest.mark.parametrize("engine", ["hf", "vllm", "openai"])
def test_all_that_makes_a_kept_reply_is_code_of_each_engine(engine: str) -> None:
    """Else a reply would stay known that edited code would not make."""

    class Backwards:
        def generate(
            self, prompts: list[list[int]], _: int, sampling: Sampling | None
        ) -> Iterator[Generated]:
            assert sampling is None
            for index in reversed(range(len(prompts))):
                yield Generated(index, f"to {prompts[index]}", 7, "length")

    counts = {"finish_reason": "length", "completion_tokens": 7}
    assert list(answers(Backwards(), {"a": Asked([1]), "b": Asked([2, 3])}, 8)) == [
        ("b", {"text": "to [2, 3]", "prompt_tokens": 2, **counts}),
        ("a", {"text": "to [1]", "prompt_tokens": 1, **counts}),
    ]
    module = Path(answers.__code__.co_filename).relative_to(ROOT).as_posix()
    assert module in code(f"scripts/sftstudy/prediction/{engine}.py")


def test_a_seed_hangs_on_prompt_and_number_alone() -> None:
    """Pinned: other seeds are other replies, and a study must not change by itself."""
    seeds = [seed(Asked(prompt, number)) for prompt in ([1, 2], [1, 3]) for number in range(4)]
    assert seeds[:2] == [1862562864, 238878718]
    assert len(set(seeds)) == 8
    assert all(0 <= one < 2**31 for one in seeds), "llama.cpp and others take 32 bits"


DRAWN: Decoding = {"samples": 3, "temperature": 0.8, "top_p": 0.9}


# -- hf: out of memory ---------------------------------------------------------------------------


class Memory:
    """A device on which at most `most` prompts fit: generate_shared with an injected error."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.sizes: list[int] = []

    def generate(self, real: Any, model: Any, prompts: list, *, batch_size: int, **rest: Any):
        import torch

        self.sizes.append(batch_size)
        replies = real(model, prompts, batch_size=min(batch_size, max(1, self.most)), **rest)
        for number, reply in enumerate(replies):
            if batch_size > self.most and number == self.most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.\n")
            yield reply


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Memory]:
    from sftstudy.prefix_sharing import generate

    device, real = Memory(most=3), generate.generate_shared
    monkeypatch.setattr(generate, "generate_shared", lambda *a, **k: device.generate(real, *a, **k))
    return device


@pytest.mark.slow
def test_out_of_memory_halves_the_batch_and_goes_on(
    checkpoint: Path,
    expected: list[dict],
    tmp_path: Path,
    memory: Memory,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert predict(checkpoint, tmp_path, GENERATION) == expected
    # Three replies are done before each failure, and never asked for again: 24, 21, 18, 15 left.
    assert memory.sizes == [24, 12, 6, 3]
    printed = capsys.readouterr().out
    assert "out of memory: CUDA out of memory. Tried to allocate 20.00 MiB." in printed
    assert "24 prompts at a time are too many; going on with 12" in printed


@pytest.mark.slow
def test_out_of_memory_with_a_single_prompt_is_an_error_that_keeps_what_is_done(
    checkpoint: Path, tmp_path: Path, memory: Memory, capsys: pytest.CaptureFixture[str]
) -> None:
    memory.most = 0
    with pytest.raises(StudyError, match=r"one prompt at a time, up to \d+ tokens with its reply"):
        predict(checkpoint, tmp_path, GENERATION)
    memory.most = 100
    capsys.readouterr()
    predict(checkpoint, tmp_path, GENERATION)
    assert "24 replies, 0 known before" in capsys.readouterr().out


@pytest.mark.slow
def test_batch_size_of_the_user_is_the_most(
    checkpoint: Path, expected: list[dict], tmp_path: Path, memory: Memory
) -> None:
    memory.most = 100
    assert predict(checkpoint, tmp_path, GENERATION, Machine(batch_size=5)) == expected
    assert memory.sizes == [5]


@pytest.mark.slow
def test_out_of_memory_draws_the_replies_that_there_would_have_been(
    checkpoint: Path, tmp_path: Path, memory: Memory
) -> None:
    memory.most = 1000
    expected = predict(checkpoint, tmp_path / "enough", GENERATION, None, DRAWN)
    memory.most, memory.sizes = 20, []
    assert predict(checkpoint, tmp_path / "short", GENERATION, None, DRAWN) == expected
    assert memory.sizes == [72, 36, 18]


# -- openai --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a `transformers serve` that loads what it is asked for."""
    from sftstudy.prediction.server import served

    os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with served(SERVE, {"dtype": "float32"}) as url:
        yield url.removesuffix("/v1")


def ask(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", f"{url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")


@pytest.mark.slow
def test_openai_asks_for_each_reply_with_a_seed_of_its_own(
    checkpoint: Path, tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with faulty_proxy(server) as proxy:
        ask(monkeypatch, proxy.url)
        replies = predict(checkpoint, tmp_path, OPENAI, Machine(requests=3), DRAWN)
    assert [(reply["id"], reply["sample"]) for reply in replies] == [
        (row["id"], number) for row in ROWS for number in range(3)
    ]
    asked = proxy.bodies[1:]  # the first one tried token ids
    assert {(body["temperature"], body["top_p"]) for body in asked} == {(0.8, 0.9)}
    assert len(asked) == len({body["seed"] for body in asked}) == 3 * len(ROWS)
    assert all(Counter(body["prompt"] for body in asked)[body["prompt"]] == 3 for body in asked)
    [of_first] = {body["seed"] for body in proxy.bodies[:2]}
    assert of_first == seed(Asked(proxy.bodies[0]["prompt"], 0))


@pytest.mark.slow
def test_openai_gives_the_texts_of_hf(
    checkpoint: Path,
    expected: list[dict],
    tmp_path: Path,
    server: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with faulty_proxy(server) as proxy:
        ask(monkeypatch, proxy.url)
        replies = predict(checkpoint, tmp_path, OPENAI, Machine(requests=3))
    assert texts(replies) == texts(expected)
    assert [r["prompt_tokens"] for r in replies] == [r["prompt_tokens"] for r in expected]
    # The first request tried token ids, which this server refuses; all are greedy and bounded.
    assert len(proxy.bodies) == len(ROWS) + 1
    assert isinstance(proxy.bodies[0]["prompt"], list)
    assert all(isinstance(body["prompt"], str) for body in proxy.bodies[1:])
    assert all(body["temperature"] == 0 and body["max_tokens"] == 8 for body in proxy.bodies)
    assert 1 < proxy.busiest <= 3
    assert proxy.keys == {"Bearer sk-secret"}


@pytest.mark.slow
def test_openai_sends_token_ids_where_they_are_taken(
    checkpoint: Path,
    expected: list[dict],
    tmp_path: Path,
    server: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)

    def as_text(body: dict[str, Any]) -> dict[str, Any]:
        assert body.pop("repetition_penalty") == 1.0
        assert body.pop("stop_token_ids") == [tokenizer.eos_token_id]
        assert body.pop("return_token_ids") is True
        return body | {"prompt": tokenizer.decode(body["prompt"])}

    with faulty_proxy(server, as_text) as proxy:
        ask(monkeypatch, proxy.url)
        assert texts(predict(checkpoint, tmp_path, OPENAI)) == texts(expected)
    assert len(proxy.bodies) == len(ROWS)


def test_a_reply_is_read_here_where_its_tokens_are_told() -> None:
    """As vLLM tells them: with the end token, and a text that lacks the character cut in two."""
    from openai import AsyncOpenAI
    from openai.types import Completion

    from sftstudy.prediction.openai import OpenAIEngine
    from tiny_tokenizer import make_tokenizer

    tokenizer = make_tokenizer()
    end = tokenizer.eos_token_id
    cut = tokenizer("a\N{FOX FACE}")["input_ids"][:-1]
    choice = {"index": 0, "text": "a", "finish_reason": "stop", "token_ids": [*cut, end]}
    told = Completion.model_validate(
        {"id": "1", "object": "text_completion", "created": 1, "model": "m", "choices": [choice]}
    )
    with asyncio.Runner() as runner:
        engine = OpenAIEngine(runner, AsyncOpenAI(api_key="none"), "m", tokenizer, {end}, 1)
        read = engine._decoded(Generated(0, "a", len(cut) + 1, "stop"), told)
    assert read == Generated(0, tokenizer.decode(cut), len(cut), "stop")
    assert read.text.startswith("a") and read.text != "a"


@pytest.mark.slow
def test_openai_retries_what_may_pass(
    checkpoint: Path,
    expected: list[dict],
    tmp_path: Path,
    server: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with faulty_proxy(server) as proxy:
        proxy.faults = {
            1: status(500),
            3: status(503),
            5: status(429, retry_after="2"),
            7: cut,
        }
        ask(monkeypatch, proxy.url)
        began = time.monotonic()
        assert texts(predict(checkpoint, tmp_path, OPENAI)) == texts(expected)
    assert len(proxy.bodies) == len(ROWS) + 1 + len(proxy.faults)
    assert time.monotonic() - began > 2  # as Retry-After said


@pytest.mark.slow
def test_openai_goes_on_where_it_stopped_when_the_server_gives_up(
    checkpoint: Path,
    expected: list[dict],
    tmp_path: Path,
    server: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with faulty_proxy(server) as proxy:
        proxy.faults = {number: status(401) for number in range(10, 100)}
        ask(monkeypatch, proxy.url)
        with pytest.raises(StudyError, match="the server did not reply: Error code: 401") as error:
            predict(checkpoint, tmp_path, OPENAI, Machine(requests=2))
        assert "sk-secret" not in str(error.value)
        proxy.faults, proxy.bodies = {}, []
        assert texts(predict(checkpoint, tmp_path, OPENAI)) == texts(expected)
        known = int(capsys.readouterr().out.rpartition("24 replies, ")[2].split()[0])
        assert known >= 8
        assert len(proxy.bodies) == len(ROWS) - known + 1


@pytest.mark.slow
def test_killed_client_of_openai_goes_on_where_it_stopped(
    checkpoint: Path, expected: list[dict], tmp_path: Path, server: str
) -> None:
    write_jsonl(tmp_path / "data.jsonl", ROWS)
    arguments = [
        *("--checkpoint", checkpoint, "--data", tmp_path / "data.jsonl", "--max-new-tokens", 8),
        *("--generation", json.dumps(OPENAI), "--output", tmp_path / "out" / "evalset.jsonl"),
        *("--requests", 1),
    ]
    with faulty_proxy(server) as proxy:
        proxy.faults = {12: lambda _: time.sleep(60)}
        environment = {"OPENAI_BASE_URL": f"{proxy.url}/v1", "PYTHONUNBUFFERED": "1"}
        process = start("predict.py", *arguments, **environment)
        while len(proxy.bodies) < 13:
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        process.wait()
        proxy.faults, proxy.bodies = {}, []
        code, output = run("predict.py", *arguments, **environment)
    assert code == 0, output
    assert "24 replies, 11 known before" in output
    assert texts(read_jsonl(tmp_path / "out" / "evalset.jsonl")) == texts(expected)
    assert proxy.url not in output


@pytest.mark.slow
def test_job_starts_and_stops_its_own_server(
    checkpoint: Path, expected: list[dict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # must not be asked
    began = tmp_path / "began"
    command = f'sh -c "echo $$ > {began}; exec {SERVE} {{checkpoint}}"'
    replies = predict(checkpoint, tmp_path, OPENAI, Machine(serve=command))
    assert texts(replies) == texts(expected)
    with pytest.raises(ProcessLookupError):
        os.kill(int(began.read_text()), 0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_server_ends_with_a_job_that_is_killed(tmp_path: Path) -> None:
    server = tmp_path / "server.py"
    server.write_text(
        "import http.server, sys\n"
        "class Health(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self): self.send_response(200); self.end_headers()\n"
        "http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Health).serve_forever()\n"
    )
    job = (
        "import os, signal, sys\n"
        "from sftstudy.prediction.server import served\n"
        "with served(sys.argv[1], {}) as url:\n"
        "    print(url, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", job, f"{sys.executable} {server} {{port}}"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "scripts")}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert done.returncode == -signal.SIGKILL
    port = int(done.stdout.strip().removesuffix("/v1").rpartition(":")[2])
    deadline = time.monotonic() + 20
    with pytest.raises(ConnectionRefusedError):
        while time.monotonic() < deadline:
            socket.create_connection(("127.0.0.1", port)).close()
            time.sleep(0.1)


def test_server_that_does_not_start_is_an_error(checkpoint: Path, tmp_path: Path) -> None:
    for command, message in {
        "false": "false ended with status 1 before it was ready",
        "no-such-server --port {port}": "no-such-server: cannot be started",
        "serve {model}": r"'serve \{model\}': 'model'; placeholders are \{checkpoint\}, ",
    }.items():
        with pytest.raises(StudyError, match=f"serve: {message}"):
            predict(checkpoint, tmp_path, OPENAI, Machine(serve=command))


def test_no_server_at_all_is_an_error(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(StudyError, match="engine: openai: no server; set `serve`"):
        predict(checkpoint, tmp_path, OPENAI)


def test_text_for_a_server_gives_the_same_tokens_also_with_a_first_token(tmp_path: Path) -> None:
    from tokenizers.processors import TemplateProcessing

    from sftstudy.prediction.openai import text_of
    from tiny_tokenizer import make_tokenizer

    tokenizer = make_tokenizer()
    tokenizer.add_special_tokens({"bos_token": "<s>"})
    first = tokenizer.bos_token_id
    assert text_of(tokenizer, [first, 65, 66]) == "<s>" + tokenizer.decode([65, 66])
    # As Llama's and Gemma's: every text is given a first token, which the template holds already.
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", first)]
    )
    assert text_of(tokenizer, [first, 65, 66]) == tokenizer.decode([65, 66])
    with pytest.raises(StudyError, match="takes prompts as text only"):
        text_of(tokenizer, [65, 66])


def test_another_engine_does_not_answer_from_the_journal_of_hf() -> None:
    machine = Machine(serve="server --model {checkpoint}")
    makers = [maker(generation, machine) for generation in (GENERATION, OPENAI)]
    assert [made["engine"] for made in makers] == ["hf", "openai"]
    assert makers[0]["code"] != makers[1]["code"]
    assert {"torch", "transformers", "tokenizers"} <= makers[0]["packages"].keys()
    assert maker(OPENAI, Machine(serve="server --quantization fp8")) != makers[1]


# -- vllm ----------------------------------------------------------------------------------------


def test_vllm_that_is_not_installed_is_an_error(checkpoint: Path, tmp_path: Path) -> None:
    if find_spec("vllm"):
        pytest.skip("vllm is installed here")
    with pytest.raises(StudyError, match="the package 'vllm' is not installed"):
        predict(checkpoint, tmp_path, GENERATION | {"engine": "vllm"})


def test_gpus_that_cannot_share_the_heads_are_an_error_before_loading(
    checkpoint: Path, tmp_path: Path
) -> None:
    machine = Machine(gpus=3)
    with pytest.raises(StudyError, match=r"3 GPUs cannot share 4 attention heads.*one of 1, 2, 4"):
        predict(checkpoint, tmp_path, GENERATION | {"engine": "vllm"}, machine)
