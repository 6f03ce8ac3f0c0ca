"""Cost of a training step with and without prefix sharing, through TRL's `SFTTrainer`.

    python benchmarks/bench_prefix_training.py                      # all rows, as Markdown
    python benchmarks/bench_prefix_training.py banking77 shared     # one row, in this process
    python benchmarks/bench_prefix_training.py --student FOLDER     # rows of a real student

CPU-seconds are those of the process, so other load on the machine does not count. Each row is
measured in a process of its own, for its peak memory.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from prefix_workloads import (
    PAD,
    ROOT,
    forward_flops,
    load_samples,
    machine,
    make_model,
    matmul_flops_per_second,
    median,
    peak_memory_gb,
    run_apart,
    student_samples,
    table,
)

SAMPLES = 16  # of an optimizer step
STEPS = 4  # the first one warms up
WAYS = {
    "padded-4x4": "TRL padded, 4 x 4",
    "padded-16x1": "TRL padded, 16 x 1",
    "padding-free": "TRL padding-free, 16 x 1",
    "packing": "TRL packing (per 16 samples)",
    "shared-recomputed": "prefix sharing, nothing spared, recomputed",
    "shared-whole": "prefix sharing, nothing spared",
    "shared": "prefix sharing",  # as the workflow trains on a CPU
}
WORKLOADS = {  # the first way is the one that the others are compared with
    "banking77": ("padded-4x4", "padded-16x1", "padding-free", "packing", "shared-whole", "shared"),
    "tatqa": ("padded-4x4", "shared"),  # grouped by document
    "pubmedqa": ("padded-4x4", "shared"),  # nothing to share
}
STUDENT_WORKLOADS = {"banking77": ("shared-recomputed", "shared-whole", "shared")}


def order_samples(task: str, samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows in the order in which all ways train on them."""
    from sftstudy.prefix_sharing.batching import document_order

    if task == "tatqa":
        groups = [sample["group"] for sample in samples]
        samples = [samples[s] for s in document_order(groups, SAMPLES, seed=0)]
    return samples[: SAMPLES * STEPS]


class Meter:
    """Watches a training: token positions, supervised ones, attention, CPU-seconds."""

    def __init__(self) -> None:
        self.batches: list[dict[str, int]] = []
        self.marks: list[tuple[float, int]] = []  # at the end of each step

    def hook(self, model: Any, args: tuple, kwargs: dict[str, Any]) -> None:
        rows, length = kwargs["input_ids"].shape
        positions = kwargs.get("position_ids")
        self.batches.append(
            {
                "rows": rows,
                "length": length,
                "samples": rows if positions is None else int((positions == 0).sum()),
                "supervised": int((kwargs["labels"] != -100).sum()),
            }
        )

    def mark(self) -> None:
        self.marks.append((time.process_time(), len(self.batches)))


def measure(task: str, way: str, student: Path | None) -> dict[str, Any]:
    """Train for a few steps in this process; returns what a step of 16 samples costs.

    The model is the `student` of a folder, or a small random one.
    """
    import torch
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from sftstudy.prefix_sharing.batching import step_batches
    from sftstudy.prefix_sharing.collator import enable
    from sftstudy.students.models import load_model
    from sftstudy.training.sparing import spare

    torch.set_num_threads(1)
    samples, tokenizer = student_samples(task, student) if student else load_samples(task)
    samples = order_samples(task, samples)
    rows = [{key: sample[key] for key in ("input_ids", "labels")} for sample in samples]
    model = load_model(student, "float32", "sdpa").train() if student else make_model()
    meter = Meter()
    collator, batch, settings = None, (SAMPLES, 1), {}
    if way.startswith("shared"):
        collator, reason = enable(model, PAD)
        if collator is None:
            raise RuntimeError(reason)
        if way == "shared":
            spare(model)
        batch = step_batches(collator, rows, 4, 4, sequential=True, seed=0)
    elif way == "padded-4x4":
        batch = (4, 4)
    elif way == "padding-free":
        settings = {"padding_free": True}
    elif way == "packing":
        batch, settings = (1, 1), {"packing": True, "max_length": 4096}

    model.register_forward_pre_hook(meter.hook, with_kwargs=True)

    class Marks(TrainerCallback):
        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            meter.mark()

    with tempfile.TemporaryDirectory() as folder:
        config = SFTConfig(
            output_dir=folder,
            num_train_epochs=1,
            per_device_train_batch_size=batch[0],
            gradient_accumulation_steps=batch[1],
            train_sampling_strategy="sequential",
            activation_checkpointing=way == "shared-recomputed",
            bf16=False,
            use_cpu=True,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            **{"max_length": None, **settings},
        )
        trainer = SFTTrainer(
            model,
            config,
            data_collator=collator,
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
            callbacks=[Marks()],
        )
        before = peak_memory_gb()
        trainer.train()
    result = summarise(task, way, model, meter, rows, batch)
    return result | {"peak_gb": peak_memory_gb(), "start_gb": before}


def summarise(
    task: str,
    way: str,
    model: Any,
    meter: Meter,
    rows: list[dict[str, Any]],
    batch: tuple[int, int],
) -> dict[str, Any]:
    """Turn the meter's readings into figures per 16 samples, without the first step."""
    seconds, executed, useful = [], [], []
    collated = way.startswith("shared")
    for (before, first), (after, last) in zip(meter.marks, meter.marks[1:], strict=False):
        batches = meter.batches[first:last]
        number = SAMPLES if collated else sum(b["samples"] for b in batches)
        scale = SAMPLES / number
        seconds.append((after - before) * scale)
        flops = [
            forward_flops(model, b["rows"], b["length"], b["length"], b["rows"] * b["length"])
            for b in batches
        ]
        head = 2 * model.config.hidden_size * model.config.vocab_size
        unscored = head * sum(b["rows"] * b["length"] - b["supervised"] for b in batches)
        hidden = sum(hidden_attention_flops(model, b["rows"], b["length"]) for b in batches)
        spared = unscored + hidden if way == "shared" else 0
        executed.append(3 * (sum(flops) - spared) * scale)
        useful.append(3 * (sum(flops) - unscored) * scale)
    positions = sum(b["rows"] * b["length"] for b in meter.batches)
    return {
        "task": task,
        "way": way,
        "batch": f"{batch[0]} x {batch[1]}",
        "cpu_seconds": median(seconds),
        "useful_gflop": median(useful) / 1e9,
        "gflop_per_second": sum(executed) / sum(seconds) / 1e9,
        "matmul_gflop_per_second": matmul_flops_per_second() / 1e9,
        "computed": positions / sum(len(row["input_ids"]) for row in rows),
    }


def hidden_attention_flops(model: Any, rows: int, length: int) -> float:
    """FLOPs of a forward pass's dense attention that blocks of a causal mask leave out."""
    from sftstudy.training.sparing import BLOCK

    left_out = sum(
        min(BLOCK, length - start) * (length - min(start + BLOCK, length))
        for start in range(0, length, BLOCK)
    )
    config = model.config
    width = config.num_attention_heads * config.head_dim
    return rows * config.num_hidden_layers * 4 * left_out * width


def row_of(result: dict[str, Any], baseline: dict[str, Any], student: str) -> list[str]:
    """One line of the table; ratios against the first way of the same task."""
    name = WAYS[result["way"]]
    if result["way"].startswith("shared"):
        name += f", {result['batch']}"
    share = result["gflop_per_second"] / result["matmul_gflop_per_second"]
    return [
        result["task"],
        name,
        f"{result['cpu_seconds']:.2f}",
        f"{baseline['cpu_seconds'] / result['cpu_seconds']:.2f}",
        f"{result['peak_gb']:.2f}",
        f"{result['peak_gb'] - result['start_gb']:.2f}",
        f"{baseline['useful_gflop'] / result['useful_gflop']:.2f}",
        f"{result['computed']:.3f}",
        f"{result['gflop_per_second']:.0f} ({share:.0%})",
        f"`python benchmarks/bench_prefix_training.py {student}{result['task']} {result['way']}`",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--student", type=Path, help="folder of a checkpoint to measure instead")
    parser.add_argument("one", nargs="*", metavar="task way", help="one row, in this process")
    arguments = parser.parse_args()
    student = arguments.student
    if arguments.one:
        task, way = arguments.one
        print(json.dumps(measure(task, way, student)))
        return
    options = ["--student", str(student)] if student else []
    lines = []
    for task, ways in (STUDENT_WORKLOADS if student else WORKLOADS).items():
        results = [
            json.loads(run_apart("bench_prefix_training.py", *options, task, way)) for way in ways
        ]
        shown = "--student FOLDER " if student else ""
        lines += [row_of(result, results[0], shown) for result in results]
    header = [
        "rows",
        "way",
        "CPU-s a step",
        "times cheaper",
        "peak GB",
        "of it by training",
        "FLOP ratio",
        "computed / sample tokens",
        "GFLOP a CPU-s (of matmul)",
        "command",
    ]
    text = f"{machine()}\n\n{table(header, lines)}"
    name = "prefix_training_student.md" if student else "prefix_training.md"
    output = ROOT / "results" / "bench" / name
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
