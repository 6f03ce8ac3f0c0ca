"""Having lm-eval evaluate a checkpoint on one task: what came of each document, in one file."""

import importlib
import math
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sftstudy.documents.lm_eval import CHOSEN, Outcome
from sftstudy.documents.replies import DROPPED
from sftstudy.documents.rows import Scored, read_scored
from sftstudy.files.ledger import LEDGER
from sftstudy.files.writing import write_jsonl
from sftstudy.lm_eval_controls.lengths import Lengths, measure, overlong
from sftstudy.lm_eval_controls.task import OTHER_SEED, SEED, Asked, opened
from sftstudy.students.checkpoints import Watched, parameter_count, require_weights
from sftstudy.students.limits import require_positions
from sftstudy.tasks import lm_eval_yaml

# What lm-eval asks of a model, and an answer that says nothing.
_EMPTY = {"generate_until": "", "loglikelihood": (0.0, False), "loglikelihood_rolling": 0.0}


def evaluate(
    checkpoint: Path,
    raw: Path,
    data: Path,
    asked: Asked,
    generation: dict[str, Any],
    output: Path,
    gpus: int = 0,
    batch_size: int | None = None,
    eager: bool = False,
    drop_overlong: bool = False,
) -> None:
    """Write what lm-eval says of a checkpoint on every document of `data`.

    `generation` holds ``attention``, ``chat_template_kwargs``, ``dtype``, ``max_length`` and
    ``backend`` (hf or vllm). Prompts that are too long are an error, or with `drop_overlong` marked
    as dropped and not asked. Raises `StudyError` if `data` are not the documents of `raw`, or if
    the checkpoint is replaced meanwhile.
    """
    rows = read_scored(data)
    watched = Watched(checkpoint)
    require_weights(checkpoint)
    require_positions(checkpoint, generation["max_length"], str(checkpoint))
    with opened(asked, raw) as task:
        backend = importlib.import_module(f"sftstudy.lm_eval_controls.{generation['backend']}")
        began = time.monotonic()
        model = backend.model(checkpoint, generation, gpus, batch_size, eager)
        lengths = measure(rows, task, asked, model, data)
        dropped = overlong(lengths, generation["max_length"], drop_overlong, data)
        _ask_nothing_of(dropped, model)
        samples = _samples(task, asked, model, batch_size)
        lines = [_line(row, samples[row["id"]], task, model, row["id"] in dropped) for row in rows]
        watched.require_same()
    write_jsonl(output, lines)
    _note(checkpoint, generation, lengths, lines, gpus, model, time.monotonic() - began)


def _ask_nothing_of(dropped: list[str], model: Any) -> None:
    """Have a model asked nothing of these documents; to lm-eval its answers to them are empty.

    lm-eval would cut their prompts, and refuses an answer that alone is too long. To leave them out
    of the task would give other documents other examples, which are drawn one after the other.
    """
    for kind, empty in _EMPTY.items():
        setattr(model, kind, partial(_ask_others, getattr(model, kind), set(dropped), empty))


def _ask_others(
    ask: Callable[[list[Any]], list[Any]], dropped: set[str], empty: Any, requests: list[Any]
) -> list[Any]:
    asked = [request for request in requests if str(request.doc_id) not in dropped]
    answers = iter(ask(asked) if asked else [])
    return [empty if str(one.doc_id) in dropped else next(answers) for one in requests]


def _samples(task: Any, asked: Asked, model: Any, batch_size: int | None) -> dict[str, list[Any]]:
    """Return what lm-eval logs of each document, once for each filter of its replies."""
    from lm_eval.evaluator import simple_evaluate
    from lm_eval.tasks import TaskManager

    chat = asked.chat(task)
    results = simple_evaluate(
        model=model,
        tasks=[task],
        num_fewshot=asked.num_fewshot,
        limit=asked.limit,
        bootstrap_iters=0,  # intervals are computed where all are
        log_samples=True,
        apply_chat_template=chat,
        fewshot_as_multiturn=chat,
        task_manager=TaskManager(include_defaults=False),
        random_seed=SEED,
        numpy_random_seed=OTHER_SEED,
        torch_random_seed=OTHER_SEED,
        fewshot_random_seed=OTHER_SEED,
    )
    assert results is not None, "of the only process"
    found = defaultdict(list)
    for sample in results["samples"][task.task_name]:
        found[str(sample["doc_id"])].append(sample)
    return found


def _line(row: Scored, samples: list[Any], task: Any, model: Any, dropped: bool) -> Outcome:
    if dropped:
        return {"id": row["id"], "text": "", "finish_reason": DROPPED, "outcomes": {}}
    first = samples[0]["filter"]
    outcomes = {
        lm_eval_yaml.metric_name(name, sample["filter"], first): _plain(sample[name])
        for sample in samples
        for name in sample["metrics"]
    }
    text, reason = _reply(samples[0], task, model)
    return {
        "id": row["id"],
        "text": text,
        "finish_reason": reason,
        "outcomes": outcomes,
        "prompt_hash": samples[0]["prompt_hash"],
    }


def _reply(sample: Any, task: Any, model: Any) -> tuple[str, str]:
    """Return what the student said, and why it ended; of answers that were compared the likeliest.

    Where lm-eval compares nothing, and only asks how likely a text is, nothing was said.
    """
    responses = [each[0] for each in sample["resps"]]
    if task.OUTPUT_TYPE == "generate_until":
        arguments = sample["arguments"][0][1]
        most = int(arguments.get("max_gen_toks") or model.max_gen_toks)
        tokens = model.tok_encode(responses[0], add_special_tokens=False)
        # lm-eval does not tell why a reply ended.
        return responses[0], "length" if len(tokens) >= most else "stop"
    if task.OUTPUT_TYPE != "multiple_choice":
        return "", CHOSEN
    choices = task.doc_to_choice(sample["doc"])
    likelihoods = [likelihood for likelihood, _ in responses[: len(choices)]]
    return str(choices[likelihoods.index(max(likelihoods))]), CHOSEN


def _plain(value: Any) -> Any:
    """Return an outcome as JSON has it; null where it is not a number, as of an empty reply."""
    if hasattr(value, "tolist"):  # of numpy
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _note(
    checkpoint: Path,
    generation: dict[str, Any],
    lengths: Lengths,
    lines: list[Outcome],
    gpus: int,
    model: Any,
    seconds: float,
) -> None:
    """Enter what this has cost, and by what, into the record of this job."""
    written = (len(model.tok_encode(line["text"])) for line in lines if line["text"])
    tokens = sum(read for read, _ in lengths.values()) + sum(written)
    LEDGER.note(
        engine=f"lm-eval {lm_eval_yaml.installed_version()}, {generation['backend']}",
        dtype=generation["dtype"],
        replies=len(lines),
        generated_replies=len(lines),
        generated_tokens=tokens,
        gpu_seconds=round(seconds * max(1, gpus), 3),
        flops=2.0 * tokens * parameter_count(checkpoint),
    )
    print(f"{len(lines)} documents in {seconds:.0f} s", flush=True)
