"""The results of a study as its plan says they should be, and where each one lies."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sftstudy.documents.plan import Plan, read_plan
from sftstudy.documents.recommendation import Recommendation, read_recommendation
from sftstudy.study.layout import Layout
from sftstudy.study.variants import BASE

Cell = tuple[str, str, str]  # student, variant, evalset
Documents = Mapping[str, Recommendation | None]  # by student


@dataclass(frozen=True)
class Results:
    """A plan (see `sftstudy.study.plan`) and the folder with what came of it."""

    plan: Plan
    folder: Path

    @property
    def layout(self) -> Layout:
        return Layout(self.folder)

    @property
    def students(self) -> list[str]:
        return list(self.plan["students"])

    @property
    def tasks(self) -> list[str]:
        return self.plan["tasks"]

    @property
    def controls(self) -> list[str]:
        return self.plan["controls"]

    @property
    def confirm(self) -> list[str]:
        """Eval sets that are read once, after the choice."""
        return [f"{task}.test" for task in self.tasks]

    def trials(self) -> Iterator[tuple[str, str, str]]:
        """Yield every (student, task, trial) of the plan."""
        for student in self.students:
            for task in self.tasks:
                for trial in self.plan["trials"][student][task]:
                    yield student, task, trial

    def cells(self) -> Iterator[Cell]:
        """Yield every cell that the plan asks for, baselines first."""
        select = [f"{task}.val" for task in self.tasks]
        for student in self.students:
            for evalset in (*select, *self.controls, *self.confirm):
                yield student, BASE, evalset
        for student, task, trial in self.trials():
            for evalset in (f"{task}.val", *self.controls, *self.confirm):
                yield student, f"{task}/{trial}", evalset

    def replicates(self, documents: Documents) -> Iterator[tuple[str, str]]:
        """Yield every replicate, as (student, variant), that these recommendations ask for.

        Which there are is known once a configuration is chosen: the plan has none.
        """
        for student, document in documents.items():
            for run in (document.get("runs", []) if document else [])[1:]:
                for task in self.tasks:
                    yield student, f"{task}/{run['trial']}"

    def replicate_cells(self, documents: Documents) -> Iterator[Cell]:
        """Yield every cell of these replicates, which are asked what the choice did not need."""
        for student, variant in self.replicates(documents):
            for evalset in (*self.controls, *self.confirm):
                yield student, variant, evalset

    def checkpoint(self, student: str, variant: str) -> Path:
        return self.layout.checkpoint(student, variant)

    def predictions(self, cell: Cell) -> Path:
        return self.layout.predictions(*cell)

    def metrics(self, cell: Cell) -> Path:
        return self.layout.metrics(*cell)

    def has(self, cell: Cell) -> bool:
        """Return whether a cell was measured."""
        return self.metrics(cell).exists()

    def rows(self, evalset: str) -> Path:
        """Return the data file behind an eval set: a split of a task, or a control's prompts."""
        name, _, split = evalset.partition(".")
        return self.layout.rows(name, split or "test")

    def recommendation(self, student: str) -> Recommendation | None:
        """Return a student's recommendation, or None where there is none."""
        path = self.layout.recommendation(student)
        return read_recommendation(path) if path.exists() else None


def load(plan: Path, folder: Path) -> Results:
    """Return the results in `folder` of the study that the file `plan` describes."""
    return Results(read_plan(plan), folder)


def shown_configuration(recommendation: Recommendation | None) -> str | None:
    """Return the chosen configuration, or the least violating one, or None."""
    if recommendation is None:
        return None
    least = recommendation["least_violating"]
    return recommendation["chosen"] or (least["configuration"] if least else None)
