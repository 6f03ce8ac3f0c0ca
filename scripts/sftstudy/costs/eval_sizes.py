"""How many rows, in which groups, the eval sets of a study will have before it has made them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sftstudy.costs.past_rates import ASSUMED
from sftstudy.data.splits import limit_rows
from sftstudy.documents.rows import read_scored
from sftstudy.statistics.clusters import group_codes
from sftstudy.study.grid import Study
from sftstudy.study.layout import Layout
from sftstudy.tasks.registry import data_module, published

UNKNOWN = 500  # of an eval set of which nobody says how many rows it has


@dataclass(frozen=True)
class Rows:
    """An eval set: the group of each row, shape (n,), and where the number is from."""

    codes: np.ndarray
    source: str

    @property
    def n(self) -> int:
        """How many rows there are."""
        return len(self.codes)

    @property
    def groups(self) -> int:
        """How many groups they are in."""
        return int(self.codes.max()) + 1

    def times(self, factor: int) -> np.ndarray:
        """Return the codes of so many times as many rows, in as many more groups."""
        return np.concatenate([self.codes + self.groups * copy for copy in range(factor)])


def eval_rows(study: Study, folder: Path, name: str) -> Rows:
    """Return the rows of a control, or of a task's test split; `folder` is where Snakemake runs."""
    made = folder / Layout(Path(study.root)).rows(name, "test")
    if made.is_file() and made.stat().st_size:
        return _rows([row["group"] for row in read_scored(made)], "as prepared")
    block = study.catalog["tasks"].get(name) or study.catalog["controls"][name]
    limit, test = study.config["limit"], block.get("split", {}).get("test", "published")
    if test == "published" and "path" in block["source"] and "lm_eval" not in block:
        rows: Any = data_module(name).read(folder / block["source"]["path"]).get("test", [])
        rows = limit_rows(rows, limit, study.config["seed"], "test") if limit else rows
        if rows:
            return _rows([row["group"] for row in rows], "as in its folder")
    count, source = _count(name, block, test)
    if limit and limit < count:
        count, source = limit, "limit"
    known = published(name)
    to_a_group = known.ROWS_A_GROUP if known else 1
    return _rows([str(row // to_a_group) for row in range(count)], source)


def _rows(groups: list[str], source: str) -> Rows:
    return Rows(group_codes(groups), source)


def _count(name: str, block: dict[str, Any], test: str | int) -> tuple[int, str]:
    """Return how many rows there are by the study file, or as published, or as is assumed."""
    if isinstance(test, int):
        return test, "split"
    if block.get("limit"):
        return block["limit"], "limit"
    if "smoke" in block["source"]:
        return block["source"]["smoke"]["test"], "smoke"
    known = published(name)
    return (known.ROWS, "published") if known and known.ROWS else (UNKNOWN, ASSUMED)
