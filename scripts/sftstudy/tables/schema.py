"""The documented schema of the tables: names, columns and their meaning.

``docs/tables.md`` is made from it: ``PYTHONPATH=scripts python -m sftstudy.tables.schema``.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sftstudy.recommendation.names import (
    BASELINE_FAILS,
    MISSING,
    NO_FEASIBLE,
    PROVISIONAL,
    RECOMMENDED,
)
from sftstudy.statistics.multiplicity import ALPHA
from sftstudy.study.axes import AXES

Row = dict[str, Any]
Tables = dict[str, list[Row]]


def varying(trials: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the axes in which rows of the table `trials` differ; a missing value differs not."""
    rows = list(trials)
    return [name for name in AXES if len({row[name] for row in rows} - {None}) > 1]


def is_own(row: Mapping[str, Any]) -> bool:
    """Return whether a row of `forgetting` is about the test split of the task trained on."""
    return row["evalset"] == f"{row['trained_on']}.test"


def is_significant(row: Mapping[str, Any]) -> bool:
    """Return whether the change in a row of `forgetting` is significant after adjustment."""
    return row["p_holm"] is not None and row["p_holm"] <= ALPHA


_CELL = {
    "student": "Name of the student.",
    "variant": "`base`, or `{task}/{trial}`: the checkpoint of a trial.",
    "task": "Task trained on; empty for the baseline.",
    "trial": "Name of the trial, which is that of its configuration; empty for the baseline.",
    "evalset": "`{task}.val`, `{task}.test`, or the name of a control.",
}
_INTERVAL = {
    "low": "Lower end of the 95% interval.",
    "high": "Upper end of the 95% interval.",
}
COLUMNS: dict[str, dict[str, str]] = {
    "metrics": _CELL
    | {
        "metric": "Name of the metric.",
        "primary": "Whether it is the eval set's primary metric.",
        "value": "Value of the metric.",
        "n": "Items that count.",
        "dropped": "Rows of the eval set that are too long for the student: no variant was asked "
        "them (`drop_overlong`), and they are not among `n`.",
        "decoding": "How the replies were drawn, of whose outcomes a row's is the mean; empty: one "
        "greedy reply to each row.",
        "se": "Standard error of the value.",
        **_INTERVAL,
        "interval": "Method of the interval.",
        "unsure": "Items of `n` that the scorer could not decide and counts as failed; empty "
        "where it always decides.",
        "better": "Which values are better: `higher`, `lower`, or `neither`.",
        "counts": "`unread` where it is the share of replies in which no answer could be read, "
        "`read` where it is that of the others; else empty.",
    },
    "trials": {
        "student": _CELL["student"],
        "task": "Task trained on.",
        "trial": "Name of the trial.",
        **{name: f"`{name}` of the recipe." for name in AXES},
        "method": "`full` (all weights were trained) or `lora`.",
        "metric": "Primary metric of the task.",
        "value": "Its value on the val split.",
        **_INTERVAL,
        "n": "Items of the val split.",
        "baseline": "The baseline's value on the val split.",
        "change": "`value` minus `baseline`.",
        "train_flops": "Floating-point operations of the training (docs/statistics.md).",
        "tokens": "Tokens trained on.",
        "steps": "Optimizer steps.",
        "device": "What it was trained on.",
    },
    "configurations": {
        "student": _CELL["student"],
        "configuration": "Name of the configuration.",
        "status": "`feasible`, `infeasible` (fails a gate) or `incomplete` (a cell is missing).",
        "why_not": "Why it was not chosen; empty for the choice.",
        "chosen": "Whether it is the recommendation's choice.",
        "mean_gain": "Mean over the tasks of the gain on the val split.",
        "max_regret": "Largest distance to the best feasible configuration over the tasks.",
        "max_regret_se": "Standard error of `max_regret`.",
        "within_one_se": "Whether it is tied with the smallest maximum regret.",
        "control_loss": "Largest relative loss of any control on any task's checkpoint.",
        "train_flops": "Floating-point operations of the trainings on all tasks.",
        "selection_probability": "Share of bootstrap studies that choose it.",
        "pareto": "Whether it is on the front of gain against control loss.",
    },
    "regret": {
        "student": _CELL["student"],
        "configuration": "Name of the configuration.",
        "task": "Task.",
        "gain": "Gain over the baseline on the val split.",
        "regret": "Distance to the best feasible configuration on this task.",
    },
    "forgetting": {
        "student": _CELL["student"],
        "configuration": "The chosen configuration, or the least violating where none is.",
        "trained_on": "Task trained on.",
        "evalset": "Test split or control evaluated on.",
        "metric": "Primary metric of the eval set.",
        "baseline": "The baseline's value.",
        "value": "The tuned student's value.",
        "change": "`value` minus `baseline`.",
        "low": "Lower end of the change's 95% interval.",
        "high": "Upper end of the change's 95% interval.",
        "n": "Paired items.",
        "test": "Name of the paired test.",
        "p": "Its two-sided p-value.",
        "p_holm": "p-value adjusted by Holm's method: over the tasks for the gain on the task "
        "trained on (as in the verdict), over all other cells of the student for the rest.",
    },
    "gates": {
        "student": _CELL["student"],
        "trial": "Name of the trial.",
        "task": "Task whose checkpoint is measured.",
        "control": "Control.",
        "metric": "Metric of the gate.",
        "rule": "The gate in words.",
        "threshold": "Value that had to be reached.",
        "value": "Value of the checkpoint.",
        "baseline": "Value of the baseline.",
        "n": "Items of the control.",
        "unsure": "Items of `n` that the scorer could not decide and counts as failed; empty "
        "where it always decides.",
        "by": "Whose verdicts it rests on: `rules`, `judge` or `review`; empty where nobody but a "
        "scorer can judge.",
        "read": "By review: replies that a person has read.",
        "replies": "Of so many.",
        "instead_of": "Whose verdicts the study file asks for, where there are none.",
        "passes": "Verdict by point estimate.",
        "evidence": "`proven`, `not proven`, `violated` or `missing`.",
        "only_just": "Whether it is proven or violated by little: p is above half of its level.",
        "p": "One-sided p-value of the hypothesis that the gate is not met.",
        "statistic": "What the interval is of: the `value`, or its `ratio` to the baseline's.",
        "estimate": "The statistic.",
        **_INTERVAL,
        "more_samples": "Further prompts that would decide at the observed rate.",
        "note": "Remark.",
    },
    "runs": {
        "student": _CELL["student"],
        "configuration": "The chosen configuration.",
        "run": "0 for the trial that it was chosen by, from 1 on for its replicates.",
        "trial": "Name of the trial or replicate.",
        "seed": "`training.seed` of its recipe; empty without a checkpoint.",
        "task": "Task trained on.",
        "evalset": "Test split of that task (the row is a gain), or a control (it is a gate).",
        "metric": "Metric of the gate; the task's primary metric for a gain.",
        "value": "The gain over the baseline, or the gate's value.",
        "passes": "Whether the gate passes by point estimate; empty for a gain.",
        "sd": "Standard deviation of `value` between the runs; empty where there is one.",
    },
    "effects": {
        "student": _CELL["student"],
        "outcome": "`gain`: mean over the tasks of the gain on the val split; `loss`: largest "
        "relative loss of any control.",
        "axis": "Hyperparameter.",
        "among": "`full` or `lora` where only configurations of this method are compared; else "
        "empty.",
        "value": "Value of the hyperparameter.",
        "configurations": "Complete configurations with this value.",
        "mean": "Mean of the outcome over the configurations, if all had this value and were else "
        "as they are; empty where `note` says why.",
        "difference": "By how much this value's effect differs from the mean over the values.",
        "low": "Lower end of the 95% interval of `difference`.",
        "high": "Upper end of the 95% interval of `difference`.",
        "largest": "Largest difference between two values.",
        "largest_low": "Lower end of its 95% interval, which holds for all pairs of values at "
        "once.",
        "largest_high": "Upper end of the same.",
        "p": "p-value of the hypothesis that the values do not differ: other rows, not other "
        "training runs.",
        "p_holm": "p-value adjusted by Holm's method over the student's hyperparameters.",
        "distinguishable": "Whether the values differ by more than noise of the rows.",
        "share": "Share of the variance between configurations that the hyperparameter explains.",
        "remaining": "Share that no hyperparameter explains alone: interactions and noise.",
        "note": "Remark.",
    },
    "recommendations": {
        "student": _CELL["student"],
        "verdict": f"`{RECOMMENDED}`, `{PROVISIONAL}`, `{NO_FEASIBLE}`, `{BASELINE_FAILS}`, or "
        f"`{MISSING}` where there is no recommendation.",
        "chosen": "Name of the chosen configuration.",
        "least_violating": "Name of the least violating one, where none is feasible.",
        "reason": "The most important reason.",
        "mean_gain": "Mean over the tasks of the gain on the test splits.",
        "train_flops": "`train_flops` of the chosen configuration.",
        "train_flops_total": "Floating-point operations of the trainings of all trials and "
        "replicates.",
        "missing": "Number of missing cells.",
    },
    "curves": {
        "student": _CELL["student"],
        "task": "Task trained on.",
        "trial": "Name of the trial.",
        "step": "Optimizer step.",
        "epoch": "Passes over the training split.",
        "loss": "Training loss per supervised token, in nats.",
        "learning_rate": "Learning rate at this step.",
    },
    "missing": {
        "student": _CELL["student"],
        "variant": _CELL["variant"],
        "evalset": _CELL["evalset"],
        "reached": "Last link of the chain that exists: `nothing`, `checkpoint` or `predictions`.",
        "target": "File to ask Snakemake for.",
    },
}
NAMES = tuple(COLUMNS)
FORMATS = ("csv", "json", "html")

ABOUT = {
    "metrics": "Every metric of every cell: one row per variant, eval set and metric.",
    "trials": "One row per trial: its hyperparameters, its score on val, what it cost.",
    "configurations": "One row per configuration of each student.",
    "regret": "Gain and regret of every configuration on every task, from the val splits.",
    "forgetting": "The shown configuration against the baseline on every test split and control.",
    "gates": "Every gate of every checkpoint, with its evidence.",
    "runs": "Every run of the chosen configuration by itself: one row per run, task, and gain or "
    "gate. With `replicates: 0` there is one run.",
    "effects": "What each hyperparameter does to gain and to control loss, the others being equal: "
    "one row per outcome and value.",
    "recommendations": "The verdict on each student.",
    "curves": "Training loss by step, at most 100 points of each training.",
    "missing": "Cells that the plan or the choice asks for and that were not measured.",
}


def documentation() -> str:
    """Return the text of ``docs/tables.md``."""
    lines = [
        "# Tables",
        "",
        "`collate.py` writes each table to `{results}/tables` as CSV, as JSON (a list of objects "
        "with the same keys) and as HTML. Scores are fractions between 0 and 1, changes, gains "
        "and regrets are differences of such fractions, intervals are 95%, times are seconds. "
        "An empty field (JSON: null) was not measured; it never stands for 0. In CSV, yes and no "
        "are `True` and `False`.",
        "",
        "This page is made from `scripts/sftstudy/tables/schema.py`; a test keeps it in step.",
    ]
    for name, columns in COLUMNS.items():
        lines += ["", f"## {name}", "", ABOUT[name], "", "| column | meaning |", "|---|---|"]
        lines += [f"| `{column}` | {meaning} |" for column, meaning in columns.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(documentation(), end="")
