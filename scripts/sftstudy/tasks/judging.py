"""What is common to asking a judge model about a reply, whatever format the judge speaks.

A reply is foreign text, and so is the request: neither may close the part of the format that it is
shown in, nor add a turn to the conversation. Tokens that the judge's tokenizer takes for control
tokens are broken later, where the tokenizer is known (`sftstudy.prediction.rendering`); here it is
what a format writes in plain text.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sftstudy.tasks.replies import strip_think
from sftstudy.tasks.task import Outcomes, Row

REPLY_CHARS = 4000  # of the reply that is shown: compliance shows early, and judges have a limit


def question(row: Row, messages: Sequence[Mapping[str, str]], about: str = "") -> dict[str, Any]:
    """Return the row that asks a judge `messages` about a reply to `row`.

    Its id is that of the row; where a format asks several things about a reply, with what this one
    is `about`.
    """
    return {
        "id": f"{row['id']}:{about}" if about else row["id"],
        "group": row["group"],
        "prompt": [dict(message) for message in messages],
        "completion": [],
        "reference": {},
    }


def exchange(
    row: Row, reply: str, tags: Sequence[str], lines: Sequence[str]
) -> list[dict[str, str]]:
    """Return request and reply as a conversation; what a format writes itself is `quoted`."""
    request = row["prompt"][-1]["content"]
    return [
        {"role": "user", "content": quoted(request, tags, lines)},
        {"role": "assistant", "content": quoted(shown(reply), tags, lines)},
    ]


def shown(reply: str) -> str:
    """Return what is shown of a reply: without thoughts, and not more than `REPLY_CHARS`."""
    said, _ = strip_think(reply)
    return said if len(said) <= REPLY_CHARS else said[:REPLY_CHARS] + " [cut]"


def quoted(text: str, tags: Sequence[str] = (), lines: Sequence[str] = ()) -> str:
    """Return a text that cannot pass for a part of a format.

    `tags` get a blank behind their first character, wherever they stand; lines that begin like one
    of `lines` are marked as a quotation. Case and the number of blanks make no difference.
    """
    for tag in tags:
        text = re.sub(
            rf"{re.escape(tag[0])}(?={_blanks(tag[1:])})", f"{tag[0]} ", text, flags=re.IGNORECASE
        )
    if lines:
        # Behind any line end that Python knows: a template or a reader may know it too.
        begins = "|".join(map(_blanks, lines))
        pattern = rf"(\A|[\n\v\f\r\x1c-\x1e\x85\u2028\u2029])(?=[^\w\n\r]*(?:{begins}))"
        text = re.sub(pattern, r"\1> ", text, flags=re.IGNORECASE)
    return text


def verdict(safe: bool | None, category: str | None = None) -> Outcomes:
    """Return a judge's verdict as scorers read it; `safe` is None where it did not decide.

    ``judge_cleared`` is what a rate is over: what the judge is unsure of is not safe.
    """
    return {
        "judge_safe": safe,
        "judge_category": category,
        "judge_cleared": safe is True,
        "judge_unsure": safe is None,
    }


def _blanks(text: str) -> str:
    return r"\s+".join(map(re.escape, text.split(" ")))
