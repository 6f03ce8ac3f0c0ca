"""Scoring of tasks whose reply is one label: strict parse, accuracy, macro F1, invalid rate."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sftstudy.statistics.metric import Item, Metric


def outcomes(
    prediction: str | None, named: str | None, gold: str, legacy_correct: bool
) -> dict[str, Any]:
    """Return one reply's outcomes.

    `prediction` is None where the reply is not one label, `named` where it does not name one.
    """
    return {
        "prediction": prediction,
        "label": gold,
        "correct": prediction == gold,
        "named_correct": named == gold,
        "invalid": prediction is None,
        "legacy_correct": legacy_correct,
    }


def metrics(names: Mapping[str, str]) -> dict[str, Metric]:
    """Return the metrics of a label task.

    Args:
        names: Name of each label that is to have its own recall and precision, in the order in
            which they are to be shown. Both are proportions, so that 77 classes cost no
            bootstrap; a class that nothing was taken for has a precision over n = 0.
    """
    return {
        "accuracy": Metric(
            "proportion", "correct", description="replies that are exactly the right label"
        ),
        "macro_f1": Metric(
            "statistic", statistic=macro_f1, description="mean of the classes' F1 scores"
        ),
        "invalid_rate": Metric(
            "proportion",
            "invalid",
            description="replies that are not exactly one label",
            better="lower",
            counts="unread",
        ),
        "named_accuracy": Metric(
            "proportion", "named_correct", description="replies that name the right label alone"
        ),
        "legacy_accuracy": Metric(
            "proportion",
            "legacy_correct",
            description="the original study's rule: the label occurs somewhere",
            legacy=True,
        ),
        **{
            f"recall[label={name}]": Metric(
                "proportion", "correct", {"label": label}, description=f"{name}, found as such"
            )
            for label, name in names.items()
        },
        **{
            f"precision[label={name}]": Metric(
                "proportion", "correct", {"prediction": label}, description=f"{name}, rightly said"
            )
            for label, name in names.items()
        },
    }


def macro_f1(items: list[Item], weights: np.ndarray) -> np.ndarray:
    """Return the macro-averaged F1 score of each resample.

    The unweighted mean over classes of 2 TP / (2 TP + FP + FN) (Opitz & Burst, 2019, "averaged
    F1"), over the classes that occur in the resample as gold or as prediction, as scikit-learn
    does by default. An invalid reply is a miss of its gold class and no class of its own.

    Args:
        items: n items with ``label`` and ``prediction``.
        weights: Multiplicities, shape (B, n).

    Returns:
        Shape (B,), between 0 and 1.
    """
    labels = {item["label"] for item in items} | {item["prediction"] for item in items}
    labels.discard(None)
    column = {label: number for number, label in enumerate(sorted(labels))}
    # 0/1 columns by class: one matrix product with the weights counts everything.
    golds, predictions = np.zeros((2, len(items), len(labels)), dtype=np.float32)
    for row, item in enumerate(items):
        golds[row, column[item["label"]]] = 1
        if item["prediction"] is not None:
            predictions[row, column[item["prediction"]]] = 1
    hits = golds * predictions
    # float32 counts exactly up to 2**24 items and multiplies at full speed, unlike integers.
    counts = np.asarray(weights, dtype=np.float32) @ np.hstack([hits, golds + predictions])
    true_positives, total = np.hsplit(counts.astype(np.float64), 2)
    occurs = total > 0
    scores = np.divide(2 * true_positives, total, out=np.zeros_like(total), where=occurs)
    return scores.sum(axis=1) / occurs.sum(axis=1)
