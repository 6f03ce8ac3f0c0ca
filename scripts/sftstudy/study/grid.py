"""The grid of a study: which students, tasks, trials, variants and eval sets there are.

Everything here follows from the study file alone; no file is opened.
"""

import itertools
from collections.abc import Iterator
from typing import Any

from sftstudy.errors import StudyError
from sftstudy.study.faults import Origin, Places
from sftstudy.study.names import trial_and_number, trial_id
from sftstudy.study.validation import judge_student, validate
from sftstudy.study.variants import BASE, runs

Cell = tuple[str, str, str]  # student, variant, eval set


def _combinations(space: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Return every combination of the axes' values; none where there is no axis."""
    if not space:
        return []
    return [dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())]


def _collision(
    student: str, task: str, name: str, both: list[dict[str, Any]], origin: Origin
) -> StudyError:
    """Return the error of two trials of the same axes that would have one name."""
    first, second = (
        ", ".join(f"{axis} {value!r}" for axis, value in one.items() if other[axis] != value)
        for one, other in (both, both[::-1])
    )
    return origin.error(
        (),
        f"{student}, {task}: the configurations with {first} and with {second} would both be named "
        f"{name!r}; keep one, or choose values that differ in their first 15 digits",
        named=False,
    )


class Study:
    """A validated study file and the grid that follows from it."""

    def __init__(self, config: dict[str, Any], file: str, places: Places | None = None) -> None:
        self.config = validate(config, file, places)
        self.origin = Origin(file, places)
        self.root = "/".join(filter(None, [self.config["results"], self._settings()]))
        self.students: list[str] = self.config["students"]
        self.tasks: list[str] = self.config["tasks"]
        self.controls: list[str] = self.config["controls"]
        self.catalog: dict[str, Any] = self.config["catalog"]
        self.judge: str | None = judge_student(self.config)
        # Of a judge that is given by its name alone, today's question.
        judge = self.config["judge"]
        self.judge_format: str = judge["format"] if isinstance(judge, dict) else "words"
        self.replicates: int = self.config["replicates"]
        for facts in self.catalog["students"].values():
            self._override(facts)
        # Made once: every recipe of a large grid asks for them.
        self._trials = {
            (student, task): trials
            for student in self.students
            for task, trials in self._named(student, self.origin).items()
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

    def trials(self, student: str, task: str) -> dict[str, dict[str, Any]]:
        """Return the trials of a (student, task) pair: id -> value of each axis.

        First those of `space`, which train all weights, then those of `lora_space`. The latter name
        their method and their rank, whether it is an axis or not.
        """
        return self._trials[student, task]

    def _named(self, student: str, origin: Origin) -> dict[str, dict[str, dict[str, Any]]]:
        """Return the trials of a student by task and name.

        Raises `StudyError` where two that differ would have one name, be it on two tasks: the name
        stands for one configuration.
        """
        named: dict[str, dict[str, Any]] = {}
        by_task: dict[str, dict[str, dict[str, Any]]] = {}
        for task in self.tasks:
            by_task[task] = {}
            for values in self._combined(student, task):
                name = trial_id(values)
                if (other := named.setdefault(name, values)) != values:
                    raise _collision(student, task, name, [other, values], origin)
                by_task[task][name] = values
        return by_task

    def _combined(self, student: str, task: str) -> list[dict[str, Any]]:
        grid = _combinations(self.overridden("space", student, task))
        rank = self.overridden("training", student, task)["lora_r"]
        return grid + [
            {"method": "lora", "lora_r": rank} | values
            for values in _combinations(self.overridden("lora_space", student, task))
        ]

    def overridden(self, block: str, student: str, task: str) -> dict[str, Any]:
        """Return a block of the study file with what student and pair replace in it."""
        facts = self.catalog["students"][student]
        layers = (self.config, facts, facts["tasks"].get(task, {}))
        return {key: value for layer in layers for key, value in layer.get(block, {}).items()}

    def variants(self, student: str) -> list[str]:
        """Return ``base`` and every ``{task}/{trial}`` of a student."""
        return [BASE] + [
            f"{task}/{trial}" for task in self.tasks for trial in self.trials(student, task)
        ]

    def replicates_of(self, configuration: str | None) -> list[str]:
        """Return the variants that are trained once `configuration` is chosen; none without one."""
        if configuration is None:
            return []
        of_tasks = (runs(task, configuration, self.replicates)[1:] for task in self.tasks)
        return [variant for variants in of_tasks for variant in variants]

    def possible_replicates(self, student: str) -> list[str]:
        """Return the replicates of all configurations, while any of them may be chosen."""
        of_trials = (
            runs(task, trial, self.replicates)[1:]
            for task in self.tasks
            for trial in self.trials(student, task)
        )
        return [variant for variants in of_trials for variant in variants]

    def select_evalsets(self, variant: str) -> list[str]:
        """Return the eval sets of the `select` suite: the val split of the task trained on.

        A replicate has none: when it is trained, the choice has been made.
        """
        if trial_and_number(variant)[1]:
            return []
        return [
            f"{task}.val"
            for task in self.tasks
            if variant == BASE or variant.startswith(f"{task}/")
        ]

    @property
    def confirm_evalsets(self) -> list[str]:
        """Return the eval sets of the `confirm` suite: the test split of every task."""
        return [f"{task}.test" for task in self.tasks]

    def evalsets(self, variant: str) -> list[str]:
        """Return every eval set of a variant, in the order select, controls, confirm."""
        return self.select_evalsets(variant) + self.controls + self.confirm_evalsets

    @property
    def lm_eval_controls(self) -> list[str]:
        """The controls that are tasks of lm-eval, which asks them itself, one a job."""
        return [name for name in self.controls if "lm_eval" in self.catalog["controls"][name]]

    @property
    def own_controls(self) -> list[str]:
        """The controls of this project: what the `controls` suite asks."""
        return [name for name in self.controls if name not in self.lm_eval_controls]

    def cells(self, *students: str) -> Iterator[Cell]:
        """Yield every cell of students, a student's variants one after the other."""
        for student in students:
            for variant in self.variants(student):
                for evalset in self.evalsets(variant):
                    yield student, variant, evalset

    # -- facts of the catalog ---------------------------------------------------------------------

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

    @property
    def models(self) -> list[str]:
        """The students of the study and the judge: all models that are fetched."""
        return list(dict.fromkeys([*self.students, *filter(None, [self.judge])]))

    def models_of(self, kind: str) -> list[str]:
        """Return the models of the study whose source is of a kind."""
        return [name for name in self.models if kind in self.student(name)["source"]]
