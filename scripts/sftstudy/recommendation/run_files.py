"""The run files: the recommended configuration as TRL, oumi and axolotl take it.

Tests feed the files to the tools' own parsers: TRL 1.16, oumi 0.9, axolotl 0.19. A recommendation
without a chosen configuration still gives files, since the workflow declares them: a header that
says NOT RECOMMENDED and why, and the least violating configuration commented out, so that no tool
can run it by accident.

As in the study, weights stay in float32 and half types compute under autocast (axolotl has no key
for that: its `bf16` also loads the weights so).
"""

import json
from collections import Counter
from typing import Any

import yaml

from sftstudy.documents.recommendation import Recommendation, Values
from sftstudy.recommendation.names import RECOMMENDED

_AUTOCAST = {"bfloat16": "BF16", "float16": "FP16"}
_TRAINING = (
    "learning_rate",
    "num_train_epochs",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "lr_scheduler_type",
    "weight_decay",
    "adam_beta1",
    "adam_beta2",
    "adam_epsilon",
    "max_grad_norm",
    "seed",
)
# Keys of every tool, and prefix sharing, which changes no gradient.
_EXPRESSED = {
    *_TRAINING,
    "optim",
    "warmup_ratio",
    "gradient_checkpointing",
    "max_length",
    "dtype",
    "attention",
    "prefix_sharing",
    "method",
    "lora_r",
    "lora_alpha",
    "lora_dropout",
}
# The linear layers of Llama, Qwen3 and Gemma 3 but the output layer; oumi has no word for them all.
_LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
_MESSAGES = "jq -c '{messages: (.prompt + .completion)}' train.jsonl > train.messages.jsonl"
_USAGE = {
    "trl": (
        "trl sft --config FILE (without a GPU: --use_cpu true)",
        "rows with `prompt` and `completion`, as in this study's data",
    ),
    "oumi": ("oumi train -c FILE", f"rows with `messages`: {_MESSAGES}"),
    "axolotl": ("axolotl train FILE", f"rows with `messages`: {_MESSAGES}"),
}


def run_files(document: Recommendation, data: str) -> dict[str, str]:
    """Return the text of the three files: ``trl``, ``oumi``, ``axolotl``.

    `data` is the folder of a task's rows that the files name as an example; a user of the
    recommendation puts the folder of the new task there.
    """
    shown = _shown(document)
    builders = {"trl": _trl, "oumi": _oumi, "axolotl": _axolotl}
    if shown is None:
        return {tool: _header(document, {}, tool) for tool in builders}
    values, differing = _one_value_each(shown)
    texts = {}
    for tool, build in builders.items():
        content = build(values, document, data)
        plain = json.loads(json.dumps(content))  # objects of JSON files are none to YAML
        body = yaml.safe_dump(plain, sort_keys=False)
        if not document["chosen"]:
            body = "".join(f"# {line}\n" for line in body.splitlines())
        texts[tool] = _header(document, values, tool, differing) + body
    return texts


def _shown(document: Recommendation) -> Values | None:
    """Return the chosen configuration, or else the least violating one."""
    if document["config"] is None:
        return document["least_violating"]
    return {"config": document["config"], "config_by_task": document["config_by_task"]}


def _one_value_each(shown: Values) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return one value per field (where tasks differ, the most common), and what differs."""
    chosen = dict(shown["config"])
    differing: dict[str, dict[str, Any]] = {}
    for task, fields in shown["config_by_task"].items():
        for field, value in fields.items():
            differing.setdefault(field, {})[task] = value
    for field, values in differing.items():
        common = Counter(map(repr, values.values())).most_common(1)[0][0]
        chosen[field] = next(value for value in values.values() if repr(value) == common)
    return chosen, differing


def _header(
    document: Recommendation,
    values: dict[str, Any],
    tool: str,
    differing: dict[str, dict[str, Any]] | None = None,
) -> str:
    command, rows = _USAGE[tool]
    chosen = document["chosen"]
    lines = [f"{document['verdict']}: {document['student']}" + (f", {chosen}" if chosen else "")]
    if chosen is None:
        lines = [f"NOT RECOMMENDED: {document['student']}", *lines]
    if chosen is None or document["verdict"] != RECOMMENDED:
        lines += document["reasons"]
    if chosen is None:
        least = document["least_violating"]
        if least:
            lines.append(f"Least violating: {least['configuration']}, commented out below.")
    else:
        lines += [f"Run with: {command}", f"Data: {rows}; the path is an example, put yours there"]
        lines += _warnings(values)
    for field, found in (differing or {}).items():
        by_task = ", ".join(f"{task} {value}" for task, value in found.items())
        lines.append(f"{field} differed between the tasks: {by_task}.")
    for field in sorted(set(values) - _EXPRESSED):
        if values[field] not in ({}, None, False, "off"):
            lines.append(f"Used in the study, not a key of {tool}: {field} = {values[field]!r}.")
    return "".join(f"# {line}\n" for line in lines)


def _warnings(values: dict[str, Any]) -> list[str]:
    """Return what would change the configuration without a word from the tool."""
    lines = []
    batch = values.get("per_device_train_batch_size")
    steps = values.get("gradient_accumulation_steps")
    if batch and steps:
        lines.append(
            f"Written for one GPU: an optimizer step takes {batch * steps} rows. On N GPUs divide "
            "gradient_accumulation_steps (or the batch size) by N."
        )
    if values.get("max_length"):
        lines.append(
            f"Longer rows than {values['max_length']} tokens are cut or dropped without an error: "
            "check yours (the data cards count those of the study)."
        )
    return lines


def _training(values: dict[str, Any]) -> dict[str, Any]:
    found = {field: values[field] for field in _TRAINING if field in values}
    epochs = found.get("num_train_epochs")
    if epochs is not None and float(epochs).is_integer():
        found["num_train_epochs"] = int(epochs)
    return found


def _lora(values: dict[str, Any], **flags: Any) -> dict[str, Any]:
    """Return `flags` and the adapter's three values where LoRA was trained, nothing for another."""
    if values.get("method") != "lora":
        return {}
    return flags | {key: values[key] for key in ("lora_r", "lora_alpha", "lora_dropout")}


def _recomputes(values: dict[str, Any]) -> bool | None:
    """Return whether to save memory by computing activations twice; no tool but ours chooses."""
    value = values.get("gradient_checkpointing")
    return value if value is None else value is not False  # of auto, what suffices everywhere


def _present(**fields: Any) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


def _trl(values: dict[str, Any], document: Recommendation, data: str) -> dict[str, Any]:
    return {
        "model_name_or_path": document["source"],
        **_present(model_revision=document["revision"]),
        "dtype": "float32",
        **_present(attn_implementation=values.get("attention")),
        "dataset_name": data,
        "completion_only_loss": True,
        **_training(values),
        **_present(
            optim=values.get("optim"),
            warmup_steps=values.get("warmup_ratio"),  # below 1 it is a share of all steps
            gradient_checkpointing=_recomputes(values),
            max_length=values.get("max_length"),
        ),
        **_lora(values, use_peft=True, lora_target_modules=["all-linear"]),
        "bf16": values.get("dtype") == "bfloat16",
        "fp16": values.get("dtype") == "float16",
        "save_strategy": "no",
        "output_dir": f"output/{document['student']}",
    }


def _oumi(values: dict[str, Any], document: Recommendation, data: str) -> dict[str, Any]:
    peft = _lora(values, lora_target_modules=_LINEAR)
    return {
        "model": {
            "model_name": document["source"],
            **_present(model_revision=document["revision"]),
            "torch_dtype_str": "float32",
            **_present(
                model_max_length=values.get("max_length"),
                attn_implementation=values.get("attention"),
            ),
        },
        "data": {
            "train": {
                "datasets": [
                    {"dataset_name": "text_sft", "dataset_path": f"{data}/train.messages.jsonl"}
                ],
                "collator_name": "text_completions_only_with_padding",
                "train_target": "FINAL_ASSISTANT_TURN",
            }
        },
        "training": {
            "trainer_type": "TRL_SFT",
            **_training(values),
            **_present(
                optimizer=values.get("optim"),
                warmup_ratio=values.get("warmup_ratio"),
                enable_gradient_checkpointing=_recomputes(values),
            ),
            **({"use_peft": True} if peft else {}),
            "mixed_precision_dtype": _AUTOCAST.get(values.get("dtype", ""), "NONE"),
            "save_steps": 0,
            "save_final_model": True,
            "output_dir": f"output/{document['student']}",
        },
        **({"peft": peft} if peft else {}),
    }


def _axolotl(values: dict[str, Any], document: Recommendation, data: str) -> dict[str, Any]:
    names = {
        "num_train_epochs": "num_epochs",
        "per_device_train_batch_size": "micro_batch_size",
        "lr_scheduler_type": "lr_scheduler",
    }
    return {
        "base_model": document["source"],
        **_present(revision_of_model=document["revision"]),
        "datasets": [
            {
                "path": f"{data}/train.messages.jsonl",
                "ds_type": "json",
                "type": "chat_template",
                "field_messages": "messages",
                "roles_to_train": ["assistant"],
                "train_on_eos": "turn",
            }
        ],
        "chat_template": "tokenizer_default",
        "train_on_inputs": False,
        "val_set_size": 0.0,
        "sample_packing": False,
        **_present(sequence_len=values.get("max_length")),
        **{names.get(field, field): value for field, value in _training(values).items()},
        **_present(
            optimizer=values.get("optim"),
            warmup_ratio=values.get("warmup_ratio"),
            gradient_checkpointing=_recomputes(values),
            attn_implementation=values.get("attention"),
        ),
        "bf16": values.get("dtype") == "bfloat16",
        "fp16": values.get("dtype") == "float16",
        **_lora(values, adapter="lora", lora_target_linear=True),
        "output_dir": f"output/{document['student']}",
    }
