"""How many tokens the rows of a task have under a student's tokenizer."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sftstudy.documents.lengths import SplitLengths, Spread
from sftstudy.documents.rows import Prompt, Row
from sftstudy.errors import StudyError
from sftstudy.students.chat import conversation_ids, render_prompt, token_ids

_CHUNK = 256  # rows tokenised at once: the tokenizer keeps some 200 bytes per token until then


def measure(
    rows: Sequence[Row], tokenizer: Any, chat_template_kwargs: dict[str, Any], where: str
) -> np.ndarray:
    """Return an (n, 2) array of token counts: of the prompt, and of prompt with completion."""
    counts = []
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        ids = conversation_ids(tokenizer, chunk, chat_template_kwargs, where)
        counts += [[len(prompt), len(full)] for prompt, full in ids]
    return np.array(counts, dtype=int).reshape(-1, 2)


def overlong(rows: Sequence[Row], counts: np.ndarray, max_length: int) -> list[str]:
    """Return the ids of the rows whose prompt with completion exceeds `max_length` tokens."""
    return [row["id"] for row, (_, n) in zip(rows, counts, strict=True) if n > max_length]


def refuse_overlong(rows: Sequence[Row], counts: np.ndarray, max_length: int, where: str) -> None:
    """Raise `StudyError` naming the first row that is too long, and how many there are."""
    for row, (prompt, full) in zip(rows, counts, strict=True):
        if full > max_length:
            number = len(overlong(rows, counts, max_length))
            raise StudyError(
                f"{where}, row {row['id']!r}: prompt and completion have {full} tokens (the "
                f"prompt alone {prompt}), the student's maximum is {max_length}; {number} of "
                f"{len(rows)} rows are too long (the longest has {counts[:, 1].max()}): raise the "
                "student's max_length, or set drop_overlong to leave such rows out"
            )


def refuse_all_dropped(rows: Sequence[Row], dropped: Sequence[str], where: str) -> None:
    """Raise `StudyError` if rows were dropped and none is left."""
    if dropped and len(dropped) == len(rows):
        raise StudyError(
            f"{where}: all of its {len(rows)} rows are too long and would be dropped: raise the "
            "student's max_length"
        )


def measure_prompts(
    rows: Sequence[Prompt], tokenizer: Any, chat_template_kwargs: dict[str, Any]
) -> list[int]:
    """Return the number of tokens of each row's prompt."""
    counts: list[int] = []
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        texts = [render_prompt(tokenizer, row["prompt"], chat_template_kwargs) for row in chunk]
        counts += map(len, token_ids(tokenizer, texts))
    return counts


def summarise(counts: np.ndarray) -> SplitLengths:
    """Return the number of rows, and mean, total and quantiles of both columns of `measure`.

    Quantiles are observed values (inverted empirical distribution), in tokens.
    """
    prompt, conversation = _spread(counts[:, 0]), _spread(counts[:, 1])
    return {"rows": len(counts), "prompt": prompt, "conversation": conversation}


def _spread(values: np.ndarray) -> Spread:
    if not len(values):
        return {}

    def quantile(share: float) -> int:
        return int(np.quantile(values, share, method="inverted_cdf"))

    return {
        "min": quantile(0.0),
        "p50": quantile(0.5),
        "p90": quantile(0.9),
        "p99": quantile(0.99),
        "max": quantile(1.0),
        "mean": round(float(values.mean()), 2),
        "total": int(values.sum()),
    }
