"""What this machine does with a student of 0.6 billion parameters: train, predict, score.

    python benchmarks/bench_hardware.py            # needs a GPU; prints rows for docs/hardware.md
    python benchmarks/bench_hardware.py --tiny     # a minute on a CPU: shows that it works

The student is Qwen3-0.6B's shape with random weights, in bfloat16, with a tokenizer made from the
rows: neither hub nor licence is needed, and speed does not depend on what weights say. The rows are
banking77's, from ../shared/data/banking77 or --data (a local copy in the layout of the hub), else
made up. The workflow itself does the work, with and without prefix sharing; figures are those of
its records.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from prefix_workloads import DATA, ROOT, make_tokenizer

from sftstudy.costs.measured import Cost, costs
from sftstudy.files.reading import read_json
from sftstudy.files.writing import write_text
from sftstudy.study import jobs
from sftstudy.study.grid import Study

RESULTS = "results/hardware"
SHAPES = {
    # huggingface.co/Qwen/Qwen3-0.6B, config.json
    "qwen3-0.6b-random": {
        "hidden_size": 1024,
        "intermediate_size": 3072,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "vocab_size": 151_936,
    },
    "tiny-random": {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 8192,
    },
}
TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def make_student(folder: Path, shape: dict[str, Any], source: dict[str, Any]) -> None:
    """Save a random model of the shape, and a tokenizer made from rows of the source."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    from sftstudy.tasks.registry import data_module

    texts = ["Which intent has this message of a customer of a bank?"] * 2
    if "path" in source:
        rows = data_module("banking77").read(Path(source["path"]))["train"][:400]
        texts = [row["prompt"][0]["content"] for row in rows]
    tokenizer = make_tokenizer(texts)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = Qwen3Config(
        **shape,
        head_dim=128 if shape["hidden_size"] > 64 else 16,
        tie_word_embeddings=True,
        max_position_embeddings=40_960,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        dtype="bfloat16",
    )
    Qwen3ForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)


def study_file(name: str, student: Path, source: dict[str, Any], rows: int) -> dict[str, Any]:
    """Return a study of the student with and without prefix sharing."""
    import torch

    facts = {
        "source": {"path": str(student)},
        "max_length": 2048,
        "dtype": "bfloat16",
        "gpus": int(torch.accelerator.is_available()),
        "cpus": 2,
    }
    return {
        "study": "hardware",
        "results": RESULTS,
        "students": [f"{name}-shared", f"{name}-padded"],
        "tasks": ["banking77"],
        "controls": [],
        "limit": rows,
        "space": {"learning_rate": [1.0e-5]},
        "training": {"per_device_train_batch_size": 8, "gradient_accumulation_steps": 2},
        "catalog": {
            "students": {
                f"{name}-shared": facts,
                f"{name}-padded": facts | {"training": {"prefix_sharing": "off"}},
            },
            "tasks": {
                "banking77": {
                    "source": source,
                    "split": {"strategy": "stratified", "val": 154, "test": "published"},
                    "max_new_tokens": 16,
                }
            },
        },
    }


def row(cost: Cost, root: Path) -> str:
    """Return a row of the table in docs/hardware.md."""
    folder = "checkpoints" if cost.kind == "train" else "predictions"
    suffix = ".json" if cost.kind == "train" else "/banking77.select.json"
    record = read_json(root / f"records/{folder}/{cost.student}/{cost.variant}{suffix}")
    memory = record["memory"]
    peak = memory["device_peak_bytes"] or memory["peak_bytes"]
    columns = (
        cost.student,
        cost.kind,
        cost.device,
        f"{cost.tokens_per_second:,.0f}",
        "unknown" if cost.mfu is None else f"{cost.mfu:.1%}",
        f"{peak / 1e9:.1f}",
        f"{cost.gpu_seconds:.0f}",
    )
    return f"| {' | '.join(columns)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="a small shape and few rows")
    parser.add_argument("--data", type=Path, default=DATA / "banking77", help="banking77's files")
    arguments = parser.parse_args()

    name, rows = ("tiny-random", 48) if arguments.tiny else ("qwen3-0.6b-random", 2_000)
    source: dict[str, Any] = {"path": str(arguments.data)}
    if not arguments.data.is_dir():
        source = {"smoke": {"train": 320, "test": 100}}
        print(f"{arguments.data} is not there: rows are made up", file=sys.stderr)
    shutil.rmtree(ROOT / RESULTS, ignore_errors=True)  # each run measures
    student = ROOT / RESULTS / "students" / name
    make_student(student, SHAPES[name], source)
    config = study_file(name, student, source, rows)
    file = ROOT / RESULTS / "config.yaml"
    write_text(file, yaml.safe_dump(config, sort_keys=False))
    study = Study(config, str(file))
    targets = [
        target.replace("<results>", study.root)
        for student in study.students
        for target in jobs.metrics_files(study, student)
        if "/base/" not in target and target.endswith(".val.json")
    ]
    command = [sys.executable, "-m", "snakemake", "--configfile", str(file), "--cores", "2"]
    subprocess.run(
        [*command, "--resources", "gpu=1", "--quiet", "all", "--", *targets], cwd=ROOT, check=True
    )
    print("| student | job | device | tokens/s | MFU | peak memory, GB | GPU s |")
    print("|---|---|---|---:|---:|---:|---:|")
    for cost in costs(ROOT / study.root):
        print(row(cost, ROOT / study.root))


if __name__ == "__main__":
    main()
