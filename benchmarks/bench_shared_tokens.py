"""Share of tokens that prefix sharing saves with the tokenizers of real students.

    python benchmarks/bench_shared_tokens.py

Prints a table in Markdown. Nothing is trained: token positions of batches are counted, on real rows
of each task, in steps of 16 samples as the defaults make them. Tokenizers are downloaded.
"""

import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prefix_workloads import DATA, ROOT, table

sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tools")]

SAMPLES = 16  # of an optimizer step: the schema's defaults, 4 at a time, accumulated 4 times
PER_DEVICE = 4
STEPS = 20
BY_DOCUMENT = ("tatqa",)  # group_batches: document
HEADER = [
    "student",
    "rows",
    "tokens a sample",
    "padded, 4 x 4: computed / sample tokens",
    "shared: computed / sample tokens",
    "samples a batch",
    "tokens saved",
]


def rows_of_steps(task: str) -> list[dict[str, Any]]:
    """Return real training rows of a task in the order in which steps take them."""
    from sftstudy.prefix_sharing.batching import document_order
    from sftstudy.tasks.registry import data_module

    rows = data_module(task).read(DATA / task)["train"]
    if task in BY_DOCUMENT:
        order = document_order([row["group"] for row in rows], SAMPLES, seed=0)
        return [rows[number] for number in order[: SAMPLES * STEPS]]
    return random.Random(0).sample(rows, SAMPLES * STEPS)


def collator_for(size: dict[str, int]) -> Any:
    """Return the collator of a student of this size (as in the catalog), which has no weights.

    Where it lays samples out side by side depends on the size of linear layers and of attention
    alone, which a Llama of these numbers has as well.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from sftstudy.prefix_sharing.collator import PrefixSharingCollator, attention_knee

    numbers = {k: v for k, v in size.items() if k not in ("parameters", "vision_parameters")}
    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig(**numbers))
    return PrefixSharingCollator(0, attention_knee(model))


def line(
    student: str, task: str, tokenizer: Any, facts: dict[str, Any], rows: list[dict[str, Any]]
) -> list[str]:
    """Return one line of the table; `facts` is the student's block in the catalog."""
    from sftstudy.prefix_sharing.batching import step_batches
    from sftstudy.training.rows import samples

    template, most = facts.get("chat_template_kwargs", {}), facts["max_length"]
    examples = samples(rows, tokenizer, template, most, DATA / task)
    collator = collator_for(facts["size"])
    accumulation = SAMPLES // PER_DEVICE
    size, _ = step_batches(
        collator, examples, PER_DEVICE, accumulation, sequential=task in BY_DOCUMENT, seed=0
    )
    lengths = [len(example["input_ids"]) for example in examples]
    padded = sum(PER_DEVICE * max(part) for part in parts(lengths, PER_DEVICE))
    shared = sum(collator.positions(part) for part in parts(examples, size))
    tokens = sum(lengths)
    return [
        student,
        task + (", by document" if task in BY_DOCUMENT else ""),
        f"{tokens / len(rows):.0f}",
        f"{padded / tokens:.3f}",
        f"{shared / tokens:.3f}",
        str(size),
        f"{1 - shared / padded:.1%}",
    ]


def parts(items: list[Any], size: int) -> Iterator[list[Any]]:
    """Yield consecutive parts of a list."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def main() -> None:
    from real.parts import SMOLLM2, STUDENTS, make_smollm2, student_facts, tokenizer_folder
    from sftstudy.students.chat import load_tokenizer
    from sftstudy.tasks.registry import TASKS

    lines = []
    with tempfile.TemporaryDirectory() as temporary:
        for student in STUDENTS:
            folder = Path(temporary) / student
            if student == SMOLLM2:
                make_smollm2(folder)
            else:
                folder = tokenizer_folder(student)
            facts = student_facts(student)
            tokenizer = load_tokenizer(folder, facts.get("chat_template_kwargs", {}))
            lines += [line(student, task, tokenizer, facts, rows_of_steps(task)) for task in TASKS]
    print(f"{STEPS} steps of {SAMPLES} samples\n\n{table(HEADER, lines)}")


if __name__ == "__main__":
    main()
