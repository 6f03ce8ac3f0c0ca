"""Fixtures that several unit tests use."""

import signal
from collections.abc import Iterator

import pytest


@pytest.fixture
def saves_after_each_step(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Train in this process, and save as often as possible."""
    from sftstudy.training import resume

    monkeypatch.setattr(resume, "SAVE_SECONDS", 0.0)
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)
