"""What is common to reading a model's reply, whatever the task."""

import re

_THINK = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)


def strip_think(reply: str) -> tuple[str, bool]:
    """Return the reply without its ``<think>`` blocks, and whether there was one.

    An unclosed block reaches to the end: what was only thought was not said. A closing tag without
    an opening one (the opening tag stood in the prompt) ends a block that began at the start.
    """
    text, count = _THINK.subn("", reply)
    _, tag, tail = text.rpartition("</think>")
    return (tail if tag else text).strip(), bool(count or tag)
