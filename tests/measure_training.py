"""Train as a recipe says and print the most main memory that it took, in bytes.

What Python and the libraries take before the model is loaded does not count. Arguments: recipe,
rows, base, scratch. Linux only: it reads /proc.
"""

import gc
import re
import sys
from pathlib import Path

import torch
import trl
from transformers import AutoModelForCausalLM

from sftstudy.documents.recipe_file import read_recipe
from sftstudy.files.reading import read_jsonl
from sftstudy.students.checkpoints import Watched
from sftstudy.training.job import TrainingJob
from sftstudy.training.rows import TrainingData
from sftstudy.training.trainer import build_trainer


def status(key: str) -> int:
    text = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(rf"^{key}:\s+(\d+) kB", text, re.MULTILINE)[1])


def main() -> None:
    recipe, rows, base, scratch = map(Path, sys.argv[1:])
    torch.set_num_threads(1)
    # What is loaded and allocated once, whatever is trained.
    assert trl.SFTTrainer and AutoModelForCausalLM
    warm = torch.nn.Linear(64, 64)
    warm(torch.ones(1, 64)).sum().backward()
    torch.optim.AdamW(warm.parameters(), fused=True).step()
    before = status("VmRSS")
    data = TrainingData(read_jsonl(rows), rows, sha256="", dropped=[])
    job = TrainingJob(
        read_recipe(recipe), data, Watched(base), "measured", scratch, scratch / "unwritten"
    )
    trainer = build_trainer(job).trainer
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    trainer.train()
    print("peak", status("VmHWM") - before)


if __name__ == "__main__":
    main()
