"""Fixtures of the tests of the repository itself."""

import pytest

from unit.house.workflow_rules import Rule, rules_of
from workflow.running import copy_repository


@pytest.fixture(scope="package")
def rules(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rule]:
    """The rules of the smoke study with one task, one control and replicates, by name."""
    checkout = copy_repository(tmp_path_factory.mktemp("rules"))
    return rules_of(checkout, "tasks=[banking77]", "controls=[ifeval]", "replicates=1")
