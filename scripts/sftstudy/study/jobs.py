"""What jobs of a study are told: their parameters, how they are started and what they read.

The rules ask these functions for plain values, so that a job's parameters change exactly when
something that matters to its output changes. Files are named as Snakemake has them, with
``<results>`` for the results folder.
"""

import itertools
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sftstudy.documents.decoding import Decoding
from sftstudy.documents.recipe import ModelRecipe, Recipe
from sftstudy.documents.reviews import file_of
from sftstudy.errors import StudyError
from sftstudy.study.faults import did_you_mean
from sftstudy.study.grid import Study
from sftstudy.study.layout import Layout
from sftstudy.study.names import trial_and_number
from sftstudy.tasks import lm_eval_yaml, registry

_RESULTS = Layout(Path("<results>"))
_GGUF = b"GGUF"  # the first bytes of such a file
_SEED_STEP = 1000  # between the seeds of a trial and its replicates
_SEEDS = 2**32  # how many there are: numpy takes no larger ones
_LORA_FIELDS = ("lora_r", "lora_alpha", "lora_dropout")


def as_json(value: Any, sort_keys: bool = True) -> str:
    """Return `value` as JSON. With sorted keys equal values are equal parameters of a job."""
    return json.dumps(value, sort_keys=sort_keys)


# -- sources and data -----------------------------------------------------------------------------


def sources(study: Study) -> dict[str, dict[str, Any]]:
    """Return the sources of the study's datasets and students, by name."""
    return {
        "datasets": {name: study.source(name) for name in study.datasets()},
        "students": {name: study.student(name)["source"] for name in study.models},
    }


def mirror_files(source: dict[str, Any], name: str) -> list[str]:
    """Return the files of a dataset's or student's local folder, if that is its source.

    Without hidden ones, which are not brought: git, for one, writes there when it is only asked.
    """
    folder = source.get("path")
    if not folder:
        return []
    inside = (file.relative_to(folder) for file in Path(folder).rglob("*") if file.is_file())
    shown = (file for file in inside if not any(part.startswith(".") for part in file.parts))
    files = sorted(str(Path(folder, file)) for file in shown)
    if not files:
        raise StudyError(
            f"{folder}: the source of {name} (its 'path') is no folder with files; a "
            "relative path starts where Snakemake runs"
        )
    for file in files:
        if "{" in file or "}" in file:
            raise StudyError(
                f"{file}: Snakemake takes the braces for a wildcard; rename the file, or take "
                f"it out of the folder of {name}"
            )
    return files


def gguf_file(study: Study, student: str) -> str:
    """Return the GGUF file that a student is made of.

    Raises `StudyError` unless it is there and begins as such files do.
    """
    file = study.student(student)["source"]["gguf"]
    if not Path(file).is_file():
        raise StudyError(
            f"{file}: the source of {student} (its 'gguf') is no file; a relative path starts "
            "where Snakemake runs"
        )
    with Path(file).open("rb") as handle:
        found = handle.read(len(_GGUF))
    if found != _GGUF:
        raise StudyError(
            f"{file}: the source of {student} (its 'gguf') is no GGUF file: it begins with "
            f"{found!r}, expected {_GGUF!r}; fetch it again (a pointer of Git LFS is not the file)"
        )
    return str(file)


def prepare_options(study: Study, dataset: str) -> list[str]:
    """Return how a dataset is split, as options of ``scripts/prepare.py``."""
    options = {"seed": study.config["seed"], "limit": study.config["limit"]}
    if dataset in study.tasks:
        options |= study.catalog["tasks"][dataset]["split"]
    return [f"--{key}={value}" for key, value in sorted(options.items()) if value is not None]


# -- training -------------------------------------------------------------------------------------


def recipe(study: Study, student: str, task: str, trial: str) -> Recipe:
    """Return every value that training a trial, or a replicate of one, uses: nothing is implicit.

    A replicate's recipe is its trial's but for the name and `training.seed`.
    """
    facts = study.student(student)
    trials = study.trials(student, task)
    name, number = trial_and_number(trial)
    if name not in trials:
        raise StudyError(
            f"{student}/{task} has no trial {trial!r}; the study file spans "
            f"{', '.join(trials)}.{did_you_mean(trial, trials)}"
        )
    if number > study.replicates:
        raise StudyError(
            f"{student}/{task} has no replicate {trial!r}; the study file says replicates: "
            f"{study.replicates}. To have it, say replicates: {number} there"
        )
    training = study.overridden("training", student, task) | trials[name]
    if number:
        training["seed"] = _replicate_seed(study, student, training["seed"], number)
    if "method" not in training:  # all weights are trained
        training = {k: v for k, v in training.items() if k not in _LORA_FIELDS}
    return {
        "student": student,
        "task": task,
        "trial": trial,
        "model": _model(facts),
        "training": dict(sorted(training.items())),
    }


def _replicate_seed(study: Study, student: str, seed: int, number: int) -> int:
    """Return the seed of a replicate: its trial's and a thousand per replicate.

    Seeds that some trial of the student has are left out, so that it differs from them all.
    """
    taken = {study.overridden("training", student, task)["seed"] for task in study.tasks}
    further = ((seed + _SEED_STEP * step) % _SEEDS for step in itertools.count(1))
    free = (candidate for candidate in further if candidate not in taken)
    return next(itertools.islice(free, number - 1, None))


def _model(facts: dict[str, Any]) -> ModelRecipe:
    return {
        "attention": facts["attention"],
        "chat_template_kwargs": facts["chat_template_kwargs"],
        "dtype": facts["dtype"],
        "max_length": facts["max_length"],
    }


def launcher(study: Study, student: str) -> str:
    """Return the command that starts training: accelerate where there is a file for it."""
    facts = study.student(student)
    if facts["accelerate"] is None:
        return "python"
    return (
        f"python scripts/on_gpus.py {facts['gpus']}"
        f" accelerate launch --config_file {shlex.quote(facts['accelerate'])}"
        f" --num_processes {max(1, facts['gpus'])}"
    )


# -- prediction and scoring -----------------------------------------------------------------------


def generation(study: Study, student: str) -> dict[str, Any]:
    """Return the values that generating with a student's checkpoints uses."""
    facts = study.student(student)
    values: dict[str, Any] = {**_model(facts)}
    # Named only where it is not the default, so that replies of hf stay what they are.
    name = engine(study, student)
    return values if name == "hf" else values | {"engine": name}


def engine(study: Study, student: str) -> str:
    """Return the name of the engine that generates with a student's checkpoints."""
    return study.student(student).get("engine", study.config["engine"])


def engine_file(study: Study, student: str) -> str:
    """Return the module of a student's engine, which `predict` imports by name."""
    return f"scripts/sftstudy/prediction/{engine(study, student)}.py"


def environment(
    study: Study, students: list[str], usual: str, vllm: str
) -> str | Callable[[Any], str]:
    """Return which of two conda environments the prediction jobs of these students take.

    It is a file where all take the same, else a function of a job's wildcards: of files alone
    Snakemake makes a recipe of a container.
    """
    files = {name: vllm if engine(study, name) == "vllm" else usual for name in students}
    if len(set(files.values())) > 1:
        return lambda wildcards: files[wildcards.student]
    return next(iter(files.values()), usual)


def predict_facts(study: Study, student: str) -> dict[str, Any]:
    """Return the facts of a student as a prediction job asks for resources.

    A server that runs elsewhere has GPUs of its own.
    """
    facts = study.student(student)
    elsewhere = engine(study, student) == "openai" and study.config["serve"] is None
    return facts | {"gpus": 0 if elsewhere or not facts["gpus"] else facts["predict_gpus"]}


def serving(study: Study) -> dict[str, Any]:
    """Return how replies are asked for: resources, no parameters, so that they rerun nothing.

    A job that runs for another reason generates anew if `serve` is another command.
    """
    return {
        "serve": study.config["serve"] or "",
        "requests": study.config["requests"],
        "eager": "--enforce-eager" if study.config["enforce_eager"] else "",
        "device": study.config["device"],
        "batch_size": study.config["batch_size"] or 0,
    }


def drop_overlong(study: Study) -> str:
    """Return the option by which programs leave out rows that are too long, or nothing."""
    return "--drop-overlong" if study.config["drop_overlong"] else ""


def max_new_tokens(study: Study, name: str) -> int:
    """Return the most tokens of a reply to a task or control."""
    block = study.catalog["tasks"].get(name) or study.catalog["controls"][name]
    return block["max_new_tokens"]


def decoding(study: Study, name: str) -> Decoding | None:
    """Return how the replies to a task or control are drawn; None: one greedy reply to a prompt."""
    block = study.catalog["tasks"].get(name) or study.catalog["controls"][name]
    if not block["temperature"]:
        return None
    return {
        "samples": block["samples"],
        "temperature": float(block["temperature"]),
        "top_p": float(block["top_p"]),
    }


def predict_decoding(study: Study, names: list[str]) -> list[str]:
    """Return how the replies to the eval sets of a suite are drawn, as an option of
    ``scripts/predict.py``; nothing where all are greedy."""
    found = [decoding(study, name) for name in names]
    return [f"--decoding={as_json(found)}"] if any(found) else []


def score_decoding(study: Study, name: str) -> list[str]:
    """Return the same of one task or control, as an option of ``scripts/score.py``."""
    found = decoding(study, name)
    return [f"--decoding={as_json(found)}"] if found else []


def lm_eval_decodings(study: Study) -> list[str]:
    """Return the same of all tasks, as an option of ``scripts/lm_eval_tasks.py``."""
    found = {task: drawn for task in study.tasks if (drawn := decoding(study, task))}
    return [f"--decodings={as_json(found)}"] if found else []


def lm_eval_asked(study: Study, control: str) -> dict[str, Any]:
    """Return what of the study determines the documents and prompts of a control from lm-eval.

    The study's own `limit` holds for it as for all; more documents than both allow are not asked.
    """
    block = study.catalog["controls"][control]
    limits = [limit for limit in (block["limit"], study.config["limit"]) if limit is not None]
    asked = {key: block[key] for key in ("lm_eval", "num_fewshot", "apply_chat_template", "group")}
    return {**asked, "limit": min(limits, default=None)}


def lm_eval_files(study: Study, control: str) -> list[str]:
    """Return the task file of the user's own with those that it names; none of lm-eval's own."""
    name = study.catalog["controls"][control]["lm_eval"]
    if not lm_eval_yaml.is_path(name):
        return []
    return [str(file) for file in lm_eval_yaml.files(lm_eval_yaml.find(name))]


def lm_eval_backend(study: Study, student: str) -> str:
    """Return the module by which lm-eval computes with a student's checkpoints.

    A server is no place for it: those of `openai` are loaded in the job, as by `hf`.
    """
    name = "vllm" if engine(study, student) == "vllm" else "hf"
    return f"scripts/sftstudy/lm_eval_controls/{name}.py"


def lm_eval_generation(study: Study, student: str) -> dict[str, Any]:
    """Return the values by which lm-eval computes with a student's checkpoints."""
    values: dict[str, Any] = {**_model(study.student(student))}
    return values | {"backend": Path(lm_eval_backend(study, student)).stem}


def lm_eval_facts(study: Study, student: str) -> dict[str, Any]:
    """Return the facts of a student as a job of lm-eval asks for resources."""
    facts = study.student(student)
    gpus = facts["predict_gpus"] if engine(study, student) == "vllm" else 1
    return facts | {"gpus": gpus if facts["gpus"] else 0}


def judgements(study: Study, control: str) -> list[str]:
    """Return the judge's replies that scoring a control reads (wildcards student, variant)."""
    if not judge(study, control):
        return []
    return [str(_RESULTS.judgements("{student}", "{variant}", control, "replies"))]


def reviews(study: Study, student: str, *controls: str) -> list[str]:
    """Return the file with a person's verdicts on a student's replies to controls, if there is one.

    By default on those to all controls of the study.
    """
    if not any(map(registry.can_be_judged, controls or study.controls)):
        return []
    file = file_of(student)
    return [str(file)] if file.is_file() else []


def score_replies(
    study: Study, control: str, judgements: list[str], reviews: list[str]
) -> list[str]:
    """Return how scoring a control is told of its replies, as options of ``scripts/score.py``: how
    they are drawn, and the files in which a judge and a person speak of them. Of what there is not
    it says nothing, so that nothing runs again."""
    options = score_decoding(study, control)
    for file in judgements:
        options += [f"--judgements={file}", f"--judge={as_json(judge(study, control))}"]
    for file in reviews:
        options += [f"--review={file}", f"--seed={study.config['seed']}"]
    return options


def judged_controls(study: Study) -> list[str]:
    """Return the controls of the study that a judge or a person can be asked about."""
    return [control for control in study.controls if registry.can_be_judged(control)]


def judge(study: Study, control: str) -> dict[str, str]:
    """Return who judges the replies to a control, and in which format; empty where nobody does."""
    if study.judge is None or not registry.can_be_judged(control):
        return {}
    return {"student": study.judge, "format": study.judge_format}


def judge_files(study: Study, control: str) -> list[str]:
    """Return the module of the judge's format, which programs import by name."""
    asked = judge(study, control)
    return [registry.judge_file(control, asked["format"])] if asked else []


def judge_generation(study: Study, control: str) -> dict[str, Any]:
    """Return the values that asking the judge uses: what it is asked about is quoted."""
    judged = judge(study, control)
    template = registry.judge_module(control, judged["format"]).CHAT_TEMPLATE
    values = generation(study, judged["student"]) | {"quotes": True}
    return values if template is None else values | {"chat_template": template}


def score_options(study: Study, name: str) -> dict[str, Any]:
    """Return the options that a task or control is scored with; those that are null are out."""
    block = study.catalog["tasks"].get(name) or study.catalog["controls"][name]
    given = {option.name: block.get(option.name) for option in registry.options(name)}
    return {key: value for key, value in given.items() if value is not None}
