"""A server process of one's own for one checkpoint: started, waited for, stopped."""

import ctypes
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sftstudy.errors import StudyError

READY_SECONDS = 1800.0
STOP_SECONDS = 30.0
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux' prctl


@contextmanager
def served(command: str, values: dict[str, Any]) -> Iterator[str]:
    """Run `command` with its ``{placeholders}`` filled in; yield the base URL of its API.

    `values` fill placeholders; ``{port}`` is a free port. The server is ready when ``/health``
    answers, as in vLLM, SGLang, llama.cpp and `transformers serve`. What it prints goes where this
    program prints. It is stopped when the block is left, and also when this process is killed.
    """
    port = _free_port()
    words = _fill(command, values | {"port": port})
    try:
        process = subprocess.Popen(words, preexec_fn=_end_with_parent)
    except OSError as error:
        raise StudyError(f"serve: {words[0]}: cannot be started: {error.strerror}") from None
    try:
        _wait_until_ready(process, words[0], f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _fill(command: str, values: dict[str, Any]) -> list[str]:
    try:
        return [word.format(**values) for word in shlex.split(command)]
    except (KeyError, IndexError, ValueError) as error:
        allowed = ", ".join(f"{{{name}}}" for name in values)
        raise StudyError(f"serve: {command!r}: {error}; placeholders are {allowed}") from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end_with_parent() -> None:
    """Let the server be stopped when this process dies, even by SIGKILL; on Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGTERM)


def _wait_until_ready(process: "subprocess.Popen[bytes]", name: str, url: str) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise StudyError(
                f"serve: {name} ended with status {process.returncode} before it was ready; its "
                "messages stand above"
            )
        try:
            with direct.open(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise StudyError(f"serve: {name} was not ready after {READY_SECONDS:.0f} s ({url})")
