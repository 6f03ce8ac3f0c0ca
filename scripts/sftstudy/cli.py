"""What every program in ``scripts/`` shares: readable errors, an exit status, a record."""

import argparse
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from sftstudy.errors import StudyError
from sftstudy.files.ledger import LEDGER

DETERMINES_NO_RESULT = True

# The exit statuses that a shell gives programs that these signals ended.
TERMINATED = 128 + signal.SIGTERM
UNREAD = 128 + signal.SIGPIPE


class Parser(argparse.ArgumentParser):
    """An argument parser with the option that asks for the record of the job."""

    def __init__(self, description: str | None) -> None:
        super().__init__(description=description)
        self.add_argument(
            "--record", metavar="FILE", help="JSON to write: what this job was given and made"
        )

    def parse_args(  # type: ignore[override]  # argparse's also fills a namespace that it is given
        self, args: Sequence[str] | None = None
    ) -> argparse.Namespace:
        """Parse, and open the ledger if a record is wanted."""
        arguments = super().parse_args(args)
        if arguments.record:
            LEDGER.open(arguments.record)
        return arguments


def run(main: Callable[[], None]) -> None:
    """Call `main`; turn a `StudyError` into one message on stderr and exit status 1.

    When `main` has succeeded and a record was asked for, it is written last: a record speaks of
    finished outputs only. SIGTERM ends the program with status 143, after temporaries are removed
    and owners released. Any other exception is a bug of ours and keeps its traceback, unless an
    input was edited by hand: then that is told instead.
    """
    LEDGER.close()
    with _clean_end_on_sigterm():
        try:
            status = _status(main)
            if LEDGER.record and not status:
                from sftstudy.records.record import write

                write(LEDGER.record)
        except StudyError as error:
            print(f"error: {error}", file=sys.stderr, flush=True)
            status = 1
        except Exception as error:
            edited = _edited_inputs()
            if not edited:
                raise
            what = f"{type(error).__name__}: {error}".partition("\n")[0]
            print(
                f"error: {', '.join(edited)}: edited by hand, and no longer what this program can "
                f"read ({what}); delete it, and run again to have it made again",
                file=sys.stderr,
                flush=True,
            )
            status = 1
    sys.exit(status)


def _edited_inputs() -> list[str]:
    """Return the files that this job has read and that are not as their jobs wrote them."""
    from sftstudy.records.lineage import edited

    return edited(LEDGER.inputs)


def _status(main: Callable[[], None]) -> int | str | None:
    try:
        main()
        sys.stdout.flush()
    except SystemExit as leaving:
        return leaving.code
    except BrokenPipeError:
        if not _reader_has_gone():
            raise
        return UNREAD
    return None


def _reader_has_gone() -> bool:
    """Return whether nobody reads stdout any more, as behind ``| head``."""
    poll = select.poll()
    poll.register(sys.stdout, 0)  # errors of a pipe are reported without being asked for
    gone = bool(poll.poll(0))
    if gone:  # Python writes what is left when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return gone


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
