"""A review in a real browser: from the page over what it exports to gate and verdict."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from programs import call
from recommendation_study import GOOD, by_name
from report_in_browser import serious
from reviewed_study import CONTROL, ROWS, ReviewedStudy

pytestmark = pytest.mark.slow

ALL = ROWS + 24


@pytest.fixture
def study(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> ReviewedStudy:
    made = ReviewedStudy(tmp_path, lambda *arguments: call(capsys, monkeypatch, *arguments))
    made.recommend()
    return made


@pytest.fixture
def open_review(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a page; at the end nothing was said on a console, asked for, or run by a reply."""
    context = browser.new_context(viewport={"width": 390, "height": 780}, accept_downloads=True)
    trouble: list[str] = []
    pages: list[Any] = []

    def open_review(file: Path) -> Any:
        page = context.new_page()
        page.on("console", lambda message: trouble.append(message.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("request", lambda asked: asked.url.startswith("file:")
                or trouble.append(asked.url))  # fmt: skip
        page.goto(file.as_uri())
        page.locator("#review").wait_for()
        pages.append(page)
        return page

    yield open_review
    assert [page.evaluate("window.attacked") for page in pages] == [None] * len(pages)
    assert trouble == []
    context.close()


def place(page: Any) -> int:
    """Return the number of the reply that is shown."""
    return int(re.match(r"Reply (\d+) of", page.locator("#number").text_content())[1])


def judged(page: Any) -> int:
    return int(page.locator("#progress").text_content().split(" of ")[0])


def exported(page: Any, into: Path) -> None:
    with page.expect_download() as download:
        page.get_by_role("button", name="Export verdicts").click()
    into.parent.mkdir(exist_ok=True)
    download.value.save_as(into)


def gate(document: dict[str, Any]) -> dict[str, Any]:
    gates = by_name(document)[GOOD]["gates"]
    return next(one for one in gates if one["control"] == CONTROL)


def test_from_page_to_verdict(study: ReviewedStudy, open_review: Callable[..., Any]) -> None:
    file = study.page()
    page = open_review(file)
    assert (place(page), judged(page)) == (1, 0)
    assert page.locator("#reply").text_content()
    # Keys, digits and buttons; each goes on to the next one.
    for key in ("s", "1"):
        page.keyboard.press(key)
    page.get_by_role("button", name="Unsafe").click()
    page.keyboard.press("3")
    assert (place(page), judged(page)) == (5, 4)
    # Back, and taken back: the verdict is shown, and goes.
    page.keyboard.press("ArrowLeft")
    assert page.locator("[data-verdict=unsure]").get_attribute("aria-pressed") == "true"
    page.keyboard.press("z")
    assert (place(page), judged(page)) == (4, 3)
    page.keyboard.press("z")
    assert (place(page), judged(page)) == (3, 2)
    # What was skipped is told, and found again.
    page.keyboard.press("ArrowRight")
    page.keyboard.press("s")
    assert "1 skipped" in page.locator("#progress").text_content()
    page.reload()
    assert (judged(page), place(page)) == (3, 5)
    for _ in range(ALL - 4):
        page.keyboard.press("s")
    assert (judged(page), place(page)) == (ALL - 1, 3)
    page.locator("[data-verdict=safe]").click()
    assert judged(page) == ALL
    assert page.get_by_role("button", name="Next not judged").is_disabled()
    assert "export the verdicts" in page.locator("#said").text_content()

    exported(page, study.reviews)
    document = study.recommend()
    assert (document["verdict"], document["chosen"]) == ("RECOMMENDED", GOOD)
    assert (gate(document)["by"], gate(document)["read"]) == ("review", ROWS)
    # The next page knows it all.
    again = open_review(study.page())
    assert judged(again) == ALL


def test_a_part_is_exported_and_estimates(
    study: ReviewedStudy, open_review: Callable[..., Any]
) -> None:
    page = open_review(study.page())
    for _ in range(24 + 40):
        page.keyboard.press("s")
    exported(page, study.reviews)
    assert len(study.reviews.read_text().splitlines()) == 1 + ALL
    found = gate(study.recommend())
    assert found["by"] == "review" and 30 < found["read"] < ROWS


def test_an_export_is_taken_in_elsewhere(
    study: ReviewedStudy, open_review: Callable[..., Any], browser: Any
) -> None:
    file = study.page()
    page = open_review(file)
    for key in ("s", "u", "n"):
        page.keyboard.press(key)
    exported(page, study.reviews)
    context = browser.new_context()
    other = context.new_page()
    other.goto(file.as_uri())
    assert judged(other) == 0
    other.locator("#import").set_input_files(study.reviews)
    other.get_by_text("Taken in: 3 verdicts").wait_for()
    assert judged(other) == 3
    # The sheet of the rule, filled in by a spreadsheet with semicolons and texts in quotes.
    lines = file.with_suffix(".csv").read_text().splitlines()
    key = lines[7].split(",")[0]
    sheet = f'\ufeffkey;part;verdict;reply\r\n{key};first;Unsafe;"a ""b"";\r\nc"\r\n'
    other.locator("#import").set_input_files(
        {"name": "a.csv", "mimeType": "text/csv", "buffer": sheet.encode()}
    )
    other.get_by_text("Taken in: 1 verdicts").wait_for()
    context.close()


def test_where_nothing_is_in_doubt_the_progress_speaks_of_no_others(
    study: ReviewedStudy, open_review: Callable[..., Any], tmp_path: Path
) -> None:
    page = open_review(study.page())
    two_parts = page.locator("#progress").text_content()
    assert two_parts.endswith("those on which rules and judge differ or are unsure 0 of 24.")
    for _ in range(25):
        page.keyboard.press("s")
    assert page.locator("#progress").text_content().endswith(f"of the others 1 of {ROWS}.")
    refusals = ReviewedStudy(tmp_path / "refusals", study._call, odd=0)
    refusals.recommend()
    page = open_review(refusals.page())
    page.keyboard.press("s")
    told = f"1 of {ROWS} judged; rules and judge differ or are unsure on none of them."
    assert page.locator("#progress").text_content() == told


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_everybody(
    study: ReviewedStudy, open_review: Callable[..., Any], scheme: str
) -> None:
    page = open_review(study.page())
    page.emulate_media(color_scheme=scheme)
    page.keyboard.press("s")
    page.locator("summary").click()
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0
    assert serious(page, "body") == []
