"""What every program in ``scripts/`` shares: readable errors and an exit status."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from sftstudy.errors import StudyError

TERMINATED = 128 + signal.SIGTERM  # the exit status that a shell gives a program that it ended


def run(main: Callable[[], None]) -> None:
    """Call `main`; turn a `StudyError` into one message on stderr and exit status 1.

    SIGTERM ends it with status 143, after temporaries are removed and owners released. Any other
    exception is a bug of ours and keeps its traceback.
    """
    with _clean_end_on_sigterm():
        try:
            main()
        except StudyError as error:
            print(f"error: {error}", file=sys.stderr, flush=True)
            sys.exit(1)


@contextmanager
def _clean_end_on_sigterm() -> Iterator[None]:
    """Let SIGTERM raise `SystemExit`; by default it ends Python without leaving its `with` blocks.

    Training replaces this by a handler that saves its state first (`sftstudy.training.resume`).
    """
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave(*_: int | FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one would cut the cleaning up short
    sys.exit(TERMINATED)


def prefer_own_environment() -> None:
    """Let child processes find the programs beside this Python first.

    Rules then run in the environment that Snakemake runs in, whether or not it was activated; a
    rule's conda environment still comes before it.
    """
    own = str(Path(sys.executable).parent)
    os.environ["PATH"] = os.pathsep.join([own, os.environ.get("PATH", os.defpath)])
