"""data/{dataset}/fits/{student}.json: which rows of its eval sets a student can be asked."""

from typing import Any, TypedDict


class Asked(TypedDict):
    """One split."""

    rows: int
    longest_prompt: int  # tokens
    dropped: list[str]  # ids of rows without room for a reply, which no variant is asked


class Fits(TypedDict):
    """The file."""

    schema: int
    student: str
    max_length: int  # most tokens of prompt and reply, by the student's configuration
    max_new_tokens: int  # of a reply
    positions: int | None  # tokens for which its config.json has positions; null: not limited
    chat_template_kwargs: dict[str, Any]
    splits: dict[str, Asked]
