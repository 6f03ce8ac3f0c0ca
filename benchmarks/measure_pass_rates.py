"""How often a student's sampled replies to a prompt are right: K replies to each of n prompts.

    python benchmarks/measure_pass_rates.py models/SmolLM2-135M-Instruct ifeval \
        --raw data/ifeval --prompts 60 --samples 8 --max-new-tokens 256 --output base.ifeval.json

The variances that `make power` assumes without metrics files of one's own come from such files
(benchmarks/pass_rates/, docs/statistics.md has the table). A file holds, for each prompt, how many
of its K replies pass by the project's own scorer; no texts. Prompts are a seeded sample, the same
for every student. Replies are drawn at a plain temperature and top p; nothing of the student's
generation_config.json has a say but the tokens that end a reply.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from sftstudy.data.splits import ranked
from sftstudy.files.hashing import sha256_file, sha256_json
from sftstudy.tasks.registry import data_module, score_module

PROMPTS_AT_A_TIME = 14
Row = dict[str, Any]


def sample(rows: list[Row], count: int, seed: int) -> list[Row]:
    """Return a seeded sample of rows, in an order that does not depend on `count`."""
    chosen = ranked([row["id"] for row in rows], seed, "pass rates")[:count]
    by_id = {row["id"]: row for row in rows}
    return [by_id[name] for name in chosen]


def replies(arguments: argparse.Namespace, rows: list[Row]) -> Iterator[tuple[Row, list[str], int]]:
    """Yield each row with its K replies, and how many tokens these have together."""
    import torch

    from sftstudy.prediction.engine import decode, end_tokens
    from sftstudy.prediction.packed import pack
    from sftstudy.students.chat import load_tokenizer, render_prompt, token_ids
    from sftstudy.students.models import load_model

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    tokenizer = load_tokenizer(arguments.student, {})
    model = load_model(arguments.student, "float32", "sdpa").eval()
    pack(model)
    ends = sorted(end_tokens(arguments.student, tokenizer, {}))
    prompts = token_ids(tokenizer, [render_prompt(tokenizer, row["prompt"], {}) for row in rows])
    order = sorted(range(len(rows)), key=lambda index: len(prompts[index]))
    for start in range(0, len(order), PROMPTS_AT_A_TIME):
        batch = order[start : start + PROMPTS_AT_A_TIME]
        written = sampled(model, [prompts[index] for index in batch], ends, arguments)
        for index, mine in zip(batch, written, strict=True):
            yield rows[index], [decode(tokenizer, tokens) for tokens in mine], sum(map(len, mine))


def sampled(
    model: Any, prompts: list[list[int]], ends: list[int], arguments: argparse.Namespace
) -> list[list[list[int]]]:
    """Return K replies to each prompt, tokens without the one that ends them.

    A prompt is computed once for its replies, and replies that have ended leave the batch.
    """
    import torch
    from transformers import DynamicCache

    width, copies = max(map(len, prompts)), arguments.samples
    tokens = torch.tensor([[ends[0]] * (width - len(one)) + one for one in prompts])
    attention = torch.tensor([[0] * (width - len(one)) + [1] * len(one) for one in prompts])
    cache = DynamicCache(config=model.config)
    found: list[list[int]] = [[] for _ in range(len(prompts) * copies)]
    busy = list(range(len(found)))
    for step in range(arguments.max_new_tokens):
        with torch.inference_mode():
            logits = model(
                input_ids=tokens,
                attention_mask=attention,
                position_ids=(attention.cumsum(1) - 1).clamp(min=0)[:, -tokens.shape[1] :],
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[:, -1]
        if step == 0:
            cache.batch_repeat_interleave(copies)
            logits = logits.repeat_interleave(copies, dim=0)
            attention = attention.repeat_interleave(copies, dim=0)
        tokens = torch.multinomial(chances(logits, arguments.temperature, arguments.top_p), 1)
        for row, token in zip(busy, tokens[:, 0].tolist(), strict=True):
            found[row].append(token)
        kept = [place for place, row in enumerate(busy) if found[row][-1] not in ends]
        if not kept:
            break
        if len(kept) < len(busy):
            busy, index = [busy[place] for place in kept], torch.tensor(kept)
            cache.batch_select_indices(index)
            tokens, attention = tokens[index], attention[index]
        attention = torch.cat([attention, attention.new_ones(len(busy), 1)], dim=1)
    texts = [[token for token in reply if token not in ends] for reply in found]
    return [texts[start : start + copies] for start in range(0, len(texts), copies)]


def chances(logits: Any, temperature: float, top_p: float) -> Any:
    """Return the chances of the next tokens, shape (replies, vocabulary).

    Top p keeps the likeliest tokens up to the first with which they have that much together
    (Holtzman et al. 2020).
    """
    found = (logits / temperature).softmax(-1)
    if top_p == 1:
        return found
    ordered, places = found.sort(-1, descending=True)
    ordered[ordered.cumsum(-1) - ordered >= top_p] = 0
    return ordered.new_zeros(found.shape).scatter(-1, places, ordered)


def counted(name: str, row: Row, texts: list[str]) -> Row:
    """Return how many replies of a row pass, by every right-or-wrong outcome of the scorer."""
    scored = [score_module(name).outcomes(row, text) for text in texts]
    flags = [key for key, value in scored[0].items() if isinstance(value, bool)]
    return {"id": row["id"], **{key: sum(one[key] for one in scored) for key in flags}}


def weights_sha256(student: Path) -> str:
    """Return one hash of all weights of a checkpoint folder."""
    return sha256_json([sha256_file(file) for file in sorted(student.glob("*.safetensors"))])


def document(arguments: argparse.Namespace) -> Row:
    """Return what the file holds: the decoding, the origin, and the counts of every prompt."""
    import torch
    import transformers

    rows = sample(
        data_module(arguments.evalset).read(arguments.raw)["test"],
        arguments.prompts,
        arguments.seed,
    )
    began, items, tokens = time.process_time(), [], 0
    for row, texts, length in replies(arguments, rows):
        items.append(counted(arguments.evalset, row, texts))
        tokens += length
        print(f"{len(items)} of {len(rows)} prompts, {tokens} tokens", file=sys.stderr, flush=True)
    return {
        "student": arguments.name or arguments.student.name,
        "evalset": arguments.evalset,
        "prompts": len(rows),
        "samples": arguments.samples,
        "temperature": arguments.temperature,
        "top_p": arguments.top_p,
        "max_new_tokens": arguments.max_new_tokens,
        "seed": arguments.seed,
        "dtype": "float32",
        "task_version": score_module(arguments.evalset).VERSION,
        "weights_sha256": weights_sha256(arguments.student),
        "rows_sha256": sha256_json(rows),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "generated_tokens": tokens,
        "cpu_seconds": round(time.process_time() - began),
        "items": sorted(items, key=lambda item: item["id"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("student", type=Path, help="checkpoint folder")
    parser.add_argument("evalset", help="a control or a task, for example ifeval")
    parser.add_argument("--raw", type=Path, required=True, help="folder of the published rows")
    parser.add_argument("--prompts", type=int, default=60, help="how many (default: 60)")
    parser.add_argument("--samples", type=int, default=8, help="replies to each (default: 8)")
    parser.add_argument("--temperature", type=float, default=0.7, help="default: 0.7")
    parser.add_argument("--top-p", type=float, default=1.0, help="default: 1")
    parser.add_argument("--max-new-tokens", type=int, default=256, help="default: 256")
    parser.add_argument("--seed", type=int, default=0, help="of prompts and replies (default: 0)")
    parser.add_argument("--threads", type=int, default=1, help="default: 1")
    parser.add_argument("--name", help="of the student in the file (default: its folder's)")
    parser.add_argument("--output", type=Path, required=True, help="JSON to write")
    arguments = parser.parse_args()
    found = document(arguments)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join("  " + json.dumps(item) for item in found.pop("items"))
    head = json.dumps(found, indent=1)[:-2]
    arguments.output.write_text(f'{head},\n "items": [\n{lines}\n ]\n}}\n')


if __name__ == "__main__":
    main()
