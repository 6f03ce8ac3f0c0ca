"""Gains: what a configuration's checkpoints win against the baseline, each on its own task."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sftstudy.documents.duplicates import Duplicates
from sftstudy.documents.recommendation import (
    MeanGain,
    PairedGain,
    TaskGain,
    WithoutDuplicates,
)
from sftstudy.recommendation.cells import Cells, Scores, align, all_known
from sftstudy.statistics.evidence import of_change, only_just
from sftstudy.statistics.multiplicity import ALPHA, holm
from sftstudy.statistics.paired import Gain, mean_of_gains
from sftstudy.statistics.runs import gain_over_runs, more_rows_of_gain
from sftstudy.study.variants import BASE, runs

FEWEST_ROWS = 10  # of fewer a gain is not told: its interval would hold nearly everything
SMALLER = 0.8  # a gain that keeps less of itself without duplicates is called weaker


@dataclass(frozen=True, eq=False)  # arrays have no truth value: compare by identity
class Compared:
    """Runs of a configuration against the baseline on the rows that all have outcomes of.

    `baseline` and `tuned` are means of the eval set's primary metric over these rows, `tuned` also
    over the runs. `worst` is the smallest gain of a run. `outcomes` are the rows' of the runs
    (n, m) and the baseline (n,), and the codes of their groups (n,).
    """

    metric: str
    baseline: float
    tuned: float
    gain: Gain
    worst: float
    outcomes: tuple[np.ndarray, np.ndarray, np.ndarray]

    def more_rows(self, alpha: float) -> int | None:
        """Return how many further rows would decide at two-sided `alpha`; None where none would."""
        return more_rows_of_gain(*self.outcomes, alpha)


def compared(
    cells: Cells, variants: Sequence[str], evalset: str, without: Collection[str] = ()
) -> Compared | None:
    """Compare the runs of a configuration with the baseline, but for the rows in `without`.

    `variants` are its trial on one task and the trial's replicates, `without` ids. None where the
    baseline or the trial is missing, or a cell keeps too few rows without those.
    """
    base = cells.scores(BASE, evalset)
    scores = [found for variant in variants if (found := cells.scores(variant, evalset))]
    if not scores or scores[0].variant != variants[0] or not base:
        return None
    if without:
        scores, base = [_less(one, without) for one in scores], _less(base, without)
        if min(len(one.ids) for one in (*scores, base)) < FEWEST_ROWS:
            return None
    values, codes = align([*scores, base])
    tuned, baseline = values[:, :-1], values[:, -1]
    means = tuned.mean(axis=0)
    return Compared(
        metric=base.metric,
        baseline=float(baseline.mean()),
        tuned=float(means.mean()),
        gain=gain_over_runs(tuned, baseline, codes),
        worst=float(means.min() - baseline.mean()),
        outcomes=(tuned, baseline, codes),
    )


def _less(scores: Scores, ids: Collection[str]) -> Scores:
    """Return scores without some rows; their `estimate` stays that of all rows."""
    kept = np.array([identifier not in ids for identifier in scores.ids])
    return replace(
        scores,
        ids=[identifier for identifier, keep in zip(scores.ids, kept, strict=True) if keep],
        groups=[group for group, keep in zip(scores.groups, kept, strict=True) if keep],
        values=scores.values[kept],
    )


def judge_gains(
    cells: Cells, tasks: Sequence[str], configuration: str, split: str, replicates: int = 0
) -> dict[str, TaskGain | None]:
    """Return the gain of a configuration on each task's `split`, Holm-adjusted over the tasks.

    With `replicates` it is that of the mean over runs, and not proven where a run has none. None
    where the tuned or the baseline cell is missing.
    """
    found = {
        task: compared(cells, runs(task, configuration, replicates), f"{task}.{split}")
        for task in tasks
    }
    known = {task: one for task, one in found.items() if one}
    adjusted = holm([one.gain.p for one in known.values()])
    gains: dict[str, TaskGain | None] = dict.fromkeys(tasks)
    for (task, one), p_holm in zip(known.items(), adjusted, strict=True):
        evidence = of_change(one.gain.value, p_holm)
        # Holm asks at most for alpha / tasks: so many rows are enough whatever the other tasks do.
        more = one.more_rows(ALPHA / len(known)) if evidence == "not proven" else 0
        if evidence == "proven" and one.worst <= 0:
            evidence, more = "not proven", None
        gains[task] = {
            **_told(one.gain),
            "baseline": one.baseline,
            "tuned": one.tuned,
            "p_holm": p_holm,
            "evidence": evidence,
            "only_just": evidence != "not proven" and only_just(p_holm, ALPHA),
            "more_samples": more,
            "without_duplicates": None,
        }
    return gains


def _told(gain: Gain) -> PairedGain:
    return {
        "value": gain.value,
        "n": gain.n,
        "groups": gain.groups,
        "se": gain.se,
        "low": gain.low,
        "high": gain.high,
        "interval": gain.interval,
        "test": gain.test,
        "p": gain.p,
        "wins": gain.wins,
        "losses": gain.losses,
    }


def with_duplicates_told(
    gains: Mapping[str, TaskGain | None],
    cells: Cells,
    configuration: str,
    duplicates: Mapping[str, Duplicates],
    replicates: int = 0,
) -> dict[str, TaskGain | None]:
    """Return gains on the test splits with `without_duplicates` filled in, where rows have any.

    `duplicates` are those of the tasks' data, where they are known. p is Holm-adjusted over the
    tasks as that of the gains themselves is, every task without its duplicates.
    """
    variants = {task: runs(task, configuration, replicates) for task in gains}
    copies = {
        task: _Copies.of(cells, task, variants[task], duplicates[task])
        for task, gain in gains.items()
        if gain and task in duplicates
    }
    copies = {task: found for task, found in copies.items() if found.ids}
    left = {
        task: compared(cells, variants[task], f"{task}.test", found.ids)
        for task, found in copies.items()
    }
    p_values = {task: gain["p"] for task, gain in gains.items() if gain}
    p_values |= {task: one.gain.p if one else 1.0 for task, one in left.items()}
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    told = dict(gains)
    for task, found in copies.items():
        gain = gains[task]
        if gain:
            without = _without(gain, found, left[task], adjusted[task])
            told[task] = {**gain, "without_duplicates": without}
    return told


@dataclass(frozen=True)
class _Copies:
    """The compared rows of a test split that have a duplicate in train."""

    ids: frozenset[str]
    exact: int
    near: int  # that have no exact one

    @classmethod
    def of(cls, cells: Cells, task: str, variants: Sequence[str], file: Duplicates) -> "_Copies":
        found = [cells.scores(variant, f"{task}.test") for variant in (BASE, *variants)]
        rows = set[str].intersection(*(set(scores.ids) for scores in found if scores))
        pair = file["pairs"].get("train-test", {"exact": [], "near": []})
        exact = rows.intersection(pair["exact"])
        near = rows.intersection(pair["near"]) - exact
        return cls(frozenset(exact | near), len(exact), len(near))


def _without(
    gain: TaskGain, copies: _Copies, left: Compared | None, p_holm: float
) -> WithoutDuplicates:
    rest = left.gain if left else None
    lost_proof = gain["evidence"] == "proven" and p_holm > ALPHA
    smaller = gain["value"] > 0 and (rest.value if rest else 0) < SMALLER * gain["value"]
    return {
        "exact": copies.exact,
        "near": copies.near,
        "value": rest.value if rest else None,
        "low": rest.low if rest else None,
        "high": rest.high if rest else None,
        "n": gain["n"] - copies.exact - copies.near,
        "p": rest.p if rest else None,
        "p_holm": p_holm if rest else None,
        "weaker": lost_proof or smaller,
    }


def mean_gain_of(gains: Mapping[str, TaskGain | None]) -> MeanGain | None:
    """Return the mean gain over the tasks with its 95% interval; None where one is missing."""
    known = all_known(gains.values())
    if not known:
        return None
    value, low, high = mean_of_gains([(gain["value"], gain["low"], gain["high"]) for gain in known])
    return {"value": value, "low": low, "high": high, "n": sum(gain["n"] for gain in known)}
