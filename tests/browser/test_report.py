"""The report in a real browser: quiet, usable, and unmoved by what models wrote.

Needs Chromium and Playwright's Python package (no browser download of Playwright's own)::

    apt-get install -y chromium

Screenshots go to ``results/test-artefacts``: look at them after a change of the page.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from repository import ROOT
from synthetic_study import Study, write_report, write_study

ARTEFACTS = ROOT / "results" / "test-artefacts"
NAMES = ("chromium", "chromium-browser", "google-chrome")
SECTIONS = (
    "verdicts",
    "metrics",
    "forgetting",
    "configurations",
    "predictions",
    "data",
    "provenance",
)


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Report of a full-size study: 5 students, 4 tasks, 12 trials, one of them missing."""
    gone = (("Qwen3-4B-Instruct-2507", "nl2sql", "lr5e-05_ep3_bs2"),)
    study = Study(tmp_path_factory.mktemp("full"), rows=24, missing=gone, attacks=True)
    write_study(study)
    return write_report(study)


@pytest.fixture
def opened(browser, request: pytest.FixtureRequest) -> Iterator:
    """Open a report; afterwards nothing was said on the console and nothing was asked for."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    trouble: list[str] = []
    page.on("console", lambda message: trouble.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
    page.on("dialog", lambda dialog: trouble.append(f"dialog: {dialog.message}"))
    page.on("request", lambda asked: trouble.append(f"request: {asked.url[:200]}"))
    file = request.getfixturevalue(request.param)
    page.goto(file.as_uri())
    page.locator("#samples article").first.wait_for()
    trouble.remove(f"request: {file.as_uri()}")
    yield page
    assert page.evaluate("window.attacked") is None
    assert trouble == []
    context.close()


FULL = pytest.param("full", marks=pytest.mark.slow)
small_page = pytest.mark.parametrize("opened", ["small"], indirect=True)
full_page = pytest.mark.parametrize("opened", [FULL], indirect=True)
both_pages = pytest.mark.parametrize("opened", ["small", FULL], indirect=True)


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


@full_page
def test_browser_of_predictions_filters_by_outcome(opened) -> None:
    pick = opened.locator("#pick")
    for wanted in ("fixed", "both wrong", "both right", "invalid"):
        pick.get_by_label(wanted, exact=True).check()
        while opened.locator("#more").is_visible():
            opened.locator("#more").click()
        heads = opened.locator("#samples article h4").all_text_contents()
        assert heads and all(wanted in head for head in heads), wanted
    pick.get_by_label("all", exact=True).check()
    pick.get_by_label("Student").select_option("gemma-3-4b-it")
    variant = pick.get_by_label("Variant").locator("option").last.text_content()
    pick.get_by_label("Variant").select_option(variant)
    note = opened.locator("#cell").text_content()
    assert note.startswith("All 24 replies")
    links = opened.locator("#cell a").evaluate_all("all => all.map((a) => a.getAttribute('href'))")
    evalset = pick.get_by_label("Evaluated on").input_value()
    assert links == [
        f"../predictions/gemma-3-4b-it/{name}/{evalset}.jsonl" for name in ("base", variant)
    ]


@full_page
def test_a_number_leads_to_its_replies(opened) -> None:
    link = opened.locator("#verdict-2 .gains a.drill", has_text="broken").nth(1)
    count = int(link.inner_text().split()[0])
    link.focus()
    opened.keyboard.press("Enter")
    pick = opened.locator("#pick")
    wanted = link.evaluate("(a) => ({...a.dataset})")
    for label, name in (("Student", "student"), ("Variant", "variant")):
        assert pick.get_by_label(label).input_value() == wanted[name]
    assert pick.get_by_label("Evaluated on").input_value() == wanted["evalset"]
    assert pick.get_by_label("broken", exact=True).is_checked()
    assert f" {count} broken" in opened.locator("#cell").text_content()
    assert opened.evaluate("location.hash") == "#predictions"


@small_page
def test_attack_strings_stay_text(opened) -> None:
    while opened.locator("#more").is_visible():
        opened.locator("#more").click()
    assert opened.locator("#samples :is(script, img, svg, iframe, a)").count() == 0
    text = opened.locator("#samples").inner_text()
    for shown in (
        '<script>window.attacked = "script"</script>',
        '<img src=x onerror="window.attacked=1">',
        "{{ 7 * 7 }} ${7*7} {% raw %}",
        "⟦U+202E⟧gnp.exe",
        "⟦U+0000⟧",
        "characters cut",
        "javascript:alert(1)",
    ):
        assert shown in text, shown
    assert "\u202e" not in text and "\x1b" not in text
    widest = "Math.max(...[...document.querySelectorAll('#samples *')].map((e) => e.offsetWidth))"
    assert opened.evaluate(widest) <= 1180


@small_page
def test_print_unfolds_everything_and_leaves_the_controls_out(opened) -> None:
    opened.emulate_media(media="print")
    opened.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert opened.locator("details:not([open])").count() == 0
    assert not opened.locator("nav").is_visible()
    assert not opened.locator("form.filters").first.is_visible()
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    opened.pdf(path=ARTEFACTS / "report-small.pdf", format="A4")
