"""IFEval: Google's instruction checkers, as lm-eval ships them, on saved replies.

Two departures from lm-eval, both so that a reply always gets the same score: the language detector
and the random letters that some checkers fall back to are seeded, and missing tokenizer data is an
error instead of a silent download.
"""

import functools
import logging
import os
import random
from collections.abc import Callable
from typing import Any

import numpy as np

from sftstudy.errors import StudyError
from sftstudy.statistics.metric import Item, Metric, Statistic
from sftstudy.tasks.replies import strip_think

VERSION = 1
PRIMARY = "prompt_strict"

# The only two of the 25 instruction types that split text into sentences with NLTK.
NEEDS_PUNKT = frozenset(
    {"length_constraints:number_sentences", "change_case:capital_word_frequency"}
)


def outcomes(row: dict[str, Any], reply: str) -> dict[str, Any]:
    """Return everything known about one reply.

    Strict: each instruction is checked on the reply as it is. Loose: an instruction also counts
    as followed when the reply without its first line, its last line, both, or its asterisks
    follows it (Zhou et al., 2023, section 2.3).
    """
    reference = row["reference"]
    instructions = reference["instruction_id_list"]
    if not NEEDS_PUNKT.isdisjoint(instructions):
        require_punkt()
    utils = _checkers()
    if unknown := set(instructions) - set(utils.instructions_registry.INSTRUCTION_DICT):
        raise StudyError(
            f"ifeval, row {row['id']}: no checker for instruction {sorted(unknown)[0]!r}; "
            "use the published prompts or a version of lm-eval that knows it"
        )
    text, _ = strip_think(reply)
    document = {**reference, "prompt": row["prompt"][0]["content"]}
    result = _seeded(reference["key"], lambda: utils.process_results(document, [text]))
    return {
        "prediction": None,
        "prompt_strict": bool(result["prompt_level_strict_acc"]),
        "prompt_loose": bool(result["prompt_level_loose_acc"]),
        "instructions": len(instructions),
        "followed_strict": sum(result["inst_level_strict_acc"]),
        "followed_loose": sum(result["inst_level_loose_acc"]),
    }


def metrics(items: list[Item]) -> dict[str, Metric]:
    """Return the four published metrics: by prompt and by instruction, strict and loose."""
    return {
        "prompt_strict": Metric(
            "proportion", "prompt_strict", description="prompts with every instruction followed"
        ),
        "prompt_loose": Metric(
            "proportion", "prompt_loose", description="the same, decoration of the reply forgiven"
        ),
        "inst_strict": Metric(
            "statistic", statistic=_ratio("followed_strict"), description="instructions followed"
        ),
        "inst_loose": Metric(
            "statistic",
            statistic=_ratio("followed_loose"),
            description="the same, decoration of the reply forgiven",
        ),
    }


def require_punkt() -> None:
    """Raise `StudyError` naming the command to run when NLTK's ``punkt_tab`` is not installed."""
    if not _has_punkt():
        raise StudyError(
            "NLTK's tokenizer data 'punkt_tab' was not found, and prompts of IFEval with "
            f"{' or '.join(sorted(NEEDS_PUNKT))} cannot be scored without it; "
            "run `python -m nltk.downloader punkt_tab` (with -d FOLDER and NLTK_DATA=FOLDER in the "
            "environment to keep it elsewhere) and run again"
        )


@functools.cache
def _has_punkt() -> bool:
    import nltk

    try:
        nltk.data.find("tokenizers/punkt_tab/english/")
    except LookupError:
        return False
    return True


@functools.cache
def _checkers() -> Any:
    """Import lm-eval's checkers (no torch, but nltk and scipy: about 2.5 CPU-seconds)."""
    import langdetect

    langdetect.DetectorFactory.seed = 0  # it draws n-grams at random otherwise
    # On local rank 0 the import downloads punkt_tab where it is missing: scoring neither needs the
    # network for most prompts nor may use it.
    rank = os.environ.get("LOCAL_RANK")
    os.environ["LOCAL_RANK"] = "-1"
    try:
        from lm_eval.tasks.ifeval import utils
    finally:
        if rank is None:
            del os.environ["LOCAL_RANK"]
        else:
            os.environ["LOCAL_RANK"] = rank
    # It logs every reply whose language cannot be told, whole, as an error (and counts it as
    # followed, as Google's program does).
    logging.getLogger(utils.instructions_registry.instructions.__name__).setLevel(logging.CRITICAL)
    return utils


def _seeded(seed: int, check: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    # Rows whose letter to count is no letter get a random one from lm-eval.
    state = random.getstate()
    random.seed(seed)
    try:
        return check()
    finally:
        random.setstate(state)


def _ratio(followed: str) -> Statistic:
    """Return the statistic: instructions followed over instructions given, summed over prompts."""

    def statistic(items: list[Item], weights: np.ndarray) -> np.ndarray:
        counts = np.array([[item[followed], item["instructions"]] for item in items], dtype=float)
        sums = np.asarray(weights, dtype=float) @ counts
        return sums[:, 0] / sums[:, 1]

    return statistic
