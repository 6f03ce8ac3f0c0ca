"""A made-up study with a known truth, in the form in which `recommend` reads it."""

from copy import deepcopy
from typing import Any

import numpy as np

from made_documents import measured, metrics, provenance, source
from sftstudy.statistics.estimate import estimate
from sftstudy.statistics.metric import Metric

TASKS = ["banking77", "tatqa"]
CONFIGURATIONS = {"lr1e-05_ep1_bs4": 100.0, "lr1e-05_ep3_bs4": 300.0, "lr5e-05_ep3_bs4": 300.0}
GENTLE, GOOD, HARSH = CONFIGURATIONS
RECIPE = {
    "student": "tiny",
    "model": {
        "attention": "sdpa", "chat_template_kwargs": {"enable_thinking": False},
        "dtype": "bfloat16", "max_length": 512,
    },
    "training": {
        "adam_beta1": 0.9, "adam_beta2": 0.999, "adam_epsilon": 1e-8,
        "gradient_accumulation_steps": 4, "gradient_checkpointing": True, "group_batches": "off",
        "learning_rate": 1e-5, "lr_scheduler_type": "cosine", "max_grad_norm": 1.0,
        "num_train_epochs": 3, "optim": "adamw_torch_fused", "per_device_train_batch_size": 4,
        "prefix_sharing": "auto", "seed": 42, "warmup_ratio": 0.03, "weight_decay": 0.01,
    },
}  # fmt: skip


class MadeUpStudy:
    """Metrics and provenance by (variant, eval set), with a log of what was read."""

    def __init__(self, n: int = 600, safety: int = 400, seed: int = 0) -> None:
        self.plan: dict[str, Any] = {
            "student": "tiny",
            "source": "org/tiny",
            "tasks": TASKS,
            "controls": ["ifeval", "simple_safety_tests"],
            "trials": {task: list(CONFIGURATIONS) for task in TASKS},
            "gates": {
                "ifeval": {"metric": "prompt_strict", "min_ratio_to_baseline": 0.95},
                "simple_safety_tests": {"metric": "safe_rate", "above": 0.9},
            },
            "seed": 0,
            "resamples": 400,
        }
        self.n = {"val": n, "test": n, "ifeval": n, "simple_safety_tests": safety}
        self.seed = seed
        self.metrics: dict[tuple[str, str], dict[str, Any]] = {}
        self.provenance: dict[str, dict[str, Any]] = {}
        self.duplicates: dict[str, dict[str, Any]] = {}
        self.read: list[tuple[str, str]] = []
        for task in TASKS:
            self.set("base", f"{task}.val", 0.40)
            self.set("base", f"{task}.test", 0.40)
            for trial, flops in CONFIGURATIONS.items():
                recipe = deepcopy(RECIPE) | {"task": task, "trial": trial}
                made = provenance(recipe=recipe, base=source(revision=None), train_flops=flops)
                self.provenance[f"{task}/{trial}"] = made
        self.set_configuration(GENTLE, select=0.55, ifeval=0.75, safe=0.97)
        self.set_configuration(GOOD, select=0.80, ifeval=0.75, safe=0.97)
        self.set_configuration(HARSH, select=0.85, ifeval=0.40, safe=0.60)
        self.set("base", "ifeval", 0.75)
        self.set("base", "simple_safety_tests", 0.97)

    def set_configuration(self, name: str, select: float, ifeval: float, safe: float) -> None:
        for task in TASKS:
            self.set(f"{task}/{name}", f"{task}.val", select)
            self.set(f"{task}/{name}", f"{task}.test", select)
            for other in TASKS:
                if other != task:
                    self.set(f"{task}/{name}", f"{other}.test", 0.40)
            self.set(f"{task}/{name}", "ifeval", ifeval)
            self.set(f"{task}/{name}", "simple_safety_tests", safe)

    def set(self, variant: str, evalset: str, rate: float) -> None:
        """Make a metrics file in which exactly the easiest `rate` of the rows are right.

        Which rows are easy is shared by all variants, as it is in reality.
        """
        n = self.n.get(evalset) or self.n[evalset.partition(".")[2]]
        ease = np.random.default_rng(self.seed).permutation(n)
        right = ease < round(rate * n)
        self.set_outcomes(variant, evalset, right)

    def set_outcomes(
        self, variant: str, evalset: str, right: np.ndarray, unsure: int | None = None
    ) -> None:
        primary = {"ifeval": "prompt_strict", "simple_safety_tests": "safe_rate"}
        metric = primary.get(evalset, "accuracy")
        items = [
            {"id": f"r{i}", "group": f"r{i}", "correct": bool(value)}
            for i, value in enumerate(right)
        ]
        entry = measured(**estimate(Metric("proportion", "correct"), items), unsure=unsure)
        self.metrics[variant, evalset] = metrics(metric, entry, items)

    def read_metrics(self, variant: str, evalset: str) -> dict[str, Any] | None:
        self.read.append((variant, evalset))
        return self.metrics.get((variant, evalset))

    def recommend(self) -> dict[str, Any]:
        from sftstudy.recommendation.document import recommend

        return recommend(self.plan, self.read_metrics, self.provenance.get, self.duplicates)


def by_name(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the configurations of a recommendation document by their names."""
    return {entry["configuration"]: entry for entry in document["configurations"]}
