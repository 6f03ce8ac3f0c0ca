"""fits/{student}.json: that a student has room for all that a study will ask."""

from typing import Any, TypedDict


class Asked(TypedDict):
    """One eval set."""

    rows: int
    max_new_tokens: int
    longest_prompt: int  # tokens
    dropped: list[str]  # ids of rows without room for a reply, which no variant is asked


class Fits(TypedDict):
    """The file."""

    schema: int
    student: str
    max_length: int  # most tokens of prompt and reply, by the student's configuration
    positions: int | None  # tokens for which its config.json has positions; null: not limited
    chat_template_kwargs: dict[str, Any]
    evalsets: dict[str, Asked]
