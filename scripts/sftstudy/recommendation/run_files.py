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

from sftstudy.recommendation.verdicts import RECOMMENDED

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


def run_files(document: dict[str, Any], data: str) -> dict[str, str]:
    """Return the text of the three files: ``trl``, ``oumi``, ``axolotl``.

    `data` is the folder of a task's rows that the files name as an example; a user of the
    recommendation puts the folder of the new task there.
    """
    source = document if document["chosen"] else document["least_violating"]
    builders = {"trl": _trl, "oumi": _oumi, "axolotl": _axolotl}
    if source is None:
        return {tool: _header(document, {}, tool) for tool in builders}
    recipe, differing = _one_configuration(source)
    texts = {}
    for tool, build in builders.items():
        content = build(recipe, document, data)
        plain = json.loads(json.dumps(content))  # objects of JSON files are none to YAML
        body = yaml.safe_dump(plain, sort_keys=False)
        if not document["chosen"]:
            body = "".join(f"# {line}\n" for line in body.splitlines())
        texts[tool] = _header(document, recipe, tool, differing) + body
    return texts


def _one_configuration(source: dict[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return one value per field (where tasks differ, the most common), and what differs."""
    recipe = dict(source["config"])
    differing: dict[str, dict[str, Any]] = {}
    for task, fields in source["config_by_task"].items():
        for field, value in fields.items():
            differing.setdefault(field, {})[task] = value
    for field, values in differing.items():
        common = Counter(map(repr, values.values())).most_common(1)[0][0]
        recipe[field] = next(value for value in values.values() if repr(value) == common)
    return recipe, differing


def _header(
    document: dict[str, Any],
    recipe: dict[str, Any],
    tool: str,
    differing: dict[str, dict[str, Any]] | None = None,
) -> str:
    command, rows = _USAGE[tool]
    trial = document["chosen"]
    lines = [f"{document['verdict']}: {document['student']}" + (f", {trial}" if trial else "")]
    if trial is None:
        lines = [f"NOT RECOMMENDED: {document['student']}", *lines]
    if trial is None or document["verdict"] != RECOMMENDED:
        lines += document["reasons"]
    if trial is None:
        least = document["least_violating"]
        lines += [f"Least violating: {least['trial']}, commented out below."] if least else []
    else:
        lines += [f"Run with: {command}", f"Data: {rows}; the path is an example, put yours there"]
        lines += _warnings(recipe)
    for field, values in (differing or {}).items():
        by_task = ", ".join(f"{task} {value}" for task, value in values.items())
        lines.append(f"{field} differed between the tasks: {by_task}.")
    for field in sorted(set(recipe) - _EXPRESSED):
        if recipe[field] not in ({}, None, False, "off"):
            lines.append(f"Used in the study, not a key of {tool}: {field} = {recipe[field]!r}.")
    return "".join(f"# {line}\n" for line in lines)


def _warnings(recipe: dict[str, Any]) -> list[str]:
    """Return what would change the configuration without a word from the tool."""
    lines = []
    batch = recipe.get("per_device_train_batch_size")
    steps = recipe.get("gradient_accumulation_steps")
    if batch and steps:
        lines.append(
            f"Written for one GPU: an optimizer step takes {batch * steps} rows. On N GPUs divide "
            "gradient_accumulation_steps (or the batch size) by N."
        )
    if recipe.get("max_length"):
        lines.append(
            f"Longer rows than {recipe['max_length']} tokens are cut or dropped without an error: "
            "check yours (the data cards count those of the study)."
        )
    return lines


def _training(recipe: dict[str, Any]) -> dict[str, Any]:
    values = {field: recipe[field] for field in _TRAINING if field in recipe}
    epochs = values.get("num_train_epochs")
    if epochs is not None and float(epochs).is_integer():
        values["num_train_epochs"] = int(epochs)
    return values


def _lora(recipe: dict[str, Any], **flags: Any) -> dict[str, Any]:
    """Return `flags` and the adapter's three values for a LoRA recipe, nothing for another."""
    if recipe.get("method") != "lora":
        return {}
    return flags | {key: recipe[key] for key in ("lora_r", "lora_alpha", "lora_dropout")}


def _present(**fields: Any) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


def _trl(recipe: dict[str, Any], document: dict[str, Any], data: str) -> dict[str, Any]:
    return {
        "model_name_or_path": document["source"],
        **_present(model_revision=document["revision"]),
        "dtype": "float32",
        **_present(attn_implementation=recipe.get("attention")),
        "dataset_name": data,
        "completion_only_loss": True,
        **_training(recipe),
        **_present(
            optim=recipe.get("optim"),
            warmup_steps=recipe.get("warmup_ratio"),  # below 1 it is a share of all steps
            gradient_checkpointing=recipe.get("gradient_checkpointing"),
            max_length=recipe.get("max_length"),
        ),
        **_lora(recipe, use_peft=True, lora_target_modules=["all-linear"]),
        "bf16": recipe.get("dtype") == "bfloat16",
        "fp16": recipe.get("dtype") == "float16",
        "save_strategy": "no",
        "output_dir": f"output/{document['student']}",
    }


def _oumi(recipe: dict[str, Any], document: dict[str, Any], data: str) -> dict[str, Any]:
    peft = _lora(recipe, lora_target_modules=_LINEAR)
    return {
        "model": {
            "model_name": document["source"],
            **_present(model_revision=document["revision"]),
            "torch_dtype_str": "float32",
            **_present(
                model_max_length=recipe.get("max_length"),
                attn_implementation=recipe.get("attention"),
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
            **_training(recipe),
            **_present(
                optimizer=recipe.get("optim"),
                warmup_ratio=recipe.get("warmup_ratio"),
                enable_gradient_checkpointing=recipe.get("gradient_checkpointing"),
            ),
            **({"use_peft": True} if peft else {}),
            "mixed_precision_dtype": _AUTOCAST.get(recipe.get("dtype", ""), "NONE"),
            "save_steps": 0,
            "save_final_model": True,
            "output_dir": f"output/{document['student']}",
        },
        **({"peft": peft} if peft else {}),
    }


def _axolotl(recipe: dict[str, Any], document: dict[str, Any], data: str) -> dict[str, Any]:
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
        **_present(sequence_len=recipe.get("max_length")),
        **{names.get(field, field): value for field, value in _training(recipe).items()},
        **_present(
            optimizer=recipe.get("optim"),
            warmup_ratio=recipe.get("warmup_ratio"),
            gradient_checkpointing=recipe.get("gradient_checkpointing"),
            attn_implementation=recipe.get("attention"),
        ),
        "bf16": recipe.get("dtype") == "bfloat16",
        "fp16": recipe.get("dtype") == "float16",
        **_lora(recipe, adapter="lora", lora_target_linear=True),
        "output_dir": f"output/{document['student']}",
    }
