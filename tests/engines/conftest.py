"""What the tests of engines share: vLLM, real questions, and predictions by the program."""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engines.environment import vllm_python
from programs import program
from real.conftest import (  # noqa: F401
    Rows,
    measured,
    pytest_terminal_summary,
    real_rows,
    smollm2,
)
from real.parts import NotToBeHad
from sftstudy.files.reading import read_jsonl
from sftstudy.files.writing import write_jsonl
from sftstudy.tasks.registry import CONTROLS, TASKS

ROWS = 12  # of each eval set, those with the shortest prompts
# Tokens of a reply. IFEval's are long, and come first: of its replies some end before others.
LIMITS = {
    "ifeval": 48,
    "simple_safety_tests": 24,
    "banking77": 8,
    "pubmedqa": 8,
    "tatqa": 8,
    "nl2sql": 24,
}
CUT = "characters"  # questions whose replies the limit of 13 tokens ends within a character
EMOJI = "Write only emoji, no words. Write ten emoji."
THREADS = min(2, os.cpu_count() or 1)
# vLLM asks for nine tenths of the memory unless it is told how many GiB it may use; and it tells
# its makers of its use.
VLLM = {"VLLM_CPU_KVCACHE_SPACE": "2", "VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1"}

Prediction = dict[str, list[dict[str, Any]]]  # lines by eval set


@dataclass(frozen=True)
class Engine:
    """An engine, with the Python that has what it needs."""

    name: str
    python: Path
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Questions:
    """Eval sets for one job: their rows, and the most tokens of a reply."""

    folder: Path
    limits: dict[str, int]

    def data(self, name: str) -> Path:
        return self.folder / f"{name}.jsonl"


class Job:
    """A job of predictions, as rules start it."""

    def __init__(
        self, engine: Engine, checkpoint: Path, questions: Questions, folder: Path, **changes: Any
    ) -> None:
        generation = {"attention": "sdpa", "chat_template_kwargs": {}, "dtype": "float32"}
        generation |= {"max_length": 2048, "engine": engine.name} | changes
        self.questions, self.folder = questions, folder
        self.command = [engine.python, program("predict.py"), "--checkpoint", checkpoint]
        self.command += ["--data", *(questions.data(name) for name in questions.limits)]
        self.command += ["--max-new-tokens", *questions.limits.values()]
        self.command += ["--generation", json.dumps(generation), *engine.options]
        self.command += ["--threads", THREADS, "--device", "cpu"]
        self.command += ["--output", *(folder / f"{name}.jsonl" for name in questions.limits)]
        self.seconds = 0.0

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        """Start it; what it prints goes to `log`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*map(str, self.command), *options],
                env=os.environ | VLLM | {"VLLM_CACHE_ROOT": str(self.folder / "cache")},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def run(self, *options: str) -> Prediction:
        """Run it to its end; return what it wrote."""
        began = time.monotonic()
        status = self.start(*options).wait(timeout=1800)
        self.seconds = time.monotonic() - began
        assert not status, self.printed()[-4000:]
        return {name: read_jsonl(self.folder / f"{name}.jsonl") for name in self.questions.limits}

    def kept(self) -> int:
        """Return how many replies are in the journal."""
        files = (self.folder / ".journal").glob("*.jsonl")
        return sum(file.read_bytes().count(b"\n") for file in files)

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def printed(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


@pytest.fixture(scope="session")
def python_with_vllm() -> Path:
    """The Python of the environment that has vLLM."""
    try:
        return vllm_python()
    except NotToBeHad as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def hf() -> Engine:
    return Engine("hf", Path(sys.executable))


@pytest.fixture(scope="session")
def vllm(python_with_vllm: Path) -> Engine:
    return Engine("vllm", python_with_vllm, ("--enforce-eager",))


@pytest.fixture(scope="session")
def openai(python_with_vllm: Path) -> Engine:
    """vLLM as a server, started as docs/prediction.md says."""
    serve = [
        *("env", "VLLM_CPU_OMP_THREADS_BIND=nobind"),
        *(str(python_with_vllm.with_name("vllm")), "serve", "{checkpoint}"),
        *("--host", "127.0.0.1", "--port", "{port}", "--dtype", "{dtype}"),
        *("--max-model-len", "{max_length}", "--tensor-parallel-size", "{gpus}"),
        *("--generation-config", "vllm", "--enforce-eager"),
    ]
    return Engine("openai", Path(sys.executable), ("--serve", shlex.join(serve)))


@pytest.fixture(scope="session")
def questions(
    real_rows: Rows,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Questions]:
    """Function that returns eval sets of real rows, by their names; without names all."""
    folder = tmp_path_factory.mktemp("questions")
    emoji = [{"role": "user", "content": EMOJI}]
    write_jsonl(folder / f"{CUT}.jsonl", [{"id": "emoji", "prompt": emoji, "reference": {}}])
    for name in TASKS + CONTROLS:
        rows = sorted(real_rows(name), key=lambda row: (len(str(row["prompt"])), row["id"]))
        write_jsonl(folder / f"{name}.jsonl", rows[:ROWS])
    limits = LIMITS | {CUT: 13}
    return lambda *names: Questions(folder, {name: limits[name] for name in names or limits})
