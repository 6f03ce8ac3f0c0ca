"""What tests of the report's page share: on which page they run, and what axe-core says of it."""

from collections.abc import Callable
from typing import Any

import pytest

from repository import ROOT

ARTEFACTS = ROOT / "results" / "test-artefacts"

FULL = pytest.param("full", marks=pytest.mark.slow)
small_page = pytest.mark.parametrize("opened", ["small"], indirect=True)
full_page = pytest.mark.parametrize("opened", [FULL], indirect=True)
both_pages = pytest.mark.parametrize("opened", ["small", FULL], indirect=True)


def follow(page: Any, go: Callable[[], None]) -> None:
    """Go to another place of the page, and wait until it shows what the address asks for.

    The page's own listeners were there first, so they are called first.
    """
    page.evaluate(
        """() => { window.followed = new Promise((done) =>
            addEventListener("hashchange", () => done(true), { once: true })); }"""
    )
    go()
    page.evaluate("window.followed")


def serious(page: Any, inside: str) -> list[str]:
    """Return axe-core's serious and critical findings in the element `inside` (a CSS selector)."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright",
        reason="no axe-core: install it with `pip install axe-playwright-python`",
    )
    found = axe.Axe().run(page, context=inside).response["violations"]
    return [
        f"{finding['id']} ({finding['impact']}): {node['html'][:200]}"
        for finding in found
        if finding["impact"] in ("serious", "critical")
        for node in finding["nodes"]
    ]
