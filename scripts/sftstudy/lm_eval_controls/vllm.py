"""A checkpoint as lm-eval's `vllm` model, with the arguments that the `vllm` engine has."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sftstudy.errors import StudyError
from sftstudy.lm_eval_controls.thinking import chat_arguments
from sftstudy.prediction.engine import Machine
from sftstudy.prediction.vllm import ENVIRONMENT, engine_arguments
from sftstudy.students.chat import load_tokenizer


def model(
    checkpoint: Path, generation: dict[str, Any], gpus: int, batch_size: int | None, eager: bool
) -> Any:
    """Return the model of lm-eval; `generation` as in `sftstudy.lm_eval_controls.evaluate`."""
    load_tokenizer(checkpoint, generation["chat_template_kwargs"])  # refuses what cannot be used
    arguments = engine_arguments(checkpoint, generation, Machine(gpus=gpus, enforce_eager=eager))
    if find_spec("vllm") is None:
        raise StudyError(
            "engine: vllm: the package 'vllm' is not installed; docs/prediction.md says how to "
            "install it, or set engine: hf"
        )
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from lm_eval.models.vllm_causallms import VLLM

    class Model(VLLM):
        def apply_chat_template(
            self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
        ) -> str:
            # lm-eval's own leaves `enable_thinking` out, and gives None where nobody has said it.
            return str(
                self.tokenizer.apply_chat_template(
                    chat_history,
                    tokenize=False,
                    add_generation_prompt=add_generation_prompt,
                    continue_final_message=not add_generation_prompt,
                    **generation["chat_template_kwargs"],
                )
            )

    return Model(
        pretrained=arguments.pop("model"),
        batch_size=batch_size or "auto",
        **arguments,
        **chat_arguments(generation["chat_template_kwargs"]),
    )
