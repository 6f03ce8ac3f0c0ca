"""The grid of a study: which students, tasks and trials there are, and what each job needs to know.

Everything here follows from the study file alone; no file is opened. Snakemake's rules ask this
module for plain values, so that a job's parameters change exactly when something that matters to
its output changes.
"""

import itertools
import json
import re
import shlex
from pathlib import Path
from typing import Any

from sftstudy.errors import StudyError
from sftstudy.study.validation import did_you_mean, validate
from sftstudy.tasks import registry

_ABBREVIATIONS = {
    "learning_rate": "lr",
    "num_train_epochs": "ep",
    "per_device_train_batch_size": "bs",
    "gradient_accumulation_steps": "ga",
    "lora_r": "lora",
    "lora_alpha": "alpha",
    "lora_dropout": "dropout",
}
_LORA_FIELDS = ("lora_r", "lora_alpha", "lora_dropout")


# What names of trials are made of; a target that is typed in may hold nothing else either.
TRIAL = "[A-Za-z0-9._+-]+"


def trial_id(values: dict[str, Any]) -> str:
    """Return the name of a trial: ``lr1e-05_ep3_bs4``, or with LoRA ``lora16_lr0.0002_ep3_bs4``."""
    parts = []
    for axis, value in values.items():
        if axis == "method":
            continue  # the rank says it
        text = value if isinstance(value, str) else f"{value:g}"
        name = _ABBREVIATIONS.get(axis, f"{axis}-")
        parts.append(f"{name}{text}")
    return "_".join(parts)


def as_json(value: Any, sort_keys: bool = True) -> str:
    """Return `value` as JSON. With sorted keys equal values are equal parameters of a job."""
    return json.dumps(value, sort_keys=sort_keys)


def one_of(names: list[str]) -> str:
    """Return a regular expression that matches exactly these names (none: nothing at all)."""
    return f"(?:{'|'.join(map(re.escape, names))})" if names else "(?!)"


def _combinations(space: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Return every combination of the axes' values; none where there is no axis."""
    if not space:
        return []
    return [dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())]


class Study:
    """A validated study file and the grid that follows from it."""

    def __init__(self, config: dict[str, Any], file: str) -> None:
        self.config = validate(config, file)
        self.root = "/".join(filter(None, [self.config["results"], self._settings()]))
        self.students: list[str] = self.config["students"]
        self.tasks: list[str] = self.config["tasks"]
        self.controls: list[str] = self.config["controls"]
        self.catalog: dict[str, Any] = self.config["catalog"]
        self.judge: str | None = self.config["judge"]
        for facts in self.catalog["students"].values():
            self._override(facts)
        # Made once: every recipe of a large grid asks for them.
        self._trials = {
            pair: self._combined(*pair) for pair in itertools.product(self.students, self.tasks)
        }

    def _settings(self) -> str:
        """Return the folder below ``results`` of a study whose command line changes its results."""
        keys = ("limit", "dtype", "max_length")
        return "_".join(f"{key}-{self.config[key]}" for key in keys if self.config[key] is not None)

    def _override(self, student: dict[str, Any]) -> None:
        """Write what holds for all students into the block of one."""
        student |= {
            key: self.config[key] for key in ("dtype", "max_length") if self.config[key] is not None
        }
        if self.config["device"] in ("cpu", "mps"):
            student |= {"gpus": 0, "accelerate": None}

    # -- the grid ---------------------------------------------------------------------------

    def trials(self, student: str, task: str) -> dict[str, dict[str, Any]]:
        """Return the trials of a (student, task) pair: id -> value of each axis.

        First those of `space`, which train all weights, then those of `lora_space`. The latter name
        their method and their rank, whether it is an axis or not.
        """
        return self._trials[student, task]

    def _combined(self, student: str, task: str) -> dict[str, dict[str, Any]]:
        grid = _combinations(self._overridden("space", student, task))
        rank = self._overridden("training", student, task)["lora_r"]
        grid += [
            {"method": "lora", "lora_r": rank} | values
            for values in _combinations(self._overridden("lora_space", student, task))
        ]
        return {trial_id(values): values for values in grid}

    def _overridden(self, block: str, student: str, task: str) -> dict[str, Any]:
        """Return a block of the study file with what student and pair replace in it."""
        facts = self.catalog["students"][student]
        layers = (self.config, facts, facts["tasks"].get(task, {}))
        return {key: value for layer in layers for key, value in layer.get(block, {}).items()}

    def variants(self, student: str) -> list[str]:
        """Return ``base`` and every ``{task}/{trial}`` of a student."""
        return ["base"] + [
            f"{task}/{trial}" for task in self.tasks for trial in self.trials(student, task)
        ]

    def select_evalsets(self, variant: str) -> list[str]:
        """Return the eval sets of the `select` suite: the val split of the task trained on."""
        return [
            f"{task}.val"
            for task in self.tasks
            if variant == "base" or variant.startswith(f"{task}/")
        ]

    @property
    def confirm_evalsets(self) -> list[str]:
        """Return the eval sets of the `confirm` suite: the test split of every task."""
        return [f"{task}.test" for task in self.tasks]

    def evalsets(self, variant: str) -> list[str]:
        """Return every eval set of a variant, in the order select, controls, confirm."""
        return self.select_evalsets(variant) + self.controls + self.confirm_evalsets

    # -- what jobs need to know ---------------------------------------------------------------

    def student(self, name: str) -> dict[str, Any]:
        """Return the facts of a student."""
        return self.catalog["students"][name]

    def source(self, name: str) -> dict[str, Any]:
        """Return the source of a task or control."""
        return (self.catalog["tasks"].get(name) or self.catalog["controls"][name])["source"]

    def datasets(self, kind: str | None = None) -> list[str]:
        """Return the tasks and controls of the study whose source is of a kind (default: all)."""
        return [
            name for name in self.tasks + self.controls if kind is None or kind in self.source(name)
        ]

    def students_of(self, kind: str) -> list[str]:
        """Return the students of the study, the judge included, whose source is of a kind."""
        return [name for name in self.models if kind in self.student(name)["source"]]

    @property
    def models(self) -> list[str]:
        """Return the students of the study and the judge: all models that are fetched."""
        return list(dict.fromkeys([*self.students, *filter(None, [self.judge])]))

    def judgements(self, control: str) -> list[str]:
        """Return the judge's replies that scoring a control reads (wildcards student, variant)."""
        if self.judge is None or not registry.can_be_judged(control):
            return []
        return [f"<results>/judgements/{{student}}/{{variant}}/{control}/replies.jsonl"]

    def sources(self) -> dict[str, dict[str, Any]]:
        """Return the sources of the study's datasets and students, by name."""
        return {
            "datasets": {name: self.source(name) for name in self.datasets()},
            "students": {name: self.student(name)["source"] for name in self.models},
        }

    def mirror_files(self, dataset: str) -> list[str]:
        """Return the files of a dataset's local mirror, if that is its source."""
        folder = self.source(dataset).get("path")
        if not folder:
            return []
        files = sorted(str(file) for file in Path(folder).rglob("*") if file.is_file())
        if not files:
            raise StudyError(
                f"{folder}: the source of {dataset} (its 'path') is no folder with files; a "
                "relative path starts where Snakemake runs"
            )
        for file in files:
            if "{" in file or "}" in file:
                raise StudyError(
                    f"{file}: Snakemake takes the braces for a wildcard; rename the file, or take "
                    f"it out of the folder of {dataset}"
                )
        return files

    def prepare_options(self, dataset: str) -> list[str]:
        """Return how a dataset is split, as options of ``scripts/prepare.py``."""
        options = {"seed": self.config["seed"], "limit": self.config["limit"]}
        if dataset in self.tasks:
            options |= self.catalog["tasks"][dataset]["split"]
        return [f"--{key}={value}" for key, value in sorted(options.items()) if value is not None]

    def recipe(self, student: str, task: str, trial: str) -> dict[str, Any]:
        """Return every value that training one trial uses, resolved, nothing implicit."""
        facts = self.student(student)
        trials = self.trials(student, task)
        if trial not in trials:
            raise StudyError(
                f"{student}/{task} has no trial {trial!r}; the study file spans "
                f"{', '.join(trials)}.{did_you_mean(trial, trials)}"
            )
        training = self._overridden("training", student, task) | trials[trial]
        if "method" not in training:  # all weights are trained
            training = {k: v for k, v in training.items() if k not in _LORA_FIELDS}
        return {
            "student": student,
            "task": task,
            "trial": trial,
            "model": {
                key: facts[key]
                for key in ("attention", "chat_template_kwargs", "dtype", "max_length")
            },
            "training": dict(sorted(training.items())),
        }

    def launcher(self, student: str) -> str:
        """Return the command that starts training: accelerate where there is a file for it."""
        facts = self.student(student)
        if facts["accelerate"] is None:
            return "python"
        return (
            f"python scripts/on_gpus.py {facts['gpus']}"
            f" accelerate launch --config_file {shlex.quote(facts['accelerate'])}"
            f" --num_processes {max(1, facts['gpus'])}"
        )

    def generation(self, student: str) -> dict[str, Any]:
        """Return the values that generating with a student's checkpoints uses."""
        facts = self.student(student)
        keys = ("attention", "chat_template_kwargs", "dtype", "max_length")
        values = {key: facts[key] for key in keys}
        # Named only where it is not the default, so that replies of hf stay what they are.
        return values if self.engine(student) == "hf" else values | {"engine": self.engine(student)}

    def engine(self, student: str) -> str:
        """Return the name of the engine that generates with a student's checkpoints."""
        return self.student(student).get("engine", self.config["engine"])

    def engine_file(self, student: str) -> str:
        """Return the module of a student's engine, which `predict` imports by name."""
        return f"scripts/sftstudy/prediction/{self.engine(student)}.py"

    def predict_gpus(self, student: str) -> int:
        """Return the GPUs of a prediction job; a server that runs elsewhere has its own."""
        facts = self.student(student)
        elsewhere = self.engine(student) == "openai" and self.config["serve"] is None
        return 0 if elsewhere or not facts["gpus"] else facts["predict_gpus"]

    def predict_facts(self, student: str) -> dict[str, Any]:
        """Return the facts of a student as a prediction job asks for resources."""
        return self.student(student) | {"gpus": self.predict_gpus(student)}

    def max_new_tokens(self, name: str) -> int:
        """Return the most tokens of a reply to a task or control."""
        block = self.catalog["tasks"].get(name) or self.catalog["controls"][name]
        return block["max_new_tokens"]

    def score_options(self, name: str) -> dict[str, Any]:
        """Return the options that a task or control is scored with; those that are null are out."""
        block = self.catalog["tasks"].get(name) or self.catalog["controls"][name]
        given = {option.name: block.get(option.name) for option in registry.options(name)}
        return {key: value for key, value in given.items() if value is not None}

    # -- files of students ------------------------------------------------------------------------

    def checkpoint_folders(self, *students: str) -> list[str]:
        """Return the checkpoint of every variant."""
        return [
            f"<results>/checkpoints/{student}/{variant}"
            for student in students
            for variant in self.variants(student)
        ]

    def predictions_files(self, *students: str) -> list[str]:
        """Return the predictions of every variant on every one of its eval sets."""
        return [
            f"<results>/predictions/{student}/{variant}/{evalset}.jsonl"
            for student in students
            for variant in self.variants(student)
            for evalset in self.evalsets(variant)
        ]

    def retained_files(self) -> list[str]:
        """Return the targets that remove weights which need not stay, one per student."""
        if self.config["keep"] == "all":
            return []
        return [f"<results>/retained/{student}.json" for student in self.students]

    def metrics_files(self, *students: str) -> list[str]:
        """Return the metrics of every variant on every one of its eval sets."""
        return [
            f"<results>/metrics/{student}/{variant}/{evalset}.json"
            for student in students
            for variant in self.variants(student)
            for evalset in self.evalsets(variant)
        ]

    # -- what summaries need to know ------------------------------------------------------------

    def plan(self) -> dict[str, Any]:
        """Return what the tables and the report need to know of the study, as plain JSON."""
        return {
            "study": self.config["study"],
            "students": {name: {"source": self.student(name)["source"]} for name in self.students},
            "tasks": self.tasks,
            "controls": self.controls,
            "trials": {name: self._trial_ids(name) for name in self.students},
            **{key: self.config[key] for key in ("space", "lora_space") if key in self.config},
            "gates": self._gates(),
            "limit": self.config["limit"],
            "seed": self.config["seed"],
        }

    def recommendation_plan(self, student: str) -> dict[str, Any]:
        """Return what the recommendation for one student needs to know, whoever else is studied."""
        source = self.student(student)["source"]
        return {
            "student": student,
            "source": source.get("hub")
            or source.get("path")
            or f"{self.root}/checkpoints/{student}/base",
            "tasks": self.tasks,
            "controls": self.controls,
            "trials": self._trial_ids(student),
            "gates": self._gates(),
            "seed": self.config["seed"],
            "resamples": 10_000,
        }

    def _trial_ids(self, student: str) -> dict[str, list[str]]:
        return {task: list(self.trials(student, task)) for task in self.tasks}

    def _gates(self) -> dict[str, Any]:
        gates = self.config["gates"]
        return {control: gate for control, gate in gates.items() if control in self.controls}
