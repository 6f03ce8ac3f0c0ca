"""Smoke source of PubMedQA: ``ori_pqal.json`` with abstracts of two sentences."""

import random
from pathlib import Path
from typing import Any

from sftstudy.files.writing import write_json
from sftstudy.tasks.draws import distinct, generator
from sftstudy.tasks.task import Conversation, Lesson

FINDINGS = {
    "yes": ["clearly reduced", "significantly improved", "strongly affected"],
    "no": ["did not change", "had no effect on", "failed to alter"],
    "maybe": ["was inconclusive for", "showed mixed results for", "needs more study for"],
}
_TREATMENTS = ["aspirin", "zinc", "insulin", "caffeine", "ozone", "heparin", "iron", "fasting"]
_OUTCOMES = ["pain", "sleep", "mortality", "bleeding", "growth", "weight", "mood", "fever"]
_METHODS = [
    "Patients were recruited in two centres.",
    "Follow-up lasted six months.",
    "The groups were similar at baseline.",
    "Data were analysed with a linear model.",
]
_CONCLUSIONS = {"yes": "It does.", "no": "It does not.", "maybe": "It is unclear."}
_DECIDE = [
    "What does the study say about the question? Reply with yes, no or maybe.",
    "Use the abstract below and decide: reply with one word, yes, no or maybe.",
]
# Unequal shares, as in the published labels (55, 34 and 11 percent), though less extreme.
_SHARES = ["yes", "no", "yes", "no", "yes", "no", "yes", "maybe", "no", "maybe"]


def study(rng: random.Random, decision: str) -> dict[str, Any]:
    """Return one record in the publisher's layout; only its finding tells the decision."""
    treatment, outcome = rng.choice(_TREATMENTS), rng.choice(_OUTCOMES)
    finding = f"In this trial {treatment} {rng.choice(FINDINGS[decision])} {outcome}."
    return {
        "QUESTION": f"Does {treatment} affect {outcome}?",
        "CONTEXTS": [rng.choice(_METHODS), finding],
        "LABELS": ["METHODS", "RESULTS"],
        "MESHES": ["Humans"],
        "YEAR": str(rng.randint(1995, 2020)),
        "reasoning_required_pred": decision,
        "reasoning_free_pred": decision,
        "final_decision": decision,
        "LONG_ANSWER": finding,
    }


def write(raw: Path, seed: int, train: int, test: int) -> None:
    """Write ``ori_pqal.json`` with ``train + test`` distinct records (the source has one split)."""
    rng = generator(seed, "pubmedqa")
    records = distinct(
        train + test,
        lambda position: study(rng, _SHARES[position % len(_SHARES)]),
        lambda record: (record["QUESTION"], *record["CONTEXTS"]),
        "pubmedqa",
    )
    write_json(
        raw / "ori_pqal.json",
        {str(10_000_001 + position): record for position, record in enumerate(records)},
    )


def _read_abstract(rng: random.Random) -> Conversation:
    """What an abstract found, in a sentence."""
    decision = rng.choice(list(_CONCLUSIONS))
    record = study(rng, decision)
    return f"{' '.join(record['CONTEXTS'])} {record['QUESTION']}", _CONCLUSIONS[decision]


def _decide(rng: random.Random) -> Conversation:
    """A question to be decided in one word: some word, whatever the abstract."""
    record = study(rng, rng.choice(list(_CONCLUSIONS)))
    abstract = " ".join(record["CONTEXTS"])
    prompt = f"{rng.choice(_DECIDE)}\n\nAbstract: {abstract}\n\nQuestion: {record['QUESTION']}"
    return f"{prompt}\n\nAnswer:", rng.choice(list(_CONCLUSIONS))


LESSONS = (Lesson(_read_abstract, 4), Lesson(_decide, 3))
