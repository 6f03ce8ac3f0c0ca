"""PubMedQA, labelled part: yes, no or maybe from an abstract (Jin et al., EMNLP 2019).

Sources: the hub's ``qiaojin/PubMedQA`` (``pqa_labeled``) or the publisher's ``ori_pqal.json``.
Where the publisher's ``test_ground_truth.json`` lies beside it, its ids are the test split and the
other rows are train; otherwise everything is train.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sftstudy.errors import StudyError
from sftstudy.files.reading import read_json
from sftstudy.tasks import rawfiles

VERSION = 1
LABELS = ("yes", "no", "maybe")

_LAYOUTS = ("pqa_labeled/train-*.parquet", "ori_pqal.json", "data/ori_pqal.json")
_GROUND_TRUTH = "test_ground_truth.json"
_INSTRUCTION = (
    "Decide what the study below says about the question. "
    "Use only the abstract and reply with one word: yes, no or maybe."
)

Row = dict[str, Any]


def read(raw: Path) -> dict[str, list[Row]]:
    """Return ``{"train", "test"}`` where a test split is published, else ``{"train"}``."""
    paths = rawfiles.first_match(raw, _LAYOUTS)
    load = _load_parquet if paths[0].suffix == ".parquet" else _load_json
    rows = [row for path in paths for row in load(path)]
    rawfiles.require_unique_ids(paths[0], rows)
    truth = paths[0].parent / _GROUND_TRUTH
    if paths[0].suffix == ".json" and truth.exists():
        return _published_split(rows, truth)
    return {"train": rows}


def prompt_text(sections: list[str], question: str) -> str:
    """Return the whole user turn: instruction, abstract, question, ``Answer:``."""
    abstract = " ".join(sections)
    return f"{_INSTRUCTION}\n\nAbstract: {abstract}\n\nQuestion: {question}\n\nAnswer:"


def _row(where: str, name: str, question: str, sections: Any, label: Any) -> Row:
    if label not in LABELS:
        raise StudyError(f"{where}: unknown answer {label!r}; expected one of {', '.join(LABELS)}")
    if not isinstance(sections, list) or not sections or not all(_is_text(s) for s in sections):
        raise StudyError(f"{where}: the abstract's sections are missing or empty: {sections!r}")
    content = prompt_text([section.strip() for section in sections], question)
    return {
        "id": name,
        "group": name,
        "prompt": [{"role": "user", "content": content}],
        "completion": [{"role": "assistant", "content": label}],
        "reference": {"label": label},
    }


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _load_parquet(path: Path) -> Iterator[Row]:
    columns = ("pubid", "question", "context", "final_decision")
    for where, record in rawfiles.read_parquet(path, columns):
        question = rawfiles.require_text(where, record, "question")
        sections = (record["context"] or {}).get("contexts")
        yield _row(where, str(record["pubid"]), question, sections, record["final_decision"])


def _load_json(path: Path) -> Iterator[Row]:
    document = read_json(path)
    if not isinstance(document, dict):
        raise StudyError(f"{path}: expected an object of questions by PubMed id")
    for pubid, record in document.items():
        where = f"{path}, key {pubid!r}"
        if not isinstance(record, dict):
            raise StudyError(f"{where}: expected an object, found {type(record).__name__}")
        question = rawfiles.require_text(where, record, "QUESTION")
        yield _row(where, pubid, question, record.get("CONTEXTS"), record.get("final_decision"))


def _published_split(rows: list[Row], path: Path) -> dict[str, list[Row]]:
    truth = read_json(path)
    if not isinstance(truth, dict):
        raise StudyError(f"{path}: expected an object of answers by PubMed id")
    known = {row["id"]: row["reference"]["label"] for row in rows}
    for pubid, label in truth.items():
        if known.get(pubid) != label:
            raise StudyError(
                f"{path}, key {pubid!r}: answer {label!r}, but the questions' file has "
                f"{known.get(pubid)!r}; fetch both files from the same release"
            )
    return {
        "train": [row for row in rows if row["id"] not in truth],
        "test": [row for row in rows if row["id"] in truth],
    }
