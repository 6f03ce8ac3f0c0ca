"""What is common to reading a model's reply, whatever the task."""

import re

# With the white space that follows, and, at the start of a reply, with that before.
_THINK = re.compile(r"(?:\A\s*)?<think>.*?(?:</think>\s*|\Z)", re.DOTALL)


def remove_think(reply: str) -> tuple[str, bool]:
    """Return the reply without its ``<think>`` blocks, and whether there was one.

    An unclosed block reaches to the end: what was only thought was not said. A closing tag without
    an opening one (the opening tag stood in the prompt) ends a block that began at the start. The
    white space after a block goes with it, as in lm-eval; the rest of the reply stays as it is.
    """
    text, count = _THINK.subn("", reply)
    _, tag, tail = text.rpartition("</think>")
    return tail.lstrip() if tag else text, bool(count or tag)


def strip_think(reply: str) -> tuple[str, bool]:
    """Return `remove_think`'s results, the text without outer white space."""
    text, found = remove_think(reply)
    return text.strip(), found


def reply_name(row: str, number: int, replies: int) -> str:
    """Return the id of what is asked about one of so many replies to a row."""
    return row if replies == 1 else f"{row}#{number}"
