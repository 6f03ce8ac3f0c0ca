"""How much memory training needs, from sizes alone.

Bytes on each device, with P parameters, T of them trained, b bytes a weight that is not trained:

- weights: 4 P (full: all are float32), or b (P - A) + 4 A (LoRA with an adapter of A parameters);
- gradients: 4 T; AdamW's two moments: 8 T; these three are divided by the devices under FSDP;
- activations of one forward pass of N tokens: those of every layer, or with gradient checkpointing
  the inputs of every layer and the activations of one;
- under FSDP, the weights of two layers, which are gathered while they are used.

A layer keeps for the backward pass, a token: 6 h + 4 a + 4 f values (h hidden size, a = heads times
head_dim, f intermediate size): inputs, normalised values and outputs of two norms; queries, keys,
values and output of attention, keys and values repeated for each head; four values of the gated
feed-forward part. Values are float32, under autocast to a half type those within attention and
feed-forward have 2 bytes. A LoRA adapter adds its inputs in float32 and r values a layer.

A recipe whose `gradient_checkpointing` is `auto` is counted as it does with the least memory.

Not counted: the loss (TRL computes it in tiles), attention masks of shared prefixes (bytes by the
square of a batch's tokens), buffers of libraries, fragmentation. Leave a tenth of a device free.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sftstudy.documents.recipe import Recipe
from sftstudy.errors import StudyError
from sftstudy.files.reading import read_json
from sftstudy.students.checkpoints import weight_counts

GIB = 1024**3
_DIMENSIONS = (
    "hidden_size",
    "num_hidden_layers",
    "intermediate_size",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "vocab_size",
)
_HALF = ("bfloat16", "float16")
_PROCESS_GIB = 4  # of main memory: Python, torch and the device's libraries


@dataclass(frozen=True)
class Size:
    """The numbers of a student that memory depends on; names as in its config.json."""

    parameters: int
    vision_parameters: int
    hidden_size: int
    num_hidden_layers: int
    intermediate_size: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    vocab_size: int

    @property
    def attention_width(self) -> int:
        """Width of all query heads together."""
        return self.num_attention_heads * self.head_dim

    @property
    def layer_parameters(self) -> int:
        """Weights of the linear layers of one layer."""
        return sum(inputs * outputs for inputs, outputs in self.linear_layers())

    def linear_layers(self) -> list[tuple[int, int]]:
        """Return (inputs, outputs) of a layer's linear layers: q, k, v, o, gate, up, down."""
        h, a, f = self.hidden_size, self.attention_width, self.intermediate_size
        kv = self.num_key_value_heads * self.head_dim
        return [(h, a), (h, kv), (h, kv), (a, h), (h, f), (h, f), (f, h)]

    def adapter_parameters(self, rank: int) -> int:
        """Return the weights of a LoRA adapter on all linear layers."""
        return self.num_hidden_layers * rank * sum(map(sum, self.linear_layers()))


@dataclass(frozen=True)
class Estimate:
    """Bytes on each device while training, by what they hold, and main memory of the job."""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    gathered: float
    main: float

    @property
    def device(self) -> float:
        """Bytes on each device."""
        parts = (self.weights, self.gradients, self.optimizer, self.activations, self.gathered)
        return sum(parts)


def training_memory(
    size: Size, recipe: Recipe, tokens: int, devices: int = 1, sharded: bool = False
) -> Estimate:
    """Return what training needs.

    Args:
        size: of the student.
        recipe: ``model`` and ``training`` of a recipe.
        tokens: of one forward pass, padding included.
        devices: processes, one device each.
        sharded: FSDP; otherwise each device holds everything.
    """
    training, half = recipe["training"], recipe["model"]["dtype"] in _HALF
    lora = training.get("method") == "lora"
    adapter = size.adapter_parameters(training["lora_r"]) if lora else 0
    trained = adapter or size.parameters - size.vision_parameters
    kept = 2 if lora and half else 4
    weights = kept * size.parameters + 4 * adapter
    moments = 8 if training["optim"].startswith("adamw") else 0
    parts = devices if sharded else 1
    return Estimate(
        weights=weights / parts,
        gradients=4 * trained / parts,
        optimizer=moments * trained / parts,
        activations=tokens * _activations(size, training, half, kept),
        gathered=2 * kept * size.layer_parameters if sharded and devices > 1 else 0,
        # The first process reads the weights, and gathers and casts them at the end.
        main=devices * _PROCESS_GIB * GIB + 2 * 4 * size.parameters,
    )


def _activations(size: Size, training: dict[str, Any], half: bool, kept: int) -> float:
    """Return bytes a token that wait for the backward pass."""
    h, a, f = size.hidden_size, size.attention_width, size.intermediate_size
    inner = 2 if half else 4
    residual = kept if half else 4
    layer = residual * 4 * h + inner * (2 * h + 4 * a + 4 * f)
    if training.get("method") == "lora":
        inputs = sum(inputs for inputs, _ in size.linear_layers()) if half else 0
        layer += 4 * (inputs + 7 * training["lora_r"])
    if training["gradient_checkpointing"] is not False:
        return residual * h * size.num_hidden_layers + layer
    return layer * size.num_hidden_layers


def catalog_size(name: str, facts: dict[str, Any]) -> Size:
    """Return the size that the study file gives a student."""
    if "size" not in facts:
        raise StudyError(
            f"catalog.students.{name}: has no 'size' and is not fetched yet; fetch it, or copy its "
            "numbers from the config.json of its repository (config/README.md)"
        )
    return Size(**facts["size"])


def fetched_size(folder: Path) -> Size:
    """Return the size of a checkpoint folder, from its config.json and the heads of its weights."""
    document = read_json(folder / "config.json")
    config = document.get("text_config", document)
    width = config.get("hidden_size", 0) // max(1, config.get("num_attention_heads", 1))
    config = {"head_dim": width} | {k: v for k, v in config.items() if v is not None}
    if missing := [key for key in _DIMENSIONS if key not in config]:
        raise StudyError(f"{folder / 'config.json'}: the key '{missing[0]}' is missing")
    counts = weight_counts(folder)
    vision = sum(n for name, n in counts.items() if "vision" in name or "multi_modal" in name)
    return Size(
        parameters=sum(counts.values()),
        vision_parameters=vision,
        **{key: config[key] for key in _DIMENSIONS},
    )
