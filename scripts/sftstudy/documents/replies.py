"""predictions/{student}/{variant}/{evalset}.jsonl: what a checkpoint replied to each row.

One line a reply: as many lines a row as it was asked for, but one of a row that was dropped.
"""

from pathlib import Path
from typing import NotRequired, TypedDict

from sftstudy.documents.shapes import read_lines

DROPPED = "dropped"  # the finish reason of a row that is too long to be asked: no reply, no score


class Reply(TypedDict):
    """One line."""

    id: str  # of the row
    sample: NotRequired[int]  # from 0: which of several replies to the row, that stand in order
    text: str
    finish_reason: str  # stop, length where it reached the token limit, or dropped
    prompt_tokens: NotRequired[int]  # replies of other programs may do without counts
    completion_tokens: NotRequired[int]


def read_replies(path: Path) -> list[Reply]:
    """Return the replies of a file, in its order."""
    return read_lines(path, Reply)
