"""The measured cells of a student's study: metrics files as aligned numbers, and what is missing.

The student is always the same, so that variant and eval set name a cell here. A cell without a
file, or whose file measured nothing, is missing: it has a reason and no number, and nothing stands
in for it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from sftstudy.documents.decoding import Decoding
from sftstudy.documents.metrics import Estimate, Metrics, Reviewed
from sftstudy.documents.provenance import Provenance
from sftstudy.documents.recipe import Recipe
from sftstudy.errors import StudyError
from sftstudy.statistics.clusters import group_codes
from sftstudy.study.variants import BASE

T = TypeVar("T")
ReadMetrics = Callable[[str, str], Metrics | None]
ReadProvenance = Callable[[str], Provenance | None]


@dataclass(frozen=True, eq=False)  # arrays have no truth value: compare by identity
class Scores:
    """One metric of one cell, row by row.

    `values` (n,) are the rows' outcomes in the order of `ids`, `groups` their groups; `estimate`
    is the metric's entry in the file, and of `unsure` rows the scorer could not decide (None: it
    always does). A rate of which a person has judged a part is worth `rows` effective ones; of
    `review` is what was judged.
    """

    variant: str
    evalset: str
    metric: str
    ids: list[str]
    groups: list[str]
    values: np.ndarray
    estimate: Estimate
    unsure: int | None
    rows: float | None = None
    review: Reviewed | None = None

    @property
    def value(self) -> float:
        """The metric's value."""
        value = self.estimate["value"]
        assert value is not None, "a cell without a value is missing"
        return value


class Cells:
    """Reads cells when they are asked for, each at most once, and remembers the missing ones.

    Args:
        read_metrics: (variant, evalset) -> the parsed metrics file, None where there is none.
        read_provenance: variant -> the parsed provenance of a checkpoint, None where there is none.
    """

    def __init__(self, read_metrics: ReadMetrics, read_provenance: ReadProvenance) -> None:
        self._read_metrics = read_metrics
        self._read_provenance = read_provenance
        self._documents: dict[tuple[str, str], Metrics | None] = {}
        self._scores: dict[tuple[str, str, str], Scores] = {}
        self._provenance: dict[str, Provenance | None] = {}
        self.missing: dict[tuple[str, str], str] = {}

    def scores(self, variant: str, evalset: str, metric: str | None = None) -> Scores | None:
        """Return a metric of a cell (default: its primary one); None where it is missing."""
        document = self._document(variant, evalset)
        if document is None:
            return None
        metric = metric or document["primary"]
        if (variant, evalset, metric) not in self._scores:
            scores = self._parse(document, variant, evalset, metric)
            if scores is None:
                self.missing[variant, evalset] = f"{metric} was measured on no row (n = 0)"
                return None
            self._scores[variant, evalset, metric] = scores
        return self._scores[variant, evalset, metric]

    def review(self, variant: str, evalset: str) -> Reviewed | None:
        """Return what a person has judged of a cell; None where that is nothing."""
        document = self._document(variant, evalset)
        return document.get("review") if document else None

    def measured(self, variant: str, evalset: str) -> bool:
        """Return whether there is a metrics file of a cell."""
        return self._document(variant, evalset) is not None

    def has(self, variant: str, evalset: str, metric: str) -> bool:
        """Return whether a cell that was measured holds a metric."""
        document = self._document(variant, evalset)
        return document is not None and metric in document["metrics"]

    @staticmethod
    def _parse(document: Metrics, variant: str, evalset: str, metric: str) -> Scores | None:
        where = f"metrics of {variant} on {evalset}"
        if metric not in document["metrics"]:
            raise StudyError(
                f"{where}: has no metric {metric!r}; it has {', '.join(document['metrics'])}; "
                "name one of them under `gates` in the study file, or score again"
            )
        entry = document["metrics"][metric]
        if not entry["n"] or entry["value"] is None:
            return None
        key = entry["outcome"] or metric
        try:
            rows = [
                (str(item["id"]), str(item["group"]), float(item[key]))
                for item in document["items"]
                if item[key] is not None
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise StudyError(
                f"{where}: cannot read outcome {key!r} of metric {metric!r} row by row "
                f"({error!r}); score again"
            ) from error
        if not rows:
            return None
        estimate: Estimate = {
            "value": entry["value"],
            "n": entry["n"],
            "se": entry["se"],
            "low": entry["low"],
            "high": entry["high"],
            "interval": entry["interval"],
        }
        ids, groups, values = zip(*rows, strict=True)
        return Scores(
            variant,
            evalset,
            metric,
            list(ids),
            list(groups),
            np.array(values),
            estimate,
            entry.get("unsure"),
            entry.get("rows"),
            document.get("review"),
        )

    def _document(self, variant: str, evalset: str) -> Metrics | None:
        key = (variant, evalset)
        if key not in self._documents:
            self._documents[key] = self._read_metrics(variant, evalset)
            if self._documents[key] is None:
                self.missing[key] = self._why_missing(variant)
        return self._documents[key]

    def _why_missing(self, variant: str) -> str:
        if variant == BASE:
            return "no metrics file: prediction or scoring of the baseline failed or has not run"
        if self.provenance(variant) is None:
            return "no checkpoint: training failed or has not run"
        return "no metrics file although there is a checkpoint: prediction or scoring failed"

    def provenance(self, variant: str) -> Provenance | None:
        """Return the provenance of a trial's checkpoint."""
        if variant not in self._provenance:
            self._provenance[variant] = self._read_provenance(variant)
        return self._provenance[variant]

    def dropped(self) -> dict[str, int]:
        """Return how many rows were too long to be asked, by eval set that was read, where any."""
        read = {evalset: file for (name, evalset), file in self._documents.items() if name == BASE}
        counts = {evalset: file.get("dropped", 0) for evalset, file in read.items() if file}
        return {evalset: count for evalset, count in counts.items() if count}

    def decodings(self) -> dict[str, Decoding]:
        """Return how replies were drawn, by eval set that was read, where not one greedy one."""
        read = {evalset: file for (name, evalset), file in self._documents.items() if name == BASE}
        found = {evalset: file.get("decoding") for evalset, file in read.items() if file}
        return {evalset: decoding for evalset, decoding in found.items() if decoding}

    def train_flops(self, variant: str) -> float | None:
        """Return the compute of training a trial, in FLOPs; None where it is not known."""
        provenance = self.provenance(variant)
        return None if provenance is None else float(provenance["train_flops"])

    def base_revision(self, variant: str) -> str | None:
        """Return the commit of the student that a trial started from; None where it has none."""
        provenance = self.provenance(variant)
        return None if provenance is None else provenance["base"]["revision"]

    def recipe(self, variant: str) -> Recipe | None:
        """Return the recipe that a trial was trained with."""
        provenance = self.provenance(variant)
        return None if provenance is None else provenance["recipe"]


def all_known(values: Iterable[T | None]) -> list[T] | None:
    """Return the values as a list; None where one of them is missing."""
    found = list(values)
    known = [value for value in found if value is not None]
    return known if len(known) == len(found) else None


def align(cells: Sequence[Scores]) -> tuple[np.ndarray, np.ndarray]:
    """Return values (n, k) of k cells on the same rows, and the rows' groups as codes (n,).

    Rows without an outcome in some cell are left out of all. Raises `StudyError` where two cells
    share too little to be of one eval set: files from before and after its rows changed.
    """
    first = cells[0]
    if all(cell.ids == first.ids for cell in cells):
        return np.array([cell.values for cell in cells]).T, group_codes(first.groups)
    common = set(first.ids)
    for cell in cells[1:]:
        shared = common & set(cell.ids)
        if len(shared) < 0.5 * min(len(common), len(cell.ids)):
            raise StudyError(
                f"metrics of {cell.variant} and {first.variant} on {cell.evalset}: only "
                f"{len(shared)} rows have the same id; the files belong to different versions of "
                "the eval set: predict and score again"
            )
        common = shared
    order = [identifier for identifier in first.ids if identifier in common]
    columns = []
    for cell in cells:
        by_id = dict(zip(cell.ids, cell.values, strict=True))
        columns.append([by_id[identifier] for identifier in order])
    groups = dict(zip(first.ids, first.groups, strict=True))
    return np.array(columns).T, group_codes([groups[identifier] for identifier in order])
