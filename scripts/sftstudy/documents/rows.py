"""data/{task}/{split}.jsonl: the rows of a task or control, one conversation each.

Each program needs a part of a row, and refuses a file that lacks it.
"""

from pathlib import Path
from typing import Any, TypedDict

from sftstudy.documents.shapes import read_lines


class Message(TypedDict):
    """One turn of a conversation."""

    role: str  # system, user or assistant
    content: str


class Prompt(TypedDict):
    """What prediction needs of a row."""

    id: str  # unique in its file
    prompt: list[Message]  # what the student is asked


class Scored(Prompt):
    """What scoring needs of a row."""

    group: str  # rows that share one are no independent evidence: one document's questions, say
    reference: dict[str, Any]  # what the task's scorer compares a reply with


class Row(Scored):
    """A whole row."""

    completion: list[Message]  # what training teaches to reply; none in a control


def read_prompts(path: Path) -> list[Prompt]:
    """Return the rows of a file, checked as far as prediction needs them."""
    return read_lines(path, Prompt)


def read_scored(path: Path) -> list[Scored]:
    """Return the rows of a file, checked as far as scoring needs them."""
    return read_lines(path, Scored)


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a file."""
    return read_lines(path, Row)
