"""Cost of predicting real banking77 prompts with and without shared prefixes.

    python benchmarks/bench_prefix_generation.py            # all rows, as Markdown
    python benchmarks/bench_prefix_generation.py shared-32  # one row, in this process

Greedy, 4 new tokens a prompt, the same random model and prompts for all. CPU-seconds are those of
the process, medians of 3 runs; each row is measured in a process of its own, for its peak memory.
The texts of all rows are compared.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from prefix_workloads import (
    EOS,
    PAD,
    ROOT,
    forward_flops,
    load_samples,
    machine,
    make_model,
    matmul_flops_per_second,
    median,
    peak_memory_gb,
    run_apart,
    table,
)

PROMPTS = int(os.environ.get("BENCH_PROMPTS", "200"))
NEW_TOKENS = 4
REPEATS = 3
WAYS = {
    "generate-8": "transformers generate, batches of 8",
    "lm-eval-8": "lm-eval hf backend, batches of 8",
    "shared-8": "prefix sharing, batches of 8",
    "shared-32": "prefix sharing, batches of 32",
}


def with_generate(model: Any, tokenizer: Any, prompts: list[list[int]], size: int) -> list[str]:
    """Decode left-padded batches with transformers' `generate`."""
    import torch
    from transformers import GenerationConfig

    config = GenerationConfig(
        do_sample=False, max_new_tokens=NEW_TOKENS, eos_token_id=EOS, pad_token_id=PAD
    )
    replies = []
    for start in range(0, len(prompts), size):
        batch = prompts[start : start + size]
        length = max(map(len, batch))
        ids = torch.tensor([[PAD] * (length - len(p)) + p for p in batch])
        mask = torch.tensor([[0] * (length - len(p)) + [1] * len(p) for p in batch])
        output = model.generate(ids, attention_mask=mask, generation_config=config)
        replies += tokenizer.batch_decode(output[:, length:], skip_special_tokens=True)
    return replies


def with_lm_eval(model: Any, tokenizer: Any, prompts: list[list[int]], size: int) -> list[str]:
    """Decode with lm-eval's `HFLM`."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    engine = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=size, max_length=8192)
    settings = {"until": [], "max_gen_toks": NEW_TOKENS, "do_sample": False}
    requests = [
        Instance("generate_until", {}, (tokenizer.decode(prompt), settings), index)
        for index, prompt in enumerate(prompts)
    ]
    return engine.generate_until(requests, disable_tqdm=True)


def with_sharing(model: Any, tokenizer: Any, prompts: list[list[int]], size: int) -> list[str]:
    """Decode with shared prefixes."""
    from sftstudy.prefix_sharing.generate import generate_shared

    replies = generate_shared(
        model,
        prompts,
        max_new_tokens=NEW_TOKENS,
        eos_token_ids={EOS},
        pad_token_id=PAD,
        batch_size=size,
    )
    return [tokenizer.decode(r.tokens, skip_special_tokens=True) for r in sorted(replies)]


ENGINES: dict[str, Callable] = {
    "generate": with_generate,
    "lm-eval": with_lm_eval,
    "shared": with_sharing,
}


def measure(way: str) -> dict[str, Any]:
    """Decode the prompts three times in this process."""
    import torch

    torch.set_num_threads(1)
    samples, tokenizer = load_samples("banking77")
    prompts = [
        [t for t, label in zip(s["input_ids"], s["labels"], strict=True) if label == -100]
        for s in samples[:PROMPTS]
    ]
    model = make_model().eval()
    engine, size = way.rsplit("-", 1)
    seconds, positions, flops = [], 0, 0.0

    def count(module: Any, args: tuple, kwargs: dict[str, Any]) -> None:
        nonlocal positions, flops
        rows, queries = kwargs["input_ids"].shape
        cache = kwargs.get("past_key_values")
        keys = queries + (cache.get_seq_length() if cache is not None else 0)
        positions += rows * queries
        flops += forward_flops(model, rows, queries, keys, rows)

    model.register_forward_pre_hook(count, with_kwargs=True)
    start_gb = peak_memory_gb()
    for _ in range(REPEATS):
        start = time.process_time()
        texts = ENGINES[engine](model, tokenizer, prompts, int(size))
        seconds.append(time.process_time() - start)
    return {
        "way": way,
        "cpu_seconds": median(seconds),
        "peak_gb": peak_memory_gb(),
        "start_gb": start_gb,
        "gflop": flops / REPEATS / 1e9,
        "computed": positions / REPEATS / sum(len(p) + NEW_TOKENS - 1 for p in prompts),
        "gflop_per_second": flops / sum(seconds) / 1e9,
        "matmul_gflop_per_second": matmul_flops_per_second() / 1e9,
        "texts_sha256": hashlib.sha256(json.dumps(texts).encode()).hexdigest(),
    }


def row_of(result: dict[str, Any], baseline: dict[str, Any]) -> list[str]:
    """One line of the table; ratios and texts against `generate`."""
    share = result["gflop_per_second"] / result["matmul_gflop_per_second"]
    return [
        WAYS[result["way"]],
        f"{result['cpu_seconds']:.2f}",
        f"{baseline['cpu_seconds'] / result['cpu_seconds']:.1f}",
        f"{result['peak_gb']:.2f}",
        f"{result['peak_gb'] - result['start_gb']:.2f}",
        f"{baseline['gflop'] / result['gflop']:.1f}",
        f"{result['computed']:.3f}",
        f"{result['gflop_per_second']:.0f} ({share:.0%})",
        "yes" if result["texts_sha256"] == baseline["texts_sha256"] else "NO",
        f"`python benchmarks/bench_prefix_generation.py {result['way']}`",
    ]


def main() -> None:
    if len(sys.argv) == 2:
        print(json.dumps(measure(sys.argv[1])))
        return
    results = [json.loads(run_apart("bench_prefix_generation.py", name)) for name in WAYS]
    header = [
        "way",
        "CPU-s",
        "times cheaper",
        "peak GB",
        "of it by decoding",
        "FLOP ratio",
        "computed / prompt tokens",
        "GFLOP a CPU-s (of matmul)",
        "same text",
        "command",
    ]
    rows = [row_of(result, results[0]) for result in results]
    text = f"{PROMPTS} prompts; {machine()}\n\n{table(header, rows)}"
    output = ROOT / "results" / "bench" / "prefix_generation.md"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
