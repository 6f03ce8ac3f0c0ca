"""records/**/*.json: what a job notes about itself.

All that differs between two runs of a job stands here, and in no result.
"""

from pathlib import Path
from typing import Any, NotRequired, TypedDict

from sftstudy.documents.shapes import read


class CodeState(TypedDict):
    """The checkout that a program ran from."""

    commit: str  # unknown outside a git checkout, and where git does not tell
    changed: list[str]  # files that differed from it
    reason: NotRequired[str]  # in git's words, where it did not tell the commit of a checkout


class Hardware(TypedDict):
    """What a job ran on."""

    machine: str
    cpu: str
    cores: int | None  # that it could use
    device: str  # cpu, or the accelerator's name


class Memory(TypedDict):
    """The most that a job held."""

    peak_bytes: int
    device_peak_bytes: int | None  # of a CUDA device


class Record(TypedDict):
    """The file."""

    schema: int
    program: str
    command: list[str]  # can be given again by hand
    code: CodeState
    packages: dict[str, str]  # versions of Python and of the packages that were imported
    hardware: Hardware
    memory: Memory
    started: str  # UTC
    seconds: float  # without the time of interrupted attempts
    cpu_seconds: float
    facts: dict[str, Any]  # what the program adds: tokens, GPU seconds, ...
    inputs: dict[str, str | None]  # path -> SHA-256 of what was read; null where none was taken
    outputs: dict[str, str]  # path -> SHA-256 of what was made


def read_record(path: Path) -> Record:
    """Return the record of a job. It is nobody's input: nothing may depend on it."""
    return read(path, Record, enter=False)
