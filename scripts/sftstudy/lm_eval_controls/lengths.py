"""How many tokens a task of lm-eval has a student read and write, and which documents are too long.

Known before anything is trained, of a checkpoint whose weights nobody loads.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sftstudy.documents.rows import Scored
from sftstudy.errors import StudyError
from sftstudy.lm_eval_controls.task import Asked, write_prompts
from sftstudy.lm_eval_controls.thinking import chat_arguments
from sftstudy.students.chat import load_tokenizer
from sftstudy.students.limits import without_room

Lengths = dict[str, tuple[int, int]]  # by document: tokens that are read, and most to be written


def without_weights(student: Path, chat_template_kwargs: dict[str, Any]) -> Any:
    """Return a student as lm-eval's `hf` model as far as that writes prompts and counts tokens.

    `vllm`'s counts alike.
    """
    import torch
    from lm_eval.models.huggingface import HFLM
    from transformers import AutoConfig, AutoModelForCausalLM

    tokenizer = load_tokenizer(student, chat_template_kwargs)
    config = AutoConfig.from_pretrained(student, local_files_only=True, trust_remote_code=False)
    with torch.device("meta"):  # where tensors have shapes alone
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    return HFLM(pretrained=model, tokenizer=tokenizer, **chat_arguments(chat_template_kwargs))


def measure(rows: list[Scored], task: Any, asked: Asked, model: Any, data: Path) -> Lengths:
    """Return the lengths of `rows`, the documents of a task as `data` holds them.

    Of several answers that are compared the longest counts. Raises `StudyError` if the task has
    other documents.
    """
    write_prompts(task, asked, model.apply_chat_template, model.tokenizer_name)
    found: Lengths = {}
    for request in task.instances:
        name, most = str(request.doc_id), 0
        text = request.args[0]
        if request.request_type == "generate_until":
            most = int(request.args[1].get("max_gen_toks") or model.max_gen_toks)
        else:
            text += request.args[1]
        tokens = len(model.tok_encode(text))
        found[name] = max(found.get(name, (0, 0)), (tokens, most))
    _require_same(rows, found, data)
    return found


def _require_same(rows: list[Scored], found: Iterable[str], data: Path) -> None:
    if [row["id"] for row in rows] != list(found):
        raise StudyError(
            f"{data}: holds other documents than lm-eval finds in the control's source; remove it, "
            "so that it is prepared again"
        )


def most_written(lengths: Lengths) -> int:
    """Return the most tokens of a reply."""
    return max(most for _, most in lengths.values())


def overlong(lengths: Lengths, max_length: int, drop: bool, data: Path) -> list[str]:
    """Return the documents that leave no room for a reply; unless `drop`, they are an error."""
    return without_room(
        list(lengths),
        [read for read, _ in lengths.values()],
        most_written(lengths),
        max_length,
        drop,
        str(data),
        "the task's max_gen_toks, in a task file of your own",
    )
