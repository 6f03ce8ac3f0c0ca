"""Task files with which lm-eval scores any model, through any of its backends, on our test splits.

A folder holds one ``{task}_sft.yaml`` per task and ``utils.py``, which finds the splits and this
library beside itself, wherever lm-eval is started.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sftstudy.documents.decoding import Decoding
from sftstudy.documents.rows import read_rows
from sftstudy.errors import StudyError
from sftstudy.files.writing import write_text
from sftstudy.statistics.metric import Metric
from sftstudy.tasks.registry import score_module, scoring_options
from sftstudy.tasks.task import Row

_UTILS = '''"""Rows and scores of this study's test splits. Written by the workflow: do not edit."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE / {library!r}))  # the scripts/ of the workflow

from sftstudy.exports import lm_eval_hooks  # noqa: E402

OPTIONS = {options!r}
process_results = lm_eval_hooks.process_results


def documents(task, **metadata):
    """Return the test split of a task."""
    file = HERE / {data!r} / task / "test.jsonl"
    return lm_eval_hooks.documents(task, file, OPTIONS[task])
'''
_HIGHER_IS_BETTER = {"higher": True, "lower": False, "neither": None}


def write(
    folder: Path,
    data: Path,
    library: Path,
    max_new_tokens: Mapping[str, int],
    options: Mapping[str, Mapping[str, Any]],
    decodings: Mapping[str, Decoding] | None = None,
) -> None:
    """Write the task files into `folder`.

    Args:
        folder: takes one YAML per task and utils.py.
        data: holds ``{task}/test.jsonl``.
        library: the folder ``scripts`` of the workflow.
        max_new_tokens: task -> most tokens of a reply, as in the study.
        options: task -> the options that the study scores it with. lm-eval runs anywhere: their
            paths are written as absolute ones.
        decodings: task -> how replies are drawn; greedy where it is not among them.
    """
    options = {task: _anywhere(task, options.get(task, {})) for task in max_new_tokens}
    for task, tokens in max_new_tokens.items():
        rows = read_rows(data / task / "test.jsonl")
        _check_prompts(task, rows)
        text = _task_file(task, rows[0], tokens, options[task], (decodings or {}).get(task))
        write_text(folder / f"{task}_sft.yaml", text)
    text = _UTILS.format(
        library=os.path.relpath(library, folder),
        data=os.path.relpath(data, folder),
        options=options,
    )
    write_text(folder / "utils.py", text)


def whole_sample_metrics(task: str, item: dict[str, Any]) -> dict[str, Metric]:
    """Return the metrics of a task that are a mean over all replies, without the original study's.

    `item` is one reply's outcomes. lm-eval averages replies; F1 over classes, and metrics over a
    part of the replies, stand in the study's own metrics files only.
    """
    metrics = score_module(task).metrics([{"id": "", "group": "", **item}])
    return {
        name: metric
        for name, metric in metrics.items()
        if metric.kind != "statistic" and not metric.where and not metric.legacy
    }


def _anywhere(task: str, values: Mapping[str, Any]) -> dict[str, Any]:
    given = scoring_options(task, values)
    return {k: str(v.resolve()) if isinstance(v, Path) else v for k, v in given.items()}


def _task_file(
    task: str,
    row: Row,
    max_new_tokens: int,
    options: Mapping[str, Any],
    decoding: Decoding | None,
) -> str:
    import yaml

    module = score_module(task)
    outcomes = module.outcomes(row, "", **scoring_options(task, options))
    document = {
        "task": f"{task}_sft",
        "dataset_kwargs": {"task": task},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "prompt",
        "doc_to_target": "target",
        "generation_kwargs": {"until": [], **_drawn(decoding), "max_gen_toks": max_new_tokens},
        "metric_list": [
            {
                "metric": name,
                "aggregation": "mean",
                "higher_is_better": _HIGHER_IS_BETTER[metric.better],
            }
            for name, metric in whole_sample_metrics(task, outcomes).items()
        ],
        "metadata": {"version": module.VERSION},
    }
    return (
        "# Written by the workflow: do not edit. Use it with --apply_chat_template.\n"
        + yaml.safe_dump(document, sort_keys=False)
        + "custom_dataset: !function utils.documents\n"
        + "process_results: !function utils.process_results\n"
    )


def _drawn(decoding: Decoding | None) -> dict[str, Any]:
    """Return how lm-eval draws a reply; one to each prompt, also where the study draws several."""
    if not decoding:
        return {"do_sample": False}
    return {
        "do_sample": True,
        "temperature": decoding["temperature"],
        "top_p": decoding["top_p"],
    }


def _check_prompts(task: str, rows: Sequence[Row]) -> None:
    """lm-eval's tasks have one text as prompt, which its chat template makes a user's message."""
    if not rows:
        raise StudyError(f"{task}: the test split holds no rows; prepare it again")
    for row in rows:
        roles = [message["role"] for message in row["prompt"]]
        if roles != ["user"]:
            raise StudyError(
                f"{task}: row {row['id']!r} has the messages {', '.join(roles)}; "
                "a task file of lm-eval can express one user message only"
            )
