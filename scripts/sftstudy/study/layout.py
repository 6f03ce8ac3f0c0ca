"""Every path below a results folder.

The rules in ``rules/`` write the same paths as patterns, where a reader of the workflow looks for
them; a test holds each against this module.
"""

from dataclasses import dataclass
from pathlib import Path

from sftstudy.records import lineage

_SUFFIXES = (".json", ".jsonl", ".yaml")


@dataclass(frozen=True)
class Layout:
    """The paths below `root`.

    A `variant` is ``base`` or ``{task}/{trial}``, an `evalset` is ``{task}.val``, ``{task}.test``
    or the name of a control.
    """

    root: Path

    # -- data -------------------------------------------------------------------------------------

    def raw(self, dataset: str) -> Path:
        """Return the folder of a dataset as its publisher gives it."""
        return self.root / "raw" / dataset

    def rows(self, dataset: str, split: str) -> Path:
        """Return the rows of a split of a task; the prompts of a control are its ``test``."""
        return self.root / "data" / dataset / f"{split}.jsonl"

    def lengths(self, task: str, student: str) -> Path:
        """Return how many tokens the rows of a task have for a student."""
        return self.root / "data" / task / "lengths" / f"{student}.json"

    def fits(self, dataset: str, student: str) -> Path:
        """Return which rows of a dataset's eval sets leave a student no room for a reply."""
        return self.root / "data" / dataset / "fits" / f"{student}.json"

    def lm_eval_control(self, control: str) -> Path:
        """Return what a control from lm-eval measures."""
        return self.root / "data" / control / "task.json"

    def card(self, task: str) -> Path:
        """Return the description of a task's data."""
        return self.root / "data" / task / "card.json"

    def duplicates(self, task: str) -> Path:
        """Return which rows of a task occur in another of its splits too."""
        return self.root / "data" / task / "duplicates.json"

    # -- trials -----------------------------------------------------------------------------------

    def recipe(self, student: str, task: str, trial: str) -> Path:
        """Return the file with every value of one training."""
        return self.root / "recipes" / student / task / f"{trial}.yaml"

    def checkpoint(self, student: str, variant: str) -> Path:
        """Return the folder of a checkpoint; of ``base``, the student as published."""
        return self.root / "checkpoints" / student / variant

    def predictions(self, student: str, variant: str, evalset: str) -> Path:
        """Return the replies to an eval set."""
        return self.root / "predictions" / student / variant / f"{evalset}.jsonl"

    def judgements(self, student: str, variant: str, control: str, stage: str) -> Path:
        """Return what the judge is asked (`stage` ``questions``) and what it says (``replies``)."""
        return self.root / "judgements" / student / variant / control / f"{stage}.jsonl"

    def metrics(self, student: str, variant: str, evalset: str) -> Path:
        """Return the scores of the replies to an eval set."""
        return self.root / "metrics" / student / variant / f"{evalset}.json"

    # -- summaries --------------------------------------------------------------------------------

    def choice(self, student: str) -> Path:
        """Return which configuration is chosen; its replicates are trained after that."""
        return self.root / "choices" / f"{student}.json"

    def recommendation(self, student: str, suffix: str = "json") -> Path:
        """Return the recommendation; with another `suffix` its page (``md``) or a run file."""
        return self.root / "recommendations" / f"{student}.{suffix}"

    def retained(self, student: str) -> Path:
        """Return which checkpoints have kept their weights."""
        return self.root / "retained" / f"{student}.json"

    @property
    def plan(self) -> Path:
        """What the study consists of."""
        return self.root / "plan.json"

    def table(self, name: str, suffix: str) -> Path:
        """Return a table as ``html``, ``csv`` or ``json``."""
        return self.root / "tables" / f"{name}.{suffix}"

    def figure(self, name: str) -> Path:
        """Return a figure."""
        return self.root / "figures" / f"{name}.svg"

    @property
    def report(self) -> Path:
        """The page that people read."""
        return self.root / "report" / "index.html"

    def review(self, student: str, suffix: str) -> Path:
        """Return what a person judges replies on: a page (``html``), or a sheet (``csv``)."""
        return self.root / "review" / f"{student}.{suffix}"

    # -- for other tools --------------------------------------------------------------------------

    def model_cards(self, student: str) -> Path:
        """Return the folder of the model cards of a student's checkpoints."""
        return self.root / "model_cards" / student

    def lm_eval_task(self, name: str) -> Path:
        """Return a file that lm-eval reads."""
        return self.root / "lm_eval_tasks" / name

    # -- around jobs ------------------------------------------------------------------------------

    @property
    def records(self) -> Path:
        """What jobs note about themselves."""
        return self.root / lineage.FOLDER

    def record(self, output: Path) -> Path:
        """Return the record of the job that makes `output`.

        It lies as the output does. A prediction makes several outputs, and its record is named by
        the suite: ``record(predictions(student, variant, suite))``.
        """
        return self.records / f"{self._job(output)}.json"

    def log(self, output: Path) -> Path:
        """Return the log of the job that makes `output`, which lies as its record does."""
        return self.root / "logs" / f"{self._job(output)}.log"

    def _job(self, output: Path) -> Path:
        path = output.relative_to(self.root)
        # Not `with_suffix`: a checkpoint has none, but may have a point in its name.
        return path.with_name(path.stem) if path.suffix in _SUFFIXES else path

    @property
    def scratch(self) -> Path:
        """Saved states of trainings that are not finished."""
        return self.root / "scratch"

    @property
    def tracking(self) -> Path:
        """What trackers of trainings write."""
        return self.root / "tracking"
