"""Which figures there are; imported by the workflow's rules, so nothing heavy here."""

from dataclasses import dataclass

_SPLITS = {  # what a figure shows
    "gains": "test",
    "forgetting": "test",
    "effects": "val",
    "parallel": "val",
    "pareto": "val",
    "cost": "val",
    "trials": "val",
    "curves": "train",
}


@dataclass(frozen=True)
class Figure:
    """One figure: its file name without suffix, what it shows and of whom.

    Attributes:
        source: The table it is drawn from.
    """

    kind: str
    source: str
    student: str = ""
    task: str = ""

    @property
    def name(self) -> str:
        return "/".join(part for part in (self.kind, self.student, self.task) if part)

    @property
    def labels(self) -> dict[str, str]:
        """What `snakemake --report` lists the figure by."""
        return {
            "figure": self.kind,
            "student": self.student or "all",
            "task": self.task or "all",
            "configuration": "chosen" if self.kind in ("gains", "forgetting") else "all",
            "split": _SPLITS[self.kind],
        }


def figures(students: list[str], tasks: list[str]) -> list[Figure]:
    """Return every figure of a study; the file of each is ``{name}.svg``."""
    found = [Figure("gains", "forgetting")]
    for student in students:
        found += [
            Figure("forgetting", "forgetting", student),
            Figure("effects", "effects", student),
            Figure("parallel", "configurations", student),
            Figure("pareto", "configurations", student),
            Figure("cost", "configurations", student),
            Figure("curves", "curves", student),
        ]
        found += [Figure("trials", "metrics", student, task) for task in tasks]
    return found
