"""A checkpoint as lm-eval's `hf` model: loaded as for replies, used as lm-eval does."""

from pathlib import Path
from typing import Any

from sftstudy.lm_eval_controls.thinking import chat_arguments
from sftstudy.students.chat import load_tokenizer
from sftstudy.students.models import load_model, pick_device

AT_A_TIME_ON_CPU = 8  # requests; trying out how many fit, as on a GPU, takes longer than they do


def model(
    checkpoint: Path, generation: dict[str, Any], gpus: int, batch_size: int | None, eager: bool
) -> Any:
    """Return the model of lm-eval; `generation` as in `sftstudy.lm_eval_controls.evaluate`."""
    from lm_eval.models.huggingface import HFLM

    tokenizer = load_tokenizer(checkpoint, generation["chat_template_kwargs"])
    device = pick_device()
    loaded = load_model(checkpoint, generation["dtype"], generation["attention"])
    loaded.to(device)  # type: ignore[arg-type]  # transformers' type forgets `self`
    return HFLM(
        pretrained=loaded,
        tokenizer=tokenizer,
        max_length=generation["max_length"],
        batch_size=batch_size or ("auto" if device.type == "cuda" else AT_A_TIME_ON_CPU),
        **chat_arguments(generation["chat_template_kwargs"]),
    )
