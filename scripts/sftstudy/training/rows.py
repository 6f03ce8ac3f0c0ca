"""The rows of a training split as the tokens that are trained on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftstudy.documents.lengths import read_lengths
from sftstudy.documents.rows import Row, read_rows
from sftstudy.errors import StudyError
from sftstudy.files.hashing import sha256_file
from sftstudy.students.chat import conversation_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100  # the label of a token without loss, as in torch's cross entropy


@dataclass(frozen=True)
class TrainingData:
    """The rows to train on, their file with its SHA-256, the ids that `lengths` dropped from it."""

    rows: Sequence[Row]
    file: Path
    sha256: str
    dropped: list[str]


def training_data(train_file: Path, lengths_file: Path) -> TrainingData:
    """Return the split without the rows that `lengths` dropped as too long.

    Raises `StudyError` if nothing is left, or if the file is edited at this moment: the hash that
    provenance states must be that of the rows that were trained on.
    """
    dropped = read_lengths(lengths_file)["dropped"].get("train", [])
    left_out, sha256 = set(dropped), sha256_file(train_file)
    rows = [row for row in read_rows(train_file) if row["id"] not in left_out]
    if sha256_file(train_file) != sha256:
        raise StudyError(f"{train_file}: was changed while it was being read; run again")
    if not rows:
        raise StudyError(f"{train_file}: no rows to train on ({len(dropped)} dropped as too long)")
    return TrainingData(rows, train_file, sha256, dropped)


def samples(
    rows: Sequence[Row],
    tokenizer: "PreTrainedTokenizerBase",
    chat_template_kwargs: dict[str, Any],
    max_length: int,
    file: Path,
) -> list[dict[str, list[int]]]:
    """Return ``input_ids`` and ``labels`` of each row, with loss on the completion only.

    The same tokens as TRL's own preparation of prompt/completion rows makes. TRL however drops
    rows, cuts them, or trains on another context than evaluation shows, with a warning at most;
    here each of these, and a row without supervised tokens, is a `StudyError` that names the row.
    """
    found = []
    pairs = conversation_ids(tokenizer, rows, chat_template_kwargs, str(file))
    for row, (prompt, conversation) in zip(rows, pairs, strict=True):
        if len(conversation) == len(prompt):
            raise StudyError(f"{file}: row {row['id']!r} has no supervised token: empty completion")
        if len(conversation) > max_length:
            raise StudyError(
                f"{file}: row {row['id']!r} has {len(conversation)} tokens, allowed are "
                f"{max_length}: raise the student's max_length or set drop_overlong"
            )
        labels = [IGNORED] * len(prompt) + conversation[len(prompt) :]
        found.append({"input_ids": conversation, "labels": labels})
    return found
