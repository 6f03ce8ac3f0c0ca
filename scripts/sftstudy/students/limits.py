"""How much a student can be asked: its positions, and the room that a prompt leaves. No torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sftstudy.errors import StudyError

_CONFIG = "config.json"


def without_room(
    ids: Sequence[str],
    prompt_tokens: Sequence[int],
    max_new_tokens: int,
    max_length: int,
    drop: bool,
    where: str,
    limit: str = "max_new_tokens",
) -> list[str]:
    """Return the ids of an eval set's rows whose prompt leaves no room for the longest reply.

    The one rule for eval sets: what is dropped before the first training is what no variant is
    asked. Raises `StudyError`, naming the file of rows as `where` and what bounds a reply as
    `limit`, if there are such rows and they are not to be dropped, or if no other is left.
    """
    lengths = dict(zip(ids, prompt_tokens, strict=True))
    found = [name for name, tokens in lengths.items() if tokens + max_new_tokens > max_length]
    if found and not drop:
        raise StudyError(
            f"{where}: row {found[0]!r} has a prompt of {lengths[found[0]]} tokens; with "
            f"{max_new_tokens} for the reply that is over the student's max_length of "
            f"{max_length}; {len(found)} of {len(ids)} rows are too long (the longest prompt has "
            f"{max(prompt_tokens)}): raise max_length, lower {limit}, or set drop_overlong "
            "to leave such rows out, for the base and for all trials"
        )
    if found and len(found) == len(ids):
        raise StudyError(
            f"{where}: all of its {len(ids)} rows are too long and would be dropped (prompts of "
            f"{min(prompt_tokens)} tokens and more, {max_new_tokens} for the reply, max_length "
            f"{max_length}): raise max_length or lower {limit}"
        )
    return found


def require_positions(folder: Path, max_length: int, student: str) -> None:
    """Raise `StudyError` if `max_length` is more tokens than a checkpoint has positions for.

    Beyond them a model computes without error, and its replies and gradients mean nothing.
    """
    found = positions(folder)
    if found is not None and max_length > found:
        raise StudyError(
            f"{student}: its max_length is {max_length}, but {folder / _CONFIG} has positions for "
            f"{found} tokens (max_position_embeddings, with its rope scaling): set max_length "
            f"under catalog.students (or of --config) to at most {found}, or choose a student "
            "that sees more"
        )


def positions(folder: Path) -> int | None:
    """Return for how many tokens a checkpoint has positions; None where nothing limits them.

    Sliding windows limit no position. A folder without config.json, a tokenizer alone, says
    nothing.
    """
    if not (folder / _CONFIG).exists():
        return None
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise StudyError(
            f"{folder / _CONFIG}: cannot be read ({error}); fetch the student again, or choose one "
            "whose architecture transformers knows"
        ) from error
    # Of a model that sees images it is the part for text; defaults are those of its architecture.
    text = config.get_text_config(decoder=True)
    native = getattr(text, "max_position_embeddings", None)
    if not native:
        return None
    rope = getattr(text, "rope_parameters", None) or {}
    of_layers = [values for values in rope.values() if isinstance(values, dict)]
    if of_layers:
        return max(native, *(_scaled(native, values) for values in of_layers))
    return max(native, _scaled(native, rope, stretched=("linear", "dynamic")))


def _scaled(native: int, rope: dict[str, Any], stretched: tuple[str, ...] = ()) -> int:
    """Return for how many tokens rope parameters are made (transformers: modeling_rope_utils).

    yarn multiplies the original positions, whether `native` is these (Qwen2.5) or their product
    (DeepSeek). linear and dynamic multiply `native`; where layers differ (Gemma 3) `native` is the
    product. llama3 and longrope state the product as `native`. vLLM reads configs in the same way.
    """
    kind, factor = rope.get("rope_type"), rope.get("factor") or 1.0
    if kind == "yarn":
        return int(factor * (rope.get("original_max_position_embeddings") or native))
    return int(factor * native) if kind in stretched else native
