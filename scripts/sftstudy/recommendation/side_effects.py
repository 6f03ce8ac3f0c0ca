"""What training on one task does to everything else: other tasks' test splits, and the controls.

Read after the choice, like the confirm splits: nothing here chooses a configuration or a verdict.
"""

from collections.abc import Sequence

from sftstudy.documents.recommendation import SideEffect
from sftstudy.recommendation.cells import Cells
from sftstudy.recommendation.gains import Compared, compared
from sftstudy.statistics.evidence import of_change, only_just
from sftstudy.statistics.multiplicity import ALPHA, holm
from sftstudy.study.variants import runs


def side_effects(
    cells: Cells,
    tasks: Sequence[str],
    controls: Sequence[str],
    configuration: str,
    replicates: int = 0,
) -> list[SideEffect]:
    """Return the side effects of a configuration, by task trained on and then by eval set.

    With `replicates` they are those of the mean over its runs.

    Those of missing cells are null. p is Holm-adjusted over all others: whether training harms
    anything else is one question, apart from whether it gains what it is for.
    """
    evalsets = [*(f"{task}.test" for task in tasks), *controls]
    found = {
        (task, evalset): compared(cells, runs(task, configuration, replicates), evalset)
        for task in tasks
        for evalset in evalsets
        if evalset != f"{task}.test"
    }
    known = {key: one for key, one in found.items() if one}
    adjusted = holm([one.gain.p for one in known.values()])
    measured = {
        key: _measured(*key, one, p_holm)
        for (key, one), p_holm in zip(known.items(), adjusted, strict=True)
    }
    return [measured.get(key) or _missing(*key) for key in found]


def _measured(trained_on: str, evalset: str, one: Compared, p_holm: float) -> SideEffect:
    return {
        "trained_on": trained_on,
        "evalset": evalset,
        "metric": one.metric,
        "baseline": one.baseline,
        "tuned": one.tuned,
        "value": one.gain.value,
        "n": one.gain.n,
        "low": one.gain.low,
        "high": one.gain.high,
        "test": one.gain.test,
        "p": one.gain.p,
        "p_holm": p_holm,
        "evidence": of_change(one.gain.value, p_holm),
        "only_just": only_just(p_holm, ALPHA),
    }


def _missing(trained_on: str, evalset: str) -> SideEffect:
    return {
        "trained_on": trained_on,
        "evalset": evalset,
        "metric": None,
        "baseline": None,
        "tuned": None,
        "value": None,
        "n": None,
        "low": None,
        "high": None,
        "test": None,
        "p": None,
        "p_holm": None,
        "evidence": "missing",
        "only_just": False,
    }
