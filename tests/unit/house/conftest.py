"""Fixtures of the tests of the repository itself."""

import pytest

from local_lm_eval import write_tasks
from unit.house.workflow_rules import Rule, rules_of
from workflow.running import copy_repository


@pytest.fixture(scope="package")
def rules(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rule]:
    """The rules of the smoke study with one task, one control of ours, one from lm-eval, and
    replicates, by name."""
    checkout = copy_repository(tmp_path_factory.mktemp("rules"))
    tasks = write_tasks(tmp_path_factory.mktemp("lm_eval"))
    control = f"{{lm_eval: {tasks}/sums.yaml, source: {{path: {tasks}/raw}}}}"
    return rules_of(
        checkout,
        "tasks=[banking77]",
        "controls=[ifeval, sums]",
        f"catalog={{controls: {{sums: {control}}}}}",
        "replicates=1",
    )
