"""What a training changes: all weights that text reaches, or a LoRA adapter beside them.

LoRA (Hu et al., 2021) trains two thin matrices beside each linear layer; the layer itself stays.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftstudy.documents.recipe import Recipe
from sftstudy.documents.source import Source
from sftstudy.errors import StudyError
from sftstudy.files.reading import read_json
from sftstudy.files.writing import write_json
from sftstudy.students.models import load_model

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor
    from transformers import PreTrainedModel

    from sftstudy.training.divergence import WatchedTrainer

ADAPTER = "adapter"  # folder of the adapter within a checkpoint
LORA = "lora"


def is_lora(recipe: Recipe) -> bool:
    """Say whether a recipe trains an adapter; a recipe without a method trains all weights."""
    return recipe["training"].get("method") == LORA


def weights_dtype(recipe: Recipe) -> str:
    """Return the type in which a training keeps the student's weights.

    Trained weights are float32: AdamW's updates at these learning rates are smaller than bfloat16
    can add to a weight; half types compute under autocast. Weights that stay as they are have the
    type in which the student is evaluated; the adapter is float32.
    """
    return recipe["model"]["dtype"] if is_lora(recipe) else "float32"


def freeze_unreached(model: "PreTrainedModel") -> None:
    """Keep the weights that no text reaches, such as a vision tower, out of training.

    They would get no gradient, for which DistributedDataParallel would wait for ever.
    """
    text = [*model.get_decoder().parameters(), *model.get_output_embeddings().parameters()]
    reached = {id(parameter) for parameter in text}
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) in reached)


def name_layers_that_exist(model: "PreTrainedModel") -> None:
    """Keep only classes of this model in its list of layers that FSDP splits one by one.

    Gemma 3 lists a layer of the text half of SigLIP, which it does not have; accelerate refuses it.
    """
    present = {type(module).__name__ for module in model.modules()}
    model._no_split_modules = sorted(present & set(model._no_split_modules or ()))


def add_adapter(model: "PreTrainedModel", training: dict[str, Any]) -> "PeftModel":
    """Return the model with a LoRA adapter on every linear layer that text reaches.

    The output layer, which shares its weights with the input in most students, has none.
    """
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        task_type="CAUSAL_LM",
        target_modules=_linear_layers(model),
        r=training["lora_r"],
        lora_alpha=training["lora_alpha"],
        lora_dropout=training["lora_dropout"],
        bias="none",
    )
    return get_peft_model(model, config)


def _linear_layers(model: "PreTrainedModel") -> list[str] | str:
    """Return the linear layers that text reaches: their last names, or a pattern of full names.

    The pattern is for models that see images, whose other parts use some of the same last names.
    """
    from torch import nn

    decoder = model.get_decoder()
    names = sorted(
        {n.rpartition(".")[2] for n, m in decoder.named_modules() if isinstance(m, nn.Linear)}
    )
    where = next(name for name, module in model.named_modules() if module is decoder)
    inside = set(map(id, decoder.modules()))
    others = [
        n for n, m in model.named_modules() if isinstance(m, nn.Linear) and id(m) not in inside
    ]
    if not any(name.rpartition(".")[2] in names for name in others):
        return names
    return rf"{re.escape(where)}\..*\.({'|'.join(names)})"


def gathered(trainer: "WatchedTrainer", adapter_only: bool) -> "dict[str, Tensor] | None":
    """Return the trained weights on the CPU of the first process; None where they are not split.

    All processes take part. With `adapter_only` the weights that were not trained stay where they
    are.
    """
    if not trainer.is_fsdp_enabled:
        return None
    from peft import PeftModel
    from torch import Tensor
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
    from transformers import PreTrainedModel

    options = StateDictOptions(
        full_state_dict=True, cpu_offload=True, ignore_frozen_params=adapter_only
    )
    model = trainer.model
    bare = model.get_base_model() if isinstance(model, PeftModel) else model
    assert isinstance(bare, PreTrainedModel), "as load_model has returned it"
    tied = bare.all_tied_weights_keys  # second names of a weight, which files do not hold
    weights = {}
    for name, weight in get_model_state_dict(model, options=options).items():
        assert isinstance(weight, Tensor), "the state of an optimizer holds other values as well"
        if name not in tied:
            weights[name] = weight
    return weights


def save_adapter(
    model: "PeftModel", folder: Path, source: Source, state: "dict[str, Tensor] | None"
) -> None:
    """Write the adapter and its config; `state` are its weights where `gathered`."""
    model.save_pretrained(str(folder), state_dict=state)
    (folder / "README.md").unlink(missing_ok=True)
    config = read_json(folder / "adapter_config.json")
    on_hub = source["id"] if source["kind"] == "hub" else None  # never a path of this machine
    config |= {"base_model_name_or_path": on_hub, "revision": source["revision"]}
    if isinstance(config["target_modules"], list):
        config["target_modules"].sort()  # a set in memory, whose order differs from run to run
    write_json(folder / "adapter_config.json", config)


def merged(base: Path, adapter: Path, attention: str) -> "PreTrainedModel":
    """Return the student with its adapter added into its weights, in float32, on the CPU.

    Raises `StudyError` when the adapter does not hold exactly the weights that belong to it.
    """
    from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
    from peft.utils import set_peft_model_state_dict
    from safetensors.torch import load_file

    config = LoraConfig.from_pretrained(str(adapter))
    config.inference_mode = True
    model = get_peft_model(load_model(base, "float32", attention), config)
    tensors = load_file(adapter / "adapter_model.safetensors")
    expected = set(get_peft_model_state_dict(model))
    if expected != set(tensors):
        name = sorted(expected ^ set(tensors))[0]
        raise StudyError(
            f"{adapter}: {len(tensors)} weights, expected {len(expected)}; the first that differs "
            f"is {name}: train again"
        )
    set_peft_model_state_dict(model, tensors)
    return model.merge_and_unload(safe_merge=True)
