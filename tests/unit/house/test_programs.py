"""Rules and programs are paired: who knows the one, knows the name of the other."""

from repository import ROOT
from unit.house.workflow_rules import Rule

# What belongs to no rule, and why.
NO_RULE = {"on_gpus": "starts the trainings of several processes on GPUs that no job has taken"}
PROGRAMS = {file.stem for file in (ROOT / "scripts").glob("*.py")}


def of(name: str) -> str | None:
    """Return the program that a rule of this name must call: of its whole name or first words."""
    words = name.split("_")
    names = ("_".join(words[:end]) for end in range(len(words), 0, -1))
    return next((program for program in names if program in PROGRAMS), None)


def test_the_longest_name_counts() -> None:
    assert of("build_smoke_student") == "build_smoke_student"
    assert of("predict_select_base") == "predict"
    assert of("nothing_of_that_name") is None


def test_a_rule_calls_the_program_of_its_name_and_no_other(rules: dict[str, Rule]) -> None:
    called = {rule.name: rule.programs for rule in rules.values() if rule.command}
    assert called == {name: [f"scripts/{of(name)}.py"] for name in called}


def test_every_program_belongs_to_a_rule(rules: dict[str, Rule]) -> None:
    assert {of(rule.name) for rule in rules.values() if rule.command} == PROGRAMS - set(NO_RULE)
