"""What the summaries of a study need to know of it, as plain JSON."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sftstudy.documents.plan import GateRule, Plan, RecommendationPlan, Way
from sftstudy.study.grid import Study
from sftstudy.study.layout import Layout
from sftstudy.study.variants import BASE
from sftstudy.tasks import registry

RESAMPLES = 10_000
JUDGE, REVIEW = "judge_", "review_"  # what metrics by others than the rules begin with


def study_plan(study: Study) -> Plan:
    """Return what the tables and the report need to know."""
    plan: Plan = {
        "study": study.config["study"],
        "students": {name: {"source": study.student(name)["source"]} for name in study.students},
        "tasks": study.tasks,
        "controls": study.controls,
        "trials": {name: _trial_ids(study, name) for name in study.students},
        "gates": _gates(study),
        "limit": study.config["limit"],
        "seed": study.config["seed"],
    }
    if "space" in study.config:
        plan["space"] = study.config["space"]
    if "lora_space" in study.config:
        plan["lora_space"] = study.config["lora_space"]
    return plan


def recommendation_plan(study: Study, student: str) -> RecommendationPlan:
    """Return what the recommendation for one student needs to know, whoever else is studied."""
    return choice_plan(study, student) | {"replicates": study.replicates}


def choice_plan(study: Study, student: str) -> RecommendationPlan:
    """Return what the choice of a configuration needs to know: not how many replicates follow."""
    source = study.student(student)["source"]
    base = Layout(Path(study.root)).checkpoint(student, BASE)
    return {
        "student": student,
        "source": source.get("hub") or source.get("path") or base.as_posix(),
        "tasks": study.tasks,
        "controls": study.controls,
        "trials": _trial_ids(study, student),
        "gates": _gates(study),
        "seed": study.config["seed"],
        "resamples": RESAMPLES,
    }


def _trial_ids(study: Study, student: str) -> dict[str, list[str]]:
    return {task: list(study.trials(student, task)) for task in study.tasks}


def _gates(study: Study) -> dict[str, GateRule]:
    """Return the gates, each with the metric that is read."""
    gates = study.config["gates"]
    return {
        control: _gate(study, control, gate)
        for control, gate in gates.items()
        if control in study.controls
    }


def _gate(study: Study, control: str, gate: Mapping[str, Any]) -> GateRule:
    rule: GateRule = {key: value for key, value in gate.items() if key != "by"}  # type: ignore[assignment]
    if not registry.can_be_judged(control):
        return rule
    metric, by = gate["metric"], gate.get("by", "rules")
    if metric.startswith(JUDGE):
        return {**rule, "by": "judge"}
    judged: Way = {"metric": f"{JUDGE}{metric}", "by": "judge"}
    if by == "review":
        otherwise: Way = judged if study.judge else {"metric": metric, "by": "rules"}
        return {**rule, "metric": f"{REVIEW}{metric}", "by": by, "otherwise": otherwise}
    return {**rule, **judged} if by == "judge" else {**rule, "by": by}
