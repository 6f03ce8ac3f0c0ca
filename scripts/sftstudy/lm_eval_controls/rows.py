"""What a task of lm-eval asks and measures, before any student is asked."""

import json
from typing import Any

from sftstudy.documents.lm_eval import Task, TaskMetric
from sftstudy.documents.rows import Message, Row
from sftstudy.errors import StudyError
from sftstudy.files.hashing import sha256_json
from sftstudy.lm_eval_controls.task import Asked, write_prompts
from sftstudy.tasks import lm_eval_yaml

SCHEMA = 1
_LONGEST_GROUP = 80  # characters; longer values, such as passages, are named by their hash


def rows(task: Any, asked: Asked) -> list[Row]:
    """Return a row for each document that is asked, with its prompt as messages.

    Without a chat template the prompt is one text, which stands as the user's. The id is lm-eval's
    number of the document.
    """
    write_prompts(task, asked, _as_json)
    chat = asked.chat(task)
    first = {request.doc_id: request for request in reversed(task.instances)}
    return [_row(task, request, asked, chat) for _, request in sorted(first.items())]


def describe(control: str, task: Any, asked: Asked) -> Task:
    """Return what a control measures; `StudyError` if nothing of it is a mean over documents."""
    file = lm_eval_yaml.find(asked.lm_eval)
    filters = [each.name for each in task._filters]  # lm-eval tells them nowhere else
    metrics = [_metric(task, name, by, filters[0]) for by in filters for name in task.aggregation()]
    primary = [m["name"] for m in metrics if m["mean"] and m["better"] == "higher"]
    if not primary:
        raise StudyError(
            f"{control}: no metric of the task {asked.lm_eval!r} of lm-eval "
            f"({', '.join(m['name'] for m in metrics)}) is a mean over its documents and better "
            "where it is higher, so that base and tuned cannot be compared document by document; "
            "choose another task"
        )
    return {
        "schema": SCHEMA,
        "control": control,
        "task": str(task.config.task),
        "version": str(task.VERSION),
        "lm_eval": lm_eval_yaml.installed_version(),
        "config_sha256": lm_eval_yaml.config_sha256(file),
        "output_type": str(task.OUTPUT_TYPE),
        "apply_chat_template": asked.chat(task),
        "num_fewshot": int(task.get_config("num_fewshot") or 0),
        "metrics": metrics,
        "primary": primary[0],
    }


def _metric(task: Any, metric: str, by_filter: str, first: str) -> TaskMetric:
    from lm_eval.api.metrics import mean, nanmean

    return {
        "name": lm_eval_yaml.metric_name(metric, by_filter, first),
        "metric": metric,
        "filter": by_filter,
        "better": "higher" if task.higher_is_better().get(metric, True) else "lower",
        "mean": task.aggregation()[metric] in (mean, nanmean),
    }


def _as_json(messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
    """Stand for a chat template: what it would be given, told again."""
    return json.dumps(messages)


def _row(task: Any, request: Any, asked: Asked, chat: bool) -> Row:
    name, text = str(request.doc_id), request.args[0]
    prompt: list[Message] = json.loads(text) if chat else [{"role": "user", "content": text}]
    return {
        "id": name,
        "group": _group(request.doc, asked) if asked.group else name,
        "prompt": prompt,
        "completion": [],
        "reference": {"target": str(task.doc_to_target(request.doc))},
    }


def _group(document: Any, asked: Asked) -> str:
    if asked.group not in document:
        raise StudyError(
            f"the documents of the task {asked.lm_eval!r} of lm-eval have no field "
            f"{asked.group!r} (`group` of the control); they have {', '.join(document)}"
        )
    text = str(document[asked.group])
    return text if len(text) <= _LONGEST_GROUP else sha256_json(text)[:16]
