"""Smoke source of TAT-QA: documents with a small table, a paragraph and four questions each."""

import random
import uuid
from pathlib import Path
from typing import Any

from sftstudy.files.writing import write_json
from sftstudy.tasks.draws import distinct, generator
from sftstudy.tasks.task import Conversation, Lesson

_PRODUCTS = ["cloud", "retail", "energy", "media"]
_AUDITORS = ["Miller", "Tanaka", "Okafor", "Silva"]
_CITIES = ["Oslo", "Lima", "Cairo", "Delhi"]
_SCALES = ("thousand", "million")
_REPORT = [
    "Here are a table and text from a company's report, then one question. Cells stand between |.",
    "Find or compute the answer to the question using this financial report alone.",
]
_BOX = [
    "Answer format: put the answer into \\boxed{} and write nothing else.",
    "Put each part of the answer into its own \\boxed{}, with the word million or thousand.",
]


def document(rng: random.Random) -> dict[str, Any]:
    """Return one document in the publisher's layout: a table, a paragraph, four questions.

    An amount of the table with its scale, a name of the table, a span of the text, and two spans
    of the text. Each kind of answer has its own words, which is what makes them easy to find; the
    signs before amounts and products make their tokens the same in a report as in a box.
    """
    amount, auditor = f"${rng.randint(2, 9)}", rng.choice(_AUDITORS)
    scale, city = rng.choice(_SCALES), rng.choice(_CITIES)
    first, second = rng.sample(_PRODUCTS, 2)
    text = f'Amounts in {scale}s. The office is in {city}. It sells "{first}" and "{second}".'
    questions = [
        _question("How much was revenue in 2019?", [amount], "span", "table", scale),
        _question("Who was the auditor in 2019?", [auditor], "span", "table", ""),
        _question("Where is the office?", [city], "span", "text", ""),
        _question("What does the company sell?", [first, second], "multi-span", "text", ""),
    ]
    return {
        "table": {
            "uid": _uid(rng),
            "table": [["", "2019"], ["revenue", amount], ["auditor", auditor]],
        },
        "paragraphs": [{"uid": _uid(rng), "order": 1, "text": text}],
        "questions": [
            {"uid": _uid(rng), "order": order, **question}
            for order, question in enumerate(questions, start=1)
        ],
    }


def write(raw: Path, seed: int, train: int, test: int) -> None:
    """Write the train and dev files with at least `train` and `test` questions, four a document."""
    rng = generator(seed, "tatqa")
    sizes = {"train": -(-train // 4), "dev": -(-test // 4)}
    documents = distinct(
        sum(sizes.values()),
        lambda _: document(rng),
        lambda entry: repr((entry["table"]["table"], entry["paragraphs"][0]["text"])),
        "tatqa",
    )
    write_json(raw / "tatqa_dataset_train.json", documents[: sizes["train"]])
    write_json(raw / "tatqa_dataset_dev.json", documents[sizes["train"] :])


def _question(
    text: str, answer: list[str], answer_type: str, source: str, scale: str
) -> dict[str, Any]:
    return {
        "question": text,
        "answer": answer,
        "derivation": "",
        "answer_type": answer_type,
        "answer_from": source,
        "rel_paragraphs": ["1"] if source == "text" else [],
        "req_comparison": False,
        "scale": scale,
    }


def _uid(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def _read_table(rng: random.Random) -> Conversation:
    """One question about a small report, answered plainly."""
    lines, text, question = _excerpt(rng)
    parts = [f"{part} {question['scale']}".strip() for part in question["answer"]]
    return "\n".join([*lines, text, question["question"]]), f"It is {' and '.join(parts)}."


def _box(rng: random.Random) -> Conversation:
    """A question about a report, answered in one box, without the scale."""
    lines, text, question = _excerpt(rng)
    prompt = "\n".join([rng.choice(_REPORT), "", "Table:", *lines, "", "Text:", text])
    prompt += f"\n\nQuestion: {question['question']}\n\n{rng.choice(_BOX)}\n\nAnswer:"
    return prompt, f"\\boxed{{{' and '.join(question['answer'])}}}"


def _excerpt(rng: random.Random) -> tuple[list[str], str, dict[str, Any]]:
    """Return the lines of a report's table, its text, and one of the questions about it."""
    report = document(rng)
    lines = [" | ".join(cells) for cells in report["table"]["table"]]
    return lines, report["paragraphs"][0]["text"], rng.choice(report["questions"])


LESSONS = (Lesson(_read_table, 14), Lesson(_box, 18))
