"""Reading the study file: defaults filled in, and what its keys say held together."""

import copy
import math
import re
import unicodedata
from pathlib import Path
from typing import Any

from sftstudy.files.strict_yaml import Key, dotted
from sftstudy.study.faults import (
    EXPONENT,
    Origin,
    Places,
    did_you_mean,
    expectation,
    explained,
)
from sftstudy.study.schema import fill_defaults, schema, strict_validator
from sftstudy.tasks import registry

SPACES = ("space", "lora_space")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_WITHOUT = {
    "controls": "take it out of 'controls' (`controls: []` for a study without controls)",
    "judge": "leave 'judge' out",
}
_SUITES = ("select", "controls", "confirm")  # which records and logs of predictions are named by
_FREE_TEXT = ("chat_template_kwargs", "serve")
_LARGEST = 2**63 - 1
LEAST_TEMPERATURE = 0.01  # vLLM takes lower ones for this one


def validate(config: dict[str, Any], file: str, places: Places | None = None) -> dict[str, Any]:
    """Return a copy of `config` with every default filled in.

    Error messages name the file and line of `places`, where a key has one, else `file`. Raises
    `StudyError` for the first offending key: unknown, missing, of a wrong type or value, or a name
    without its block in the catalog.
    """
    from jsonschema.exceptions import best_match

    origin = Origin(file, places)
    config = copy.deepcopy(config)
    for block in _hyperparameter_blocks(config):
        _read_yaml_surprises(block)
    _refuse_odd_values(config, (), origin)
    error = best_match(strict_validator(schema()).iter_errors(config))
    if error is not None:
        raise explained(error, origin)
    fill_defaults(schema(), config)
    _check_names(config, origin)
    _check_decoding(config, origin)
    _check_space_values(config, origin)
    return config


def _refuse_odd_values(value: Any, key: Key, origin: Origin) -> None:
    """Raise `StudyError` for a number that no program can use, and for odd text.

    That is a line end, NUL or the like in any name, path or pattern. What a student's chat template
    is given may hold them, and so may a server's command.
    """
    if isinstance(value, dict):
        for name, child in value.items():
            _refuse_odd_values(name, key, origin)
            if name not in _FREE_TEXT:
                _refuse_odd_values(child, (*key, name), origin)
    elif isinstance(value, list):
        for child in value:
            _refuse_odd_values(child, key, origin)
    elif isinstance(value, float) and not math.isfinite(value):
        raise origin.error(key, f"found {value!r}; expected a finite number")
    elif isinstance(value, int) and abs(value) > _LARGEST:
        raise origin.error(key, f"found {value!r}; expected at most {_LARGEST}")
    elif isinstance(value, str) and any(unicodedata.category(c) == "Cc" for c in value):
        raise origin.error(
            key, f"found {value!r}; control characters, line ends among them, are not allowed"
        )


def _hyperparameter_blocks(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every space and ``training`` mapping of a study file not yet validated."""
    found, stack = [], [config]
    while stack:
        for key, value in stack.pop().items():
            if isinstance(value, dict):
                found += [value] if key in (*SPACES, "training") else []
                stack.append(value)
    return found


def _read_yaml_surprises(block: dict[str, Any]) -> None:
    """Mend what YAML 1.1 misreads: ``1e-5`` is text for want of a dot, ``off`` is false."""
    for key in ("prefix_sharing", "group_batches"):
        if block.get(key) is False:
            block[key] = "off"
    for key, value in block.items():
        if isinstance(value, list):
            block[key] = [_number(item) for item in value]
        else:
            block[key] = _number(value)


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, str) and EXPONENT.fullmatch(value) else value


def judge_student(config: dict[str, Any]) -> str | None:
    """Return the name of the student that judges, however the study file gives it."""
    judge = config["judge"]
    return judge["student"] if isinstance(judge, dict) else judge


def _check_names(config: dict[str, Any], origin: Origin) -> None:
    """Hold every name that the study file gives or uses to what there is."""
    for kind in ("students", "tasks", "controls"):
        _check_catalog(config, kind, origin)
        for name in config[kind]:
            _require_block(config, kind, kind, name, origin)
    judge = judge_student(config)
    if judge is not None:
        _require_block(config, "judge", "students", judge, origin)
    _check_case(config, origin)
    if ".." in Path(config["results"]).parts:
        raise origin.error(("results",), f"found {config['results']!r}; '..' is not allowed")
    blocks = config["catalog"]["controls"]
    controls = [*registry.CONTROLS, *(name for name in blocks if "lm_eval" in blocks[name])]
    for control in config["gates"]:
        if control not in controls:
            raise origin.error(
                ("gates", control),
                f"no such control; there are {', '.join(controls)}."
                f"{did_you_mean(control, controls)}",
            )
        _check_judged_by(config, control, origin)
    for name, student in config["catalog"]["students"].items():
        for task in set(student["tasks"]) - set(config["catalog"]["tasks"]):
            raise origin.error(
                ("catalog", "students", name, "tasks"),
                f"'{task}' has no block under catalog.tasks; described there are "
                f"{', '.join(config['catalog']['tasks'])}",
            )


def _check_judged_by(config: dict[str, Any], control: str, origin: Origin) -> None:
    """Raise `StudyError` for a gate that nobody can judge by whom it says."""
    gate, key = config["gates"][control], ("gates", control, "by")
    by, metric = gate.get("by", "rules"), gate["metric"]
    if metric.startswith("review_"):
        raise origin.error(
            ("gates", control, "metric"),
            f"found {metric!r}; write `metric: {metric.removeprefix('review_')}` and `by: review`",
        )
    block = config["catalog"]["controls"].get(control, {})
    if "always_" in metric and block.get("samples", 1) == 1 and registry.can_be_judged(control):
        raise origin.error(
            ("gates", control, "metric"),
            f"found {metric!r}, which is about several replies to a prompt; set `samples` of "
            f"catalog.controls.{control} above 1, or another metric",
        )
    if by == "rules" and metric.startswith("judge_") and judge_student(config) is None:
        raise origin.error(
            ("gates", control, "metric"),
            f"found {metric!r}, but the study has no judge; name a student as 'judge'",
        )
    if by == "rules":
        return
    if not registry.can_be_judged(control):
        raise origin.error(
            key,
            f"found {by!r}; replies to {control} are judged by its rules alone: leave 'by' out",
        )
    if metric.removeprefix("judge_") not in (rates := registry.judged_rates(control)):
        raise origin.error(
            ("gates", control, "metric"),
            f"found {metric!r} with `by: {by}`; what others than the rules can say is "
            f"{' or '.join(rates)}",
        )
    if by == "review" and metric.startswith("judge_"):
        raise origin.error(
            ("gates", control, "metric"),
            f"found {metric!r} with `by: review`; write `metric: {metric.removeprefix('judge_')}`",
        )
    if by == "judge" and judge_student(config) is None:
        raise origin.error(
            key,
            "found 'judge', but the study has none; name a student as 'judge', or leave 'by' out",
        )


def _check_catalog(config: dict[str, Any], kind: str, origin: Origin) -> None:
    known = {"tasks": registry.TASKS, "controls": registry.CONTROLS}
    for name in config["catalog"][kind]:
        if not _NAME.fullmatch(name):
            raise origin.error(
                ("catalog", kind, name),
                f"catalog.{kind}: the name {name!r} becomes a folder; use only letters, digits, "
                "'.', '_' and '-', beginning with a letter or digit",
                named=False,
            )
        if kind == "controls" and "lm_eval" in config["catalog"][kind][name]:
            _check_lm_eval(name, config["catalog"][kind][name], origin)
        elif kind in known and name not in known[kind]:
            raise origin.error(
                ("catalog", kind, name),
                f"not in scripts/sftstudy/tasks/registry.py; there are {', '.join(known[kind])}."
                f"{did_you_mean(name, known[kind])} A new one is made as docs/adding_a_task.md "
                "says",
            )
        if kind in known and "gguf" in config["catalog"][kind][name]["source"]:
            raise origin.error(
                ("catalog", kind, name, "source", "gguf"),
                "such a file holds a model; rows come from 'hub', 'path' or 'smoke'",
            )


def _check_lm_eval(name: str, block: dict[str, Any], origin: Origin) -> None:
    """Hold the name of a control from lm-eval, which is the user's, to what names others have."""
    key: Key = ("catalog", "controls", name)
    if name in (*registry.TASKS, *registry.CONTROLS) or "." in name or name in _SUITES:
        raise origin.error(
            key,
            "a control from lm-eval needs a name of its own, without '.': not that of a task or "
            f"control of this project, nor {', '.join(_SUITES)}; for example "
            f"lm_eval_{name.replace('.', '_')}",
        )
    if not {"hub", "path"} & set(block["source"]):
        kind = next(iter(block["source"]))
        raise origin.error(
            (*key, "source", kind), "documents of a task of lm-eval come from 'hub' or 'path'"
        )


def _require_block(config: dict[str, Any], key: str, kind: str, name: str, origin: Origin) -> None:
    """Raise `StudyError` unless the name that `key` gives has its block in the catalog."""
    catalog = config["catalog"][kind]
    if name not in catalog:
        raise origin.error(
            (key,),
            f"'{name}' has no block under catalog.{kind}; described there are "
            f"{', '.join(catalog) or 'none'}.{did_you_mean(name, catalog)} Describe it there, or "
            f"{_WITHOUT.get(key) or f'take it out of {key!r}'}",
        )


def _check_case(config: dict[str, Any], origin: Origin) -> None:
    """Raise `StudyError` for students whose folders are one where case does not count."""
    seen: dict[str, str] = {}
    for name in filter(None, [*config["students"], judge_student(config)]):
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise origin.error(
                ("catalog", "students", name),
                f"differs from catalog.students.{other} in upper and lower case only, and many "
                "file systems would take their folders for one; give one another name",
            )


def _check_decoding(config: dict[str, Any], origin: Origin) -> None:
    """Raise `StudyError` where replies are to be drawn at no temperature, or at too low a one."""
    for kind in ("tasks", "controls"):
        for name, block in config["catalog"][kind].items():
            key, temperature = ("catalog", kind, name), block.get("temperature", 0)
            if 0 < temperature < LEAST_TEMPERATURE:
                raise origin.error(
                    (*key, "temperature"),
                    f"found {temperature}; expected 0 (greedy) or at least {LEAST_TEMPERATURE}: "
                    "not every engine computes lower ones",
                )
            if temperature == 0 and block.get("samples", 1) > 1:
                raise origin.error(
                    (*key, "samples"),
                    f"found {block['samples']} at temperature 0, where all replies to a prompt are "
                    "the same; set 'temperature' beside it (for example 0.7), or leave it out",
                )
            if temperature == 0 and block.get("top_p", 1) < 1:
                raise origin.error(
                    (*key, "top_p"),
                    f"found {block['top_p']} at temperature 0, where nothing is drawn; set "
                    "'temperature' beside it (for example 0.7), or leave it out",
                )


def _check_space_values(config: dict[str, Any], origin: Origin) -> None:
    """Hold each value of each search space to the schema of the training field it sets."""
    blocks: dict[Key, dict[str, Any]] = {(): config}
    for name, student in config["catalog"]["students"].items():
        blocks["catalog", "students", name] = student
        for task, pair in student["tasks"].items():
            blocks["catalog", "students", name, "tasks", task] = pair
    spaces = {
        (*where, key): block.get(key, {}) for where, block in blocks.items() for key in SPACES
    }
    if not any(key in config for key in SPACES):
        raise origin.error((), "no search space: give 'space', 'lora_space' or both", named=False)
    fields = schema()["$defs"]["training"]["properties"]
    for key, space in spaces.items():
        for axis, values in space.items():
            for number, value in enumerate(values):
                for error in strict_validator(fields[axis]).iter_errors(value):
                    said = f"{dotted((*key, axis))}: found {value!r}; {expectation(error)}"
                    raise origin.error((*key, axis, number), said, named=False)
