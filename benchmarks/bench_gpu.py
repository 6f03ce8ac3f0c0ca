"""What a GPU does with this workflow's training and prediction, in stages.

    python benchmarks/bench_gpu.py --student FOLDER   # on a GPU: rows for docs/hardware.md
    python benchmarks/bench_gpu.py --tiny             # a minute on a CPU: shows that it works

Stages, each with its own time limit; rows are printed as they come, so that a cut leaves what was
measured:

- exactness: gradients, losses of 20 steps and greedy replies, shared against padded;
- training: tokens a second, MFU and peak memory of a step of 16 samples, TRL's ways and ours;
- prediction: short and long replies, transformers' ways and ours;
- memory: a step of 4 billion parameters, against the estimate of tools/estimate.py.

Speed and memory are those of Qwen3's shapes with random weights, which need neither hub nor
licence. --student names a folder with a real small student (SmolLM2-135M-Instruct), which exactness
and prediction use, and whose tokenizer lays out the rows. Rows are real (--data). A way that fails
says why in its row, and the exit status is 1.
"""

import argparse
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import decoders
from prefix_workloads import DATA, load_rows, make_tokenizer

from sftstudy.costs.measured import peak_flops
from sftstudy.training.memory import Size, training_memory

IGNORED = -100
STEP = 16  # samples of an optimizer step
TASKS = ("banking77", "tatqa", "pubmedqa", "nl2sql")
TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
# config.json of huggingface.co/Qwen/Qwen3-0.6B and Qwen/Qwen3-4B
SHAPES = {
    "qwen3-0.6b": (1024, 3072, 28, 16, 8, 128, 151_936),
    "qwen3-4b": (2560, 9728, 36, 32, 8, 128, 151_936),
    "tiny": (64, 128, 2, 4, 2, 16, 8192),
}
LIMITS = {"exactness": 120, "training": 240, "prediction": 180, "memory": 90}  # seconds
TRAINING = {
    "per_device_train_batch_size": 4,
    "gradient_accumulation_steps": 4,
    "optim": "adamw_torch_fused",
    "gradient_checkpointing": True,
    "lora_r": 16,
}


class Cut(BaseException):
    """The time of a stage is over. No Exception, which libraries catch."""


@dataclass
class Bench:
    """What all stages use."""

    student: Path | None
    tokenizer: Any
    tiny: bool

    @property
    def shape(self) -> str:
        return "tiny" if self.tiny else "qwen3-0.6b"

    def samples(self, task: str, number: int) -> list[dict[str, Any]]:
        """Return tokenised rows of a task; those of one document stand together."""
        from sftstudy.prefix_sharing.batching import document_order
        from sftstudy.training.rows import samples

        rows = load_rows(task)
        if task == "tatqa":
            order = document_order([row["group"] for row in rows], STEP, seed=0)
            rows = [rows[i] for i in order]
        return samples(rows[:number], self.tokenizer, {}, 8192, DATA / task)

    def prompts(self, task: str, number: int) -> list[list[int]]:
        """Return tokenised prompts; ifeval's in the order of its file."""
        from sftstudy.students.chat import render_prompt, token_ids
        from sftstudy.tasks.registry import data_module

        if task == "ifeval":
            rows = data_module(task).read(DATA / task)["test"][:number]
        else:
            rows = load_rows(task)[:number]
        texts = [render_prompt(self.tokenizer, row["prompt"], {}) for row in rows]
        return token_ids(self.tokenizer, texts)


# -- students --------------------------------------------------------------------------------------


def device() -> Any:
    from sftstudy.students.models import pick_device

    return pick_device()


def device_name() -> str:
    import torch

    return torch.cuda.get_device_name() if device().type == "cuda" else device().type


def random_student(shape: str, dtype: Any) -> Any:
    """Return a causal LM of a shape with random weights, on the device."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    hidden, intermediate, layers, heads, kv_heads, head_dim, vocabulary = SHAPES[shape]
    torch.manual_seed(0)
    config = Qwen3Config(
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=head_dim,
        vocab_size=vocabulary,
        tie_word_embeddings=True,
        max_position_embeddings=40_960,
        attn_implementation="sdpa",
    )
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device():
            return Qwen3ForCausalLM(config)
    finally:
        torch.set_default_dtype(before)


def real_student(bench: Bench, dtype: str) -> Any:
    from sftstudy.students.models import load_model

    assert bench.student is not None
    return load_model(bench.student, dtype, "sdpa").to(device())


def size_of(shape: str, parameters: int) -> Size:
    """Return the numbers that the estimate of memory reads."""
    hidden, intermediate, layers, heads, kv_heads, head_dim, vocabulary = SHAPES[shape]
    return Size(parameters, 0, hidden, layers, intermediate, heads, kv_heads, head_dim, vocabulary)


def unhook(model: Any) -> None:
    """Take prefix sharing's hook and accelerate's autocast from a model that is used again."""
    model.__dict__.pop("forward", None)
    model._forward_pre_hooks.clear()
    model._forward_pre_hooks_with_kwargs.clear()


# -- measuring -------------------------------------------------------------------------------------


def synchronize() -> None:
    import torch

    if torch.accelerator.is_available():
        torch.accelerator.synchronize()


def reset_peak() -> None:
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_gb() -> str:
    import torch

    if torch.cuda.is_available():
        return f"{torch.cuda.max_memory_allocated() / 1e9:.1f}"
    return "not measured"


def first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0][:160]}"


# -- exactness -------------------------------------------------------------------------------------


def batches_of(samples: Sequence[dict[str, Any]], collator: Any, size: int) -> list[dict[str, Any]]:
    """Return the collated batches of an optimizer step, on the device."""
    parts = [samples[start : start + size] for start in range(0, len(samples), size)]
    return [{k: v.to(device()) for k, v in collator(part).items()} for part in parts]


def backward(model: Any, batches: list[dict[str, Any]], half: bool) -> float:
    """Add the gradients of the mean loss over supervised tokens; return that loss."""
    import torch
    from torch.nn.functional import cross_entropy

    # As TRL counts: a label is scored by the column before it.
    tokens = sum(int((batch["labels"][:, 1:] != IGNORED).sum()) for batch in batches)
    total = 0.0
    for batch in batches:
        labels = batch["labels"][:, 1:]
        inputs = {key: value for key, value in batch.items() if key != "labels"}
        with torch.autocast(device().type, torch.bfloat16, enabled=half):
            logits = model(**inputs, use_cache=False).logits[:, :-1]
        scored = labels != IGNORED
        loss = cross_entropy(logits[scored].float(), labels[scored], reduction="sum") / tokens
        loss.backward()
        total += float(loss.detach())
    return total


def gradients(model: Any, batches: list[dict[str, Any]], half: bool) -> list[Any]:
    model.zero_grad(set_to_none=True)
    backward(model, batches, half)
    return [parameter.grad.clone() for parameter in model.parameters()]


def difference(ours: list[Any], reference: list[Any]) -> float:
    """Relative Frobenius difference of two lists of tensors."""
    apart = sum(float((a - b).double().pow(2).sum()) for a, b in zip(ours, reference, strict=True))
    return (apart / sum(float(b.double().pow(2).sum()) for b in reference)) ** 0.5


def losses(model: Any, steps: list[list[dict[str, Any]]], half: bool) -> list[float]:
    """Return the losses of AdamW's steps, and put the weights back."""
    import torch

    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    found = []
    for batches in steps:
        optimizer.zero_grad(set_to_none=True)
        found.append(backward(model, batches, half))
        optimizer.step()
    model.load_state_dict(before)
    return found


def layouts(model: Any, samples: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Yield the ways of laying samples out with the model as each wants it: (name, batcher).

    The first two are plain padded batches; what lies between them is rounding.
    """
    from sftstudy.prefix_sharing.collator import PrefixSharingCollator, enable

    pad = 0
    padded = PrefixSharingCollator(pad, 1.0)._padded
    yield "padded, 4 x 4", lambda part: batches_of(part, padded, 4)
    yield "padded, 2 x 8", lambda part: batches_of(part, padded, 2)
    for attention in ("sdpa", "flex_attention"):
        if attention == "flex_attention" and device().type == "cpu":
            continue  # it has no backward pass there
        model.set_attn_implementation(attention)
        collator, reason = enable(model, pad, device())
        if collator is None:
            print(f"{attention}: {reason}", flush=True)
            continue
        yield f"shared, {attention}", lambda part, c=collator: batches_of(part, c, STEP)
        unhook(model)
    model.set_attn_implementation("sdpa")


def exactness(bench: Bench) -> Iterator[list[str]]:
    """Compare gradients and losses with those of padded float32 batches."""
    import torch

    yield ["student", "rows", "type", "way", "gradient", "loss of 20 steps"]
    students: list[tuple[str, Callable[[], Any]]] = [
        (bench.shape, lambda: random_student(bench.shape, torch.float32))
    ]
    if bench.student is not None:
        students.insert(0, (bench.student.name, lambda: real_student(bench, "float32")))
    number = 2 if bench.tiny else 20
    for name, make in students:
        model = make().train()
        for task in TASKS[:1] if bench.tiny else TASKS[:2]:
            samples = bench.samples(task, STEP * number)
            steps = [samples[k : k + STEP] for k in range(0, len(samples), STEP)]
            reference: list[Any] = []
            plain: dict[bool, list[float]] = {}
            for way, batcher in layouts(model, samples):
                for half in (False, True):
                    found = gradients(model, batcher(steps[0]), half)
                    reference = reference or found
                    apart = difference(found, reference)
                    del found
                    curve = ""
                    if name != "qwen3-0.6b":  # 20 steps of it would take most of the time
                        curve = losses(model, [batcher(step) for step in steps], half)
                        plain.setdefault(half, curve)
                        worst = max(abs(a - b) for a, b in zip(curve, plain[half], strict=True))
                        curve = f"{curve[0]:.4f} to {curve[-1]:.4f}, at most {worst:.1e} apart"
                    kind = "bfloat16" if half else "float32"
                    yield [name, task, kind, way, f"{apart:.1e}", curve or "not measured"]
        del model, reference
        reset_peak()


# -- training --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Way:
    """A way of training: TRL's arguments, or ours with an attention implementation."""

    name: str
    attention: str = ""  # of prefix sharing; empty: TRL's own batches
    settings: tuple[tuple[str, Any], ...] = ()
    recompute: bool = True


WAYS = (
    Way("TRL padded, 4 x 4"),
    Way("TRL packing", settings=(("packing", True), ("max_length", 4096))),
    Way("shared, sdpa", "sdpa"),
    Way("shared, sdpa, nothing recomputed", "sdpa", recompute=False),
    Way("shared, flex_attention", "flex_attention"),
)


def training(bench: Bench) -> Iterator[list[str]]:
    """Measure steps of 16 samples through TRL's trainer: float32 weights, bfloat16 autocast."""
    import torch

    yield ["rows", "way", "ms a step", "tokens/s", "MFU", "computed / sample tokens", "peak GB"]
    model = random_student(bench.shape, torch.float32)
    for task in TASKS[:1] if bench.tiny else TASKS:
        samples = bench.samples(task, STEP * (3 if bench.tiny else 8))
        for way in WAYS:
            if way.attention == "flex_attention" and device().type == "cpu":
                continue
            reset_peak()
            try:
                yield [task, way.name, *train(bench, model, samples, way)]
            except Exception as error:
                yield [task, way.name, first_line(error)]
            unhook(model)
            model.set_attn_implementation("sdpa")
            model.zero_grad(set_to_none=True)


def train(bench: Bench, model: Any, samples: list[dict[str, Any]], way: Way) -> list[str]:
    """Train on the samples once; return the figures of the steps after the first two."""
    from datasets import Dataset
    from transformers import PrinterCallback, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from sftstudy.prefix_sharing.batching import step_batches
    from sftstudy.prefix_sharing.collator import enable
    from sftstudy.training.flops import count_parameters, training_flops

    collator, batch = None, (4, 4)
    if way.attention:
        model.set_attn_implementation(way.attention)
        collator, reason = enable(model, 0, device())
        if collator is None:
            raise RuntimeError(reason)
        batch = step_batches(collator, samples, 4, 4, sequential=True, seed=0)
    elif way.settings:
        batch = (1, 1)
    marks, positions = [], []

    def look(module: Any, args: tuple, kwargs: dict[str, Any]) -> None:
        positions[-1] += kwargs["input_ids"].numel()

    class Marks(TrainerCallback):
        def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
            synchronize()
            marks.append(time.perf_counter())
            positions.append(0)

        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            synchronize()
            marks[-1] = time.perf_counter() - marks[-1]

    watch = model.register_forward_pre_hook(look, with_kwargs=True)
    with tempfile.TemporaryDirectory() as folder:
        arguments = SFTConfig(
            output_dir=folder,
            num_train_epochs=1,
            per_device_train_batch_size=batch[0],
            gradient_accumulation_steps=batch[1],
            train_sampling_strategy="sequential",
            gradient_checkpointing=way.recompute,
            bf16=not bench.tiny,
            use_cpu=device().type == "cpu",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            logging_steps=1000,
            **({"max_length": None} | dict(way.settings)),
        )
        trainer = SFTTrainer(
            model,
            arguments,
            data_collator=collator,
            train_dataset=Dataset.from_list(samples),
            processing_class=bench.tokenizer,
            callbacks=[Marks()],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    watch.remove()
    lengths = [len(sample["input_ids"]) for sample in samples]
    steps = marks[2:] if len(marks) > 3 else marks[1:] or marks
    # A packed step holds as many samples as fit in its length, not 16.
    tokens = sum(lengths) / len(marks)
    seconds = statistics.median(steps)
    peak = peak_flops(device_name(), "float32" if bench.tiny else "bfloat16")
    flops = training_flops(count_parameters(model), round(tokens))
    return [
        f"{1000 * seconds * STEP * sum(lengths) / len(lengths) / tokens:,.0f}",
        f"{tokens / seconds:,.0f}",
        "unknown" if peak is None else f"{flops / seconds / peak:.0%}",
        f"{sum(positions) / sum(lengths):.3f}",
        peak_gb(),
    ]


# -- prediction ------------------------------------------------------------------------------------


# By type: rows, how many, most new tokens, ways. Continuous batching of long replies is the last:
# on an H200 it had not ended after a minute.
SETS = (
    (
        "bfloat16",
        (
            ("banking77", 154, 16, ("generate", "ours", "continuous batching")),
            ("ifeval", 256, 512, ("generate", "ours")),
            ("ifeval", 541, 1280, ("ours",)),
        ),
    ),
    (
        "float32",
        (
            ("banking77", 154, 16, ("generate", "ours")),
            ("ifeval", 128, 256, ("generate", "ours")),
        ),
    ),
    ("bfloat16", (("ifeval", 256, 512, ("continuous batching",)),)),
)
TINY_SETS = (
    (
        "float32",
        (
            ("banking77", 8, 2, ("generate", "ours")),
            ("ifeval", 2, 3, ("generate", "ours")),
        ),
    ),
)


def prediction(bench: Bench) -> Iterator[list[str]]:
    """Reply to short and to long questions with one student."""
    import torch

    yield ["rows", "type", "way", "s", "new tokens/s", "equal replies", "peak GB"]
    for kind, sets in TINY_SETS if bench.tiny else SETS:
        if bench.student is not None:
            model = real_student(bench, kind).eval()
        else:
            model = random_student(bench.shape, getattr(torch, kind)).eval()
        end = bench.tokenizer.eos_token_id
        for task, number, limit, ways in sets:
            prompts = bench.prompts(task, number)
            plain: list[list[int]] = []
            name = f"{task}, {number} x {limit}"
            for way in ways:
                reset_peak()
                synchronize()
                began = time.perf_counter()
                try:
                    replies = decoders.WAYS[way](model, prompts, limit, end)
                except Exception as error:
                    yield [name, kind, way, first_line(error)]
                    continue
                synchronize()
                seconds = time.perf_counter() - began
                plain = replies if way == "generate" else plain
                equal = sum(a == b for a, b in zip(plain, replies, strict=False))
                new = sum(map(len, replies))
                same = f"{equal} of {len(prompts)}" if plain else "not compared"
                yield [name, kind, way, f"{seconds:.1f}", f"{new / seconds:,.0f}", same, peak_gb()]
        del model


# -- memory ----------------------------------------------------------------------------------------


def memory(bench: Bench) -> Iterator[list[str]]:
    """Train one padded batch of 2 x 2,048 tokens; compare the peak with the estimate."""
    import torch

    yield ["student", "method", "tokens", "estimated GB", "measured GB"]
    shapes = ["tiny"] if bench.tiny else ["qwen3-0.6b", "qwen3-4b"]
    for shape in shapes:
        for method in ("lora", "full"):
            length = 2048 if not bench.tiny else 64
            reset_peak()
            estimate = None
            try:
                model = random_student(shape, torch.bfloat16 if method == "lora" else torch.float32)
                size = size_of(shape, model.num_parameters())
                recipe: Any = {
                    "model": {"dtype": "bfloat16"},
                    "training": TRAINING | {"method": method},
                }
                estimate = training_memory(size, recipe, 2 * length).device / 1e9
                step_once(model, method, length)
                measured = peak_gb()
            except Exception as error:
                measured = first_line(error)
            model = None
            yield [
                shape,
                method,
                f"2 x {length}",
                "unknown" if estimate is None else f"{estimate:.1f}",
                measured,
            ]


def step_once(model: Any, method: str, length: int) -> None:
    """Two optimizer steps as training makes them, on random tokens."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    from sftstudy.training.trainable import add_adapter

    generator = random.Random(0)
    ids = [[generator.randrange(1000) for _ in range(length)] for _ in range(4)]
    rows = [
        {"input_ids": row, "labels": [IGNORED] * (length // 2) + row[length // 2 :]} for row in ids
    ]
    if method == "lora":
        model = add_adapter(model, TRAINING | {"lora_alpha": 32, "lora_dropout": 0.0})
    with tempfile.TemporaryDirectory() as folder:
        arguments = SFTConfig(
            output_dir=folder,
            num_train_epochs=1,
            per_device_train_batch_size=2,
            gradient_accumulation_steps=1,
            gradient_checkpointing=True,
            optim="adamw_torch_fused",
            bf16=device().type != "cpu",
            use_cpu=device().type == "cpu",
            max_length=None,
            dataset_kwargs={"skip_prepare_dataset": True},
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        tokenizer = make_tokenizer(["a"])
        SFTTrainer(
            model, arguments, train_dataset=Dataset.from_list(rows), processing_class=tokenizer
        ).train()


# -- all -------------------------------------------------------------------------------------------

STAGES = {
    "exactness": exactness,
    "training": training,
    "prediction": prediction,
    "memory": memory,
}


def run_stage(name: str, bench: Bench, seconds: int) -> bool:
    """Run a stage within its time; print its rows as they come. Says whether all went well."""

    def cut(number: int, frame: Any) -> None:
        raise Cut

    signal.signal(signal.SIGALRM, cut)
    signal.alarm(seconds)
    began, rows = time.monotonic(), []
    print(f"\n## {name}\n", flush=True)
    went_well = True
    try:
        for row in STAGES[name](bench):
            rows.append(row)
            print(f"| {' | '.join(row)} |", flush=True)
            if len(rows) == 1:
                print(f"|{'---|' * len(row)}", flush=True)
        went_well = not any("Error" in cell for row in rows for cell in row)
    except Cut:
        print(f"\ncut off after {seconds} s", flush=True)
    except Exception as error:
        print(f"\nended by {first_line(error)}", flush=True)
        went_well = False
    finally:
        signal.alarm(0)
    print(f"\n{time.monotonic() - began:.0f} s", flush=True)
    return went_well


def machine() -> str:
    import torch
    import transformers
    import trl

    return (
        f"{device_name()}; torch {torch.__version__}, transformers {transformers.__version__}, "
        f"trl {trl.__version__}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="a small shape and few rows")
    parser.add_argument("--student", type=Path, help="folder of a real small student")
    parser.add_argument("--limit", type=int, help="most seconds of a stage, where it has more")
    parser.add_argument("--stages", default=",".join(STAGES), help="some of them (default: all)")
    arguments = parser.parse_args()

    names = arguments.stages.split(",")
    if unknown := sorted(set(names) - set(STAGES)):
        parser.error(f"no such stage: {unknown[0]}; there are {', '.join(STAGES)}")
    from transformers import AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    if arguments.student:
        tokenizer = AutoTokenizer.from_pretrained(arguments.student)
    else:
        texts = [row["prompt"][0]["content"] for row in load_rows("banking77")]
        tokenizer = make_tokenizer(texts)
        tokenizer.chat_template = TEMPLATE
    weights = bool(arguments.student and list(arguments.student.glob("*.safetensors")))
    bench = Bench(arguments.student if weights else None, tokenizer, arguments.tiny)
    if arguments.tiny:
        import torch

        torch.set_num_threads(1)  # on a busy machine more are many times slower
    print(machine(), flush=True)
    most = arguments.limit or max(LIMITS.values())
    results = [run_stage(name, bench, min(LIMITS[name], most)) for name in names]
    sys.stdout.flush()
    os._exit(0 if all(results) else 1)  # threads of a way that was cut would keep us for ever


if __name__ == "__main__":
    main()
