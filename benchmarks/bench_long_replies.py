"""Cost of long replies: the first IFEval prompts, greedily, by a real student.

    python benchmarks/bench_long_replies.py                            # the two rows of the docs
    python benchmarks/bench_long_replies.py --all                      # and all prompts: hours
    python benchmarks/bench_long_replies.py --prompts 64 --limit 1280  # a part of those
    python benchmarks/bench_long_replies.py --tiny                     # half a minute: it works

Ways: transformers' `generate` and continuous batching, ours as engine hf calls it, and vLLM for CPU
in eager mode, in an environment of its own. Each runs in a process of its own, on the same tokens.
CPU-seconds are those of the process and its children, from after the start and a warm-up of one
short prompt. Replies are compared token by token with those of `generate`. The limit is the rate of
plain matrix products, measured in the same run, over the FLOPs of a new token; prompts cost more.
A way that fails or takes too long says why in its row; where one failed the exit status is 1.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from prefix_workloads import (
    DATA,
    ROOT,
    machine,
    matmul_flops_per_second,
    peak_memory_gb,
    run_apart,
    table,
)

sys.path += [str(ROOT / "tests"), str(ROOT / "tools")]

# Prompts, most new tokens, repetitions. Published are medians of at least three.
ROWS = ((16, 160, 3), (32, 400, 1))
ALL = (541, 1280, 1)
TINY = (6, 24, 3)
WAYS = {
    "generate": "transformers generate",
    "continuous batching": "transformers continuous batching",
    "ours": "ours, as engine hf",
    "vllm": "vLLM for CPU, eager mode",
}
PATIENCE = 2  # a way may take this many times as long as generate, and so many seconds to start:
START = 300
WARM_UP = 8  # tokens
FAILED = "failed"
# vLLM asks for nine tenths of the memory unless it is told how many GiB its cache may take (engine
# hf takes 1.5 of this student); and it tells its makers of its use.
VLLM = {
    "VLLM_CPU_KVCACHE_SPACE": "2",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "HF_HUB_OFFLINE": "1",
}
HEADER = ["prompts x tokens", "way", "tokens per CPU-s", "times generate", "equal replies"]
HEADER += ["peak GB", "wall s", "threads' time", "measured"]
BUSY = 0.8  # of their time that threads compute on a free machine, waiting for each other included
NOTE = (
    "The machine was busy: where threads got less than 80% of their time, they spent much of it\n"
    "waiting for each other, which counts as CPU time. Measure again, or with --threads 1.\n"
)

Work = dict[str, Any]  # student, prompts, limit, end_token, repeats, threads
Reply = Callable[[list[list[int]], int], list[list[int]]]


# -- what runs in processes of its own -------------------------------------------------------------


def prepare(work: Work) -> dict[str, Any]:
    """Make the student's folder unless there is one; return it, the prompts and the end token."""
    from sftstudy.students.chat import load_tokenizer, render_prompt, token_ids
    from sftstudy.tasks.registry import data_module

    folder = Path(work["student"])
    if work["tiny"]:
        make_tiny_student(folder)
    elif work["gguf"]:
        from sftstudy.sources.gguf import convert

        folder.mkdir()
        convert(Path(work["gguf"]), folder)
    tokenizer = load_tokenizer(folder, {})
    rows = data_module("ifeval").read(DATA / "ifeval")["test"][: work["prompts"]]
    texts = [render_prompt(tokenizer, row["prompt"], {}) for row in rows]
    return {"prompts": token_ids(tokenizer, texts), "end_token": tokenizer.eos_token_id}


def make_tiny_student(folder: Path) -> None:
    """Make a student of random weights, under a million."""
    import torch

    from sftstudy.students.smoke import make_model, train_tokenizer
    from sftstudy.tasks.corpus import conversations

    tokenizer = train_tokenizer(conversations(0, 64))
    torch.manual_seed(0)
    make_model(tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def measure(way: str, work: Work) -> dict[str, Any]:
    """Reply to the prompts so many times; return the figures and the replies."""
    reply = open_vllm(work) if way == "vllm" else open_model(way, work)
    reply([min(work["prompts"], key=len)], WARM_UP)
    cpu, wall = [], []
    for _ in range(work["repeats"]):
        cpu_start, start = cpu_seconds(), time.perf_counter()
        replies = reply(work["prompts"], work["limit"])
        cpu.append(cpu_seconds() - cpu_start)
        wall.append(time.perf_counter() - start)
    return {
        "cpu_seconds": statistics.median(cpu),
        "wall_seconds": statistics.median(wall),
        "peak_gb": peak_memory_gb(),
        "replies": replies,
    }


def open_model(way: str, work: Work) -> Reply:
    """Load the student with transformers."""
    import decoders
    import torch
    from transformers.utils import logging

    from sftstudy.prediction.packed import pack
    from sftstudy.students.models import load_model

    logging.set_verbosity_error()
    torch.set_num_threads(work["threads"])
    decode = decoders.WAYS[way]
    model = load_model(Path(work["student"]), "float32", "sdpa").eval()
    if way == "ours":
        pack(model)
    return lambda prompts, limit: decode(model, prompts, limit, work["end_token"])


def open_vllm(work: Work) -> Reply:
    """Start vLLM as engine vllm does, the engine in this process."""
    from sftstudy.prediction.engine import Machine
    from sftstudy.prediction.vllm import ENVIRONMENT, engine_arguments, parameters

    os.environ.update(VLLM | ENVIRONMENT)
    from vllm import LLM, SamplingParams

    end, longest = work["end_token"], max(map(len, work["prompts"]))
    generation = {"dtype": "float32", "max_length": longest + work["limit"]}
    settings = engine_arguments(Path(work["student"]), generation, Machine(enforce_eager=True))
    llm = LLM(**settings)

    def reply(prompts: list[list[int]], limit: int) -> list[list[int]]:
        llm.reset_prefix_cache()  # it would know the prompts from the time before
        asked = [{"prompt_token_ids": prompt} for prompt in prompts]
        outputs = llm.generate(asked, SamplingParams(**parameters({end}, limit)), use_tqdm=False)
        return [list(output.outputs[0].token_ids) for output in outputs]

    return reply


def cpu_seconds() -> float:
    """CPU-seconds of this process, of its children and of those that have ended."""
    import psutil

    children = psutil.Process().children(recursive=True)
    spent = [seconds for child in children for seconds in child.cpu_times()[:2]]
    return time.process_time() + sum(spent) + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def limits(work: Work) -> dict[str, float]:
    """Return what bounds a new token: FLOPs per CPU-second of matrix products on these threads,
    FLOPs of a token's products with weights, and of its attention to one token before it."""
    import torch

    from sftstudy.students.models import load_model

    torch.set_num_threads(work["threads"])
    model = load_model(Path(work["student"]), "float32", "sdpa")
    weights = [m.weight.numel() for m in model.modules() if isinstance(m, torch.nn.Linear)]
    config = model.config
    heads = config.num_hidden_layers * config.num_attention_heads
    return {
        "flops_per_cpu_second": matmul_flops_per_second(),
        "flops_of_products": 2 * sum(weights),
        "flops_a_key": 4 * heads * config.head_dim,
    }


def run_part(part: str, work: Work) -> dict[str, Any]:
    """Run a part in this process; why it failed stands in what it returns."""
    try:
        if part == "prepare":
            return prepare(work)
        return limits(work) if part == "limits" else measure(part, work)
    except Exception as error:
        traceback.print_exc()
        first = (str(error).strip().splitlines() or ["no reason given"])[0]
        return {"missing": f"{FAILED}: {type(error).__name__}: {first[:160]}"}


# -- the table -------------------------------------------------------------------------------------


def mean_keys(prompts: list[list[int]], replies: list[list[int]]) -> float:
    """Tokens that a new token attends to, itself included, on average."""
    keys = 0.0
    for prompt, reply in zip(prompts, replies, strict=True):
        keys += len(reply) * (len(prompt) + (len(reply) - 1) / 2)
    return keys / sum(map(len, replies))


def rate(result: dict[str, Any]) -> float:
    """New tokens per CPU-second."""
    return sum(map(len, result["replies"])) / result["cpu_seconds"]


def share(result: dict[str, Any], threads: int) -> float:
    """Share of the threads' time that the machine gave them."""
    return result["cpu_seconds"] / (threads * result["wall_seconds"])


def way_cells(result: dict[str, Any], baseline: dict[str, Any], work: Work) -> list[str]:
    """Return a way's cells behind its name; `baseline` is generate's result."""
    if why := result.get("missing"):
        return [why, *[""] * 6]
    repeats = work["repeats"]
    pairs = zip(result["replies"], baseline["replies"], strict=True)
    return [
        f"{rate(result):.1f}",
        f"{rate(result) / rate(baseline):.2f}",
        f"{sum(a == b for a, b in pairs)} of {len(baseline['replies'])}",
        f"{result['peak_gb']:.2f}",
        f"{result['wall_seconds']:.1f}",
        f"{share(result, work['threads']):.0%}",
        f"median of {repeats}" if repeats >= 3 else ("once" if repeats == 1 else "twice"),
    ]


def is_busy(line: list[str]) -> bool:
    """Say whether the threads of a line were kept from computing."""
    cell = line[HEADER.index("threads' time")]
    return bool(cell) and float(cell.rstrip("%")) < 100 * BUSY


def limit_cells(found: dict[str, Any], work: Work, baseline: dict[str, Any]) -> list[str]:
    """Return the cells of the limit's line behind the name of the row."""
    if why := found.get("missing"):
        return ["limit", why, *[""] * 6]
    keys = mean_keys(work["prompts"], baseline["replies"])
    flops = found["flops_of_products"] + keys * found["flops_a_key"]
    most = found["flops_per_cpu_second"] / flops
    gflops = f"{flops / 1e9:.3g} GFLOP a token, {found['flops_per_cpu_second'] / 1e9:.0f} a CPU-s"
    return [f"limit: {gflops}", f"{most:.1f}", f"{most / rate(baseline):.2f}", *[""] * 5]


# -- a run -----------------------------------------------------------------------------------------


def apart(
    part: str, work: Work, python: Path = Path(sys.executable), seconds: float | None = None
) -> dict[str, Any]:
    """Run a part in a process of its own, for so many seconds at most."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "work.json"
        file.write_text(json.dumps(work))
        try:
            line = run_apart(
                "bench_long_replies.py",
                *(part, str(file)),
                python=python,
                threads=work["threads"],
                seconds=seconds,
            )
        except subprocess.TimeoutExpired:
            return {"missing": f"not measured: not done in {seconds:.0f} s"}
        except subprocess.CalledProcessError as error:
            return {"missing": f"{FAILED}: ended with status {error.returncode}"}
    return json.loads(line)


def find_vllm(wanted: bool, tiny: bool) -> tuple[Path, str]:
    """Return the Python that has vLLM, and why it is not measured, if it is not."""
    from engines.environment import is_built, vllm_python
    from real.parts import NotToBeHad

    if not wanted and (tiny or not is_built()):
        return Path(), "not measured: --vllm builds it where it is not (3.4 GB) and takes it along"
    try:
        return vllm_python(), ""
    except NotToBeHad as error:
        return Path(), f"not measured: {error}"


def measure_row(work: Work, vllm: tuple[Path, str]) -> Iterator[list[str]]:
    """Yield the lines of one number of prompts and tokens. Stops where generate fails."""
    name = f"{len(work['prompts'])} x {work['limit']}"
    baseline = apart("generate", work)
    yield [name, WAYS["generate"], *way_cells(baseline, baseline, work)]
    if "missing" in baseline:
        return
    seconds = START + PATIENCE * work["repeats"] * baseline["wall_seconds"]
    python, missing = vllm
    for way in list(WAYS)[1:]:
        if way == "vllm":
            found = {"missing": missing} if missing else apart(way, work, python, seconds)
        else:
            found = apart(way, work, seconds=seconds)
        yield [name, WAYS[way], *way_cells(found, baseline, work)]
    yield [name, *limit_cells(apart("limits", work), work, baseline)]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--student", type=Path, help="its folder (default: made of the GGUF file)")
    parser.add_argument("--all", action="store_true", help="all 541 prompts, 1,280 tokens: hours")
    parser.add_argument("--prompts", type=int, help="so many instead (default: 541)")
    parser.add_argument("--limit", type=int, help="most new tokens of those (default: 1280)")
    parser.add_argument("--repeats", type=int, help="of each way (default: 3, of long rows 1)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--vllm", action="store_true", help="build vLLM for CPU if it is missing")
    parser.add_argument("--tiny", action="store_true", help="a random student, 6 prompts")
    arguments = parser.parse_args()
    from fetch_smollm2 import NAME

    arguments.gguf = ROOT / "models" / NAME
    if not (arguments.student or arguments.tiny or arguments.gguf.is_file()):
        parser.error(f"{arguments.gguf} is missing: `make models` brings it; or name --student")
    return arguments


def rows_of(arguments: argparse.Namespace) -> list[tuple[int, int, int]]:
    """Return the rows that were asked for: prompts, most new tokens, repetitions."""
    prompts, limit, repeats = ALL
    if arguments.prompts or arguments.limit:
        rows = [(arguments.prompts or prompts, arguments.limit or limit, repeats)]
    else:
        rows = [TINY] if arguments.tiny else [*ROWS, *([ALL] if arguments.all else [])]
    return [(number, most, arguments.repeats or times) for number, most, times in rows]


def main() -> None:
    if len(sys.argv) == 3 and sys.argv[1] in ("prepare", "limits", *WAYS):
        print(json.dumps(run_part(sys.argv[1], json.loads(Path(sys.argv[2]).read_text()))))
        return
    arguments = parse()
    rows = rows_of(arguments)
    vllm = find_vllm(arguments.vllm, arguments.tiny)
    lines: list[list[str]] = []
    with tempfile.TemporaryDirectory() as folder:
        work = {
            "student": str(arguments.student or Path(folder) / "student"),
            "gguf": None if arguments.student else str(arguments.gguf),
            "tiny": arguments.tiny,
            "prompts": max(row[0] for row in rows),
            "threads": arguments.threads,
        }
        # In a process of its own too: the peak memory of those that follow begins with this one's.
        prepared = apart("prepare", work)
        if "missing" in prepared:
            sys.exit(prepared["missing"])
        print(f"{machine(arguments.threads)}\n\n{table(HEADER, [])}", end="", flush=True)
        for number, limit, repeats in rows:
            of_row = {"prompts": prepared["prompts"][:number], "limit": limit, "repeats": repeats}
            for line in measure_row(work | prepared | of_row, vllm):
                lines.append(line)
                print("| " + " | ".join(line) + " |", flush=True)
    note = NOTE if arguments.threads > 1 and any(is_busy(line) for line in lines) else ""
    print(f"\n{note}" if note else "", end="")
    if not arguments.tiny:
        output = ROOT / "results" / "bench" / "long_replies.md"
        output.parent.mkdir(parents=True, exist_ok=True)
        text = f"{machine(arguments.threads)}\n\n{table(HEADER, lines)}\n{note}"
        output.write_text(text, encoding="utf-8")
    sys.exit(1 if any(FAILED in cell for line in lines for cell in line) else 0)


if __name__ == "__main__":
    main()
