"""What lm-eval is told of a student's chat template."""

from typing import Any

_END = "</think>"  # as in `sftstudy.tasks.replies`


def chat_arguments(chat_template_kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of lm-eval's models for the keyword arguments of a chat template.

    Of a student that thinks aloud what stands behind its thoughts is the reply.
    """
    arguments: dict[str, Any] = {"chat_template_args": dict(chat_template_kwargs)}
    if chat_template_kwargs.get("enable_thinking"):
        arguments["think_end_token"] = _END
    return arguments
