"""A browser, and the pages of the report that are opened in it."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from synthetic_study import Study, write_report, write_study

NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(
    scope="module"
)  # Playwright's event loop must be gone when other tests begin theirs
def browser() -> Iterator:
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("no browser: install one with `apt-get install -y chromium`, or set CHROMIUM")
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="no Playwright: install it with `pip install playwright`"
    )
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=flags)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Report of the smallest study: one student, one trial that works and one that does harm."""
    space = {
        "learning_rate": [1e-5, 5e-5],
        "num_train_epochs": [3],
        "per_device_train_batch_size": [2],
    }
    study = Study(tmp_path_factory.mktemp("small"), ("smoke",), space=space, rows=40, attacks=True)
    write_study(study)
    return write_report(study)


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Report of a full-size study: 5 students, 4 tasks, 12 trials, one of them missing."""
    gone = (("Qwen3-4B-Instruct-2507", "nl2sql", "lr5e-05_ep3_bs2"),)
    study = Study(tmp_path_factory.mktemp("full"), rows=200, missing=gone, attacks=True)
    write_study(study)
    return write_report(study)


@pytest.fixture
def open_page(browser: Any) -> Iterator:
    """Return a function that opens a report's file, at a hash or not, in a window of its own.

    Afterwards nothing was said on any console, nothing was asked for, and no attack has run.
    """
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    opened: list = []
    trouble: list[str] = []
    asked_for: set[str] = set()
    itself: set[str] = set()

    def open_page(file: Path, place: str = "") -> Any:
        page = context.new_page()
        page.on("console", lambda message: trouble.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
        page.on("dialog", lambda dialog: trouble.append(f"dialog: {dialog.message}"))
        page.on("request", lambda asked: asked_for.add(asked.url.partition("#")[0][:200]))
        page.goto(file.as_uri() + place)
        itself.add(file.as_uri())
        page.locator("#pick").wait_for()
        opened.append(page)
        return page

    yield open_page
    assert [page.evaluate("window.attacked") for page in opened] == [None] * len(opened)
    assert trouble == [] and asked_for - itself == set()
    context.close()


@pytest.fixture
def opened(open_page: Callable[[Path], Any], request: pytest.FixtureRequest) -> Any:
    """The page of the report that the test's parameter names (`small` or `full`)."""
    return open_page(request.getfixturevalue(request.param))
