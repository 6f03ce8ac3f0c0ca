"""The report in a real browser: quiet, usable, and unmoved by what models wrote.

Needs Chromium and Playwright's Python package (no browser download of Playwright's own)::

    apt-get install -y chromium

Screenshots go to ``results/test-artefacts``: look at them after a change of the page.
"""

from pathlib import Path

import pytest

from report_in_browser import ARTEFACTS, both_pages, full_page, small_page

SECTIONS = (
    "verdicts",
    "metrics",
    "forgetting",
    "configurations",
    "predictions",
    "data",
    "provenance",
)


def column(page, number: int, table: str = "#key-metrics") -> list[str]:
    """Return the visible texts of a column, without the small print."""
    script = """([table, number]) => [...document.querySelectorAll(`${table} tbody tr`)]
        .filter((row) => !row.hidden).map((row) => row.cells[number].dataset.value
          ?? row.cells[number].firstChild.textContent)"""
    return page.evaluate(script, [table, number])


@both_pages
def test_page_opens_quietly_with_all_sections(opened) -> None:
    for section in SECTIONS:
        assert opened.locator(f"#{section}").is_visible()
    width = "document.documentElement.scrollWidth"
    assert opened.evaluate(width) == 1400, "the page itself must not scroll sideways"


@both_pages
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_screenshots_of_a_page_that_fits(opened, width: int, scheme: str, request) -> None:
    opened.emulate_media(color_scheme=scheme)
    opened.set_viewport_size({"width": width, "height": 900})
    assert opened.evaluate("document.documentElement.scrollWidth") == width
    paper = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, paper.removeprefix("rgb(").removesuffix(")").split(","))) / 3
    assert (brightness > 128) == (scheme == "light")
    size = request.node.callspec.params["opened"]
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    opened.screenshot(path=ARTEFACTS / f"report-{size}-{width}-{scheme}.png", full_page=True)


@full_page
def test_full_size_page_is_small_and_complete(opened, full: Path) -> None:
    assert full.stat().st_size < 5_000_000
    assert opened.locator("#verdicts article.verdict").count() == 5
    assert opened.locator("#key-metrics tbody tr").count() == 5 * 5
    assert opened.locator("#configurations details.student").count() == 5
    assert opened.locator("#forgetting svg").count() == 5


@full_page
def test_columns_sort_both_ways_and_missing_ones_stay_last(opened) -> None:
    head = opened.locator("#key-metrics th", has_text="banking77.test")
    head.locator("button").click()
    falling = [float(value) for value in column(opened, 1)]
    assert falling == sorted(falling, reverse=True) and falling[0] > falling[-1]
    assert head.get_attribute("aria-sort") == "descending"
    head.locator("button").click()
    rising = [float(value) for value in column(opened, 1)]
    assert rising == falling[::-1] or rising == sorted(rising)
    assert head.get_attribute("aria-sort") == "ascending"
    opened.locator("#key-metrics th button").first.click()
    assert column(opened, 0) == sorted(column(opened, 0), key=str.lower)
    # The first student lacks a trial on nl2sql: its line is last in both directions.
    nl2sql = opened.locator("#regret-1 th", has_text="nl2sql").locator("button")
    for _ in range(2):
        nl2sql.click()
        assert column(opened, 6, "#regret-1")[-1] == "missing"


@full_page
def test_filters_narrow_the_table_and_say_so(opened) -> None:
    form = opened.locator("form.filters[data-table=key-metrics]")
    form.get_by_label("Student").select_option("gemma-3-4b-it")
    assert column(opened, 0) == ["gemma-3-4b-it"] * 5
    form.get_by_label("Variant").select_option("tuned on tatqa")
    assert len(column(opened, 0)) == 1
    assert form.locator("output").text_content() == "1 of 25"
    form.get_by_label("Contains").fill("no such student")
    assert column(opened, 0) == []
    form.get_by_label("Contains").fill("")
    form.get_by_label("Student").select_option("")
    assert len(column(opened, 0)) == 5


@small_page
def test_print_unfolds_everything_and_leaves_the_controls_out(opened) -> None:
    opened.emulate_media(media="print")
    opened.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert opened.locator("details:not([open])").count() == 0
    assert not opened.locator("nav").is_visible()
    assert not opened.locator("form.filters").first.is_visible()
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    opened.pdf(path=ARTEFACTS / "report-small.pdf", format="A4")
