"""A short training through TRL's `SFTTrainer`, with or without prefix sharing.

Importable, and a program for `accelerate launch`:

    python tiny_training.py FOLDER {shared,padded} PER_DEVICE ACCUMULATION
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer

from sftstudy.prefix_sharing.collator import enable
from sftstudy.training.sparing import spare
from unit.prefix_sharing.models import make_model, make_samples

STEPS = 20


def train(
    folder: Path,
    family: str,
    shared: bool,
    per_device: int,
    accumulation: int,
    peft_config: Any = None,
    spared: bool = False,
    **settings: Any,
) -> tuple[list[dict[str, float]], torch.Tensor]:
    """Train a fresh random model for 20 steps; returns TRL's log by step and the final weights."""
    vocabulary = {"<pad>": 0, "</s>": 1, "<unk>": 2}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel(vocabulary, unk_token="<unk>")),
        pad_token="<pad>",
        eos_token="</s>",
    )
    model = make_model(family)
    collator = None
    if shared:
        collator, reason = enable(model, tokenizer.pad_token_id)
        assert reason is None
    if spared:
        spare(model)
    config = SFTConfig(
        output_dir=str(folder),
        max_steps=STEPS,
        per_device_train_batch_size=per_device,
        gradient_accumulation_steps=accumulation,
        learning_rate=1e-3,
        lr_scheduler_type="cosine",
        max_length=None,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
        seed=1,
        **{"bf16": False, "gradient_checkpointing": False, **settings},
    )
    trainer = SFTTrainer(
        model,
        config,
        data_collator=collator,
        train_dataset=Dataset.from_list(make_samples(seed=9, documents=24, questions=4)),
        processing_class=tokenizer,
        peft_config=peft_config,
    )
    trainer.train()
    losses = [entry for entry in trainer.state.log_history if "loss" in entry]
    weights = torch.cat([p.detach().flatten() for p in trainer.model.parameters()])
    return losses, weights


def main() -> None:
    folder, how, per_device, accumulation = sys.argv[1:]
    log, weights = train(
        Path(folder), "gemma3", how == "shared", int(per_device), int(accumulation)
    )
    if torch.distributed.get_rank() == 0:
        torch.save(weights, Path(folder) / "weights.pt")
        (Path(folder) / "log.json").write_text(json.dumps(log), encoding="utf-8")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
