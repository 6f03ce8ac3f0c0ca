"""The study file that the tests of this folder change."""

import pytest
import yaml

from repository import ROOT


@pytest.fixture
def config() -> dict:
    return yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
