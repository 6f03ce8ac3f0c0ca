r"""TAT-QA: questions about one table and a few paragraphs of a financial report.

Source: the raw JSON of next-tat/TAT-QA (Zhu et al., ACL 2021), one object per document. The prompt
shows the document first and the question after it, so that the prompts of one document share a
prefix. The reply is the answer in ``\boxed{}``.

Every question with an answer is kept, zero included: 1,668 in the published dev file. The original
study dropped the answers that are false in Python, the integer 0: 1,663.
"""

import re
from pathlib import Path
from typing import Any

from sftstudy.errors import StudyError
from sftstudy.files.reading import read_json

VERSION = 1

TRAIN_FILE = "tatqa_dataset_train.json"
DEV_FILE = "tatqa_dataset_dev.json"
TEST_FILES = ("tatqa_dataset_test_gold.json", DEV_FILE)  # the first that is there

ANSWER_TYPES = ("span", "multi-span", "arithmetic", "count")
ANSWER_SOURCES = ("table", "text", "table-text")
SCALES = ("", "thousand", "million", "billion", "percent")

Row = dict[str, Any]

INSTRUCTION = """\
Below are a table and text from a company's financial report, followed by one question. Find or \
compute the answer using this report alone. Table cells are separated by " | ", one row per line.

How to write the answer:
- If it has several parts, put each part into its own \\boxed{}, separated by commas.
- Copy words and phrases exactly as the report writes them; round computed numbers to two decimals.
- If the number stands for thousands, millions or billions, end the box with that word, as in
  \\boxed{12.5 million}; end a percentage with %, as in \\boxed{12.5%}."""

_AMOUNT = re.compile(r"[-+$€£¥(\s]*\d[\d.,]*[)\s]*%?")

# Stands behind each question, where nothing can be shared between the questions of a document: the
# rules are in the instruction, before the document, and this is short.
ANSWER_FORMAT = r"Answer format: put the answer into \boxed{} and write nothing else."


def read(raw: Path) -> dict[str, list[Row]]:
    """Return the rows of each published split, in published order.

    `raw` holds the train file and a test file (the gold test file, or else the dev file); a lone
    dev file is a source with one split. Raises `StudyError` for missing files and damaged rows.
    """
    train = raw / TRAIN_FILE
    if not train.is_file():
        if (raw / DEV_FILE).is_file():
            return {"train": _rows(raw / DEV_FILE)}
        raise StudyError(
            f"{raw}: found neither {TRAIN_FILE} nor {DEV_FILE}; expected the raw files of "
            "next-tat/TAT-QA: fetch the source again or correct its path"
        )
    for name in TEST_FILES:
        if (raw / name).is_file():
            return {"train": _rows(train), "test": _rows(raw / name)}
    raise StudyError(
        f"{raw}: found {TRAIN_FILE} but no test file; looked for {' and '.join(TEST_FILES)}"
    )


def target(answer: list[str] | str | int | float, scale: str) -> str:
    r"""Return the reply that is wanted: one ``\boxed{}`` per part, each ending in the scale.

    Per cent is ``%`` behind a number and a word behind words; ``%`` is not doubled behind a number
    that has it. Braces are escaped as in LaTeX.
    """
    parts = answer if isinstance(answer, list) else [_decimal(answer)]
    return ", ".join(f"\\boxed{{{_boxed(part, scale)}}}" for part in parts if part.strip())


def _boxed(part: str, scale: str) -> str:
    part = part.strip().replace("{", r"\{").replace("}", r"\}")
    if scale == "percent" and _AMOUNT.fullmatch(part):
        return part if part.endswith("%") else f"{part}%"
    return f"{part} {scale}" if scale else part


def _decimal(answer: str | int | float) -> str:
    """Return the number without exponent, as the report would print it."""
    text = str(answer)
    return f"{answer:f}" if isinstance(answer, float) and "e" in text else text


def _rows(path: Path) -> list[Row]:
    documents = read_json(path)
    if not isinstance(documents, list):
        raise StudyError(f"{path}: expected a list of documents, found {_kind(documents)}")
    rows: list[Row] = []
    seen: dict[str, str] = {}
    for number, document in enumerate(documents, start=1):
        for row in _document_rows(document, f"{path}, document {number}"):
            where = f"{path}, document {number}"
            if row["id"] in seen:
                raise StudyError(
                    f"{where}: question uid {row['id']!r} was used before, by {seen[row['id']]}"
                )
            seen[row["id"]] = f"document {number}"
            rows.append(row)
    if not rows:
        raise StudyError(f"{path}: holds no question")
    return rows


def _document_rows(document: Any, where: str) -> list[Row]:
    table = _field(document, "table", dict, where)
    uid = _field(table, "uid", str, f"{where}, table")
    cells = _field(table, "table", list, f"{where}, table")
    if not all(isinstance(row, list) for row in cells):
        raise StudyError(f"{where}, table: expected a list of rows of cells")
    lines = [" | ".join(" ".join(str(cell).split()) for cell in row) for row in cells]
    paragraphs = [
        (_field(paragraph, "order", int, f"{where}, paragraph {number}"),
         _field(paragraph, "text", str, f"{where}, paragraph {number}"))
        for number, paragraph in enumerate(_field(document, "paragraphs", list, where), start=1)
    ]  # fmt: skip
    texts = [text for _, text in sorted(paragraphs, key=lambda pair: pair[0])]
    report = "\n".join([INSTRUCTION, "", "Table:", *lines, "", "Text:", *texts])
    return [
        _question_row(question, report, uid, f"{where}, question {number}")
        for number, question in enumerate(_field(document, "questions", list, where), start=1)
    ]


def _question_row(question: Any, report: str, group: str, where: str) -> Row:
    uid = _field(question, "uid", str, where)
    where = f"{where} ({uid})"
    text = _field(question, "question", str, where)
    answer_type = _choice(question, "answer_type", ANSWER_TYPES, where)
    scale = _choice(question, "scale", SCALES, where)
    answer = _answer(question, answer_type, where)
    prompt = f"{report}\n\nQuestion: {text.strip()}\n\n{ANSWER_FORMAT}\n\nAnswer:"
    return {
        "id": uid,
        "group": group,
        "prompt": [{"role": "user", "content": prompt}],
        "completion": [{"role": "assistant", "content": target(answer, scale)}],
        "reference": {
            "answer": answer,
            "answer_type": answer_type,
            "answer_from": _choice(question, "answer_from", ANSWER_SOURCES, where),
            "scale": scale,
        },
    }


def _answer(
    question: dict[str, Any], answer_type: str, where: str
) -> list[str] | str | int | float:
    """Return the answer: a list of strings for spans, one number for the computed types."""
    answer: Any = question.get("answer")
    if answer_type in ("span", "multi-span"):
        answer = [answer] if isinstance(answer, str) else answer
        valid = isinstance(answer, list) and all(isinstance(part, str) for part in answer)
        valid = valid and any(part.strip() for part in answer)
    elif isinstance(answer, str):
        valid = bool(answer.strip())
    else:
        valid = isinstance(answer, int | float) and not isinstance(answer, bool)
    if not valid:
        expected = "a list of strings" if "span" in answer_type else "a number"
        raise StudyError(
            f"{where}: answer of type {answer_type} is {question.get('answer')!r}, expected "
            f"{expected}; a question without its answer can neither be trained nor scored"
        )
    return answer


def _choice(question: dict[str, Any], key: str, allowed: tuple[str, ...], where: str) -> str:
    value = question.get(key)
    if value not in allowed:
        raise StudyError(
            f"{where}: {key} is {value!r}, expected one of {', '.join(map(repr, allowed))}"
        )
    return value


def _field(mapping: Any, key: str, kind: type, where: str) -> Any:
    if not isinstance(mapping, dict):
        raise StudyError(f"{where}: expected an object, found {_kind(mapping)}")
    if not isinstance(mapping.get(key), kind):
        found = _kind(mapping[key]) if key in mapping else "nothing"
        raise StudyError(f"{where}: expected {key!r} to be a {kind.__name__}, found {found}")
    return mapping[key]


def _kind(value: Any) -> str:
    return type(value).__name__
