"""The browser of replies in a real browser: what it shows, how it is reached, what it says."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from report_in_browser import ARTEFACTS, both_pages, follow, full_page, serious, small_page

pytestmark = pytest.mark.slow

LABELS = {
    "student": "Student",
    "trained": "Trained on",
    "trial": "Trial",
    "evalset": "Evaluated on",
}
GEMMA, SMOL = "gemma-3-4b-it", "SmolLM2-135M-Instruct"
CONTROL = "simple_safety_tests"


def address(**values: str) -> str:
    return f"#predictions?{urlencode(values)}"


def state(page: Any) -> dict[str, str]:
    """Return what the form says is shown."""
    form = page.locator("#pick")
    chosen = {name: form.get_by_label(label).input_value() for name, label in LABELS.items()}
    chosen["outcome"] = form.locator("[name=outcome]:checked").input_value()
    return chosen | {"search": form.get_by_label("Search").input_value()}


def options(page: Any, name: str) -> list[str]:
    return page.locator(f"#pick [name={name}] option").evaluate_all("all => all.map(o => o.value)")


def whole_list(page: Any) -> list[str]:
    """Show all replies that are chosen; return the ids in order."""
    while page.locator("#more").is_visible():
        page.locator("#more").click()
    return page.locator("#samples article h3 code").all_text_contents()


def outcomes(page: Any) -> dict[str, int]:
    """Return the chooser: each outcome with its number."""
    script = """all => all.map(label => [label.querySelector("input").value,
        Number(label.querySelector("b").textContent)])"""
    return dict(page.locator("#outcomes label").evaluate_all(script))


def count(page: Any) -> str:
    return page.locator("#count").text_content()


def metrics(report: Path, student: str, variant: str, evalset: str) -> list[dict]:
    file = report.parents[1] / f"metrics/{student}/{variant}/{evalset}.json"
    return json.loads(file.read_text())["items"]


def failed_gate(report: Path) -> dict[str, Any]:
    """Return a gate that a trial fails which the page shows nowhere else."""
    tables = report.parents[1] / "tables"
    shown = {
        row["student"]: row["chosen"] or row["least_violating"]
        for row in json.loads((tables / "recommendations.json").read_text())
    }
    gates = json.loads((tables / "gates.json").read_text())
    return next(
        gate
        for gate in gates
        if not gate["passes"]
        and gate["trial"] != shown[gate["student"]]
        and gate["control"] == CONTROL
        and gate["evidence"] != "missing"
    )


# -- what a number counted -----------------------------------------------------------------------


@full_page
def test_outcomes_have_the_counts_of_all_replies_and_lead_to_them(opened, full: Path) -> None:
    opened.evaluate("hash => { location.hash = hash }", address(student=GEMMA, trained="tatqa"))
    opened.wait_for_function(
        "name => document.querySelector('[name=student]').value === name", arg=GEMMA
    )
    now = state(opened)
    variant = f"tatqa/{now['trial']}"
    before = {i["id"]: i["correct"] for i in metrics(full, GEMMA, "base", now["evalset"])}
    after = metrics(full, GEMMA, variant, now["evalset"])
    pairs = [(before[item["id"]], item["correct"]) for item in after]
    expected = {
        "all": len(pairs),
        "wrong": sum(not tuned for _, tuned in pairs),
        "right": sum(tuned for _, tuned in pairs),
        "fixed": pairs.count((False, True)),
        "broken": pairs.count((True, False)),
        "both wrong": pairs.count((False, False)),
        "both right": pairs.count((True, True)),
        "invalid": sum(item["prediction"] is None for item in after),
    }
    assert outcomes(opened) == expected and list(expected) == list(outcomes(opened))
    for name, number in expected.items():
        radio = opened.locator(f"#outcomes input[value='{name}']")
        assert radio.is_disabled() == (number == 0), name
        if not number:
            continue
        opened.get_by_label(f"{name} {number}", exact=True).check()
        assert len(whole_list(opened)) == number, "so small a cell is in the page as a whole"
        heads = opened.locator("#samples article h3").all_text_contents()
        tuned = opened.locator("#samples article .reply:last-child h4").all_text_contents()
        if name in ("wrong", "right"):
            assert all(name in head for head in tuned), name
        elif name != "all":
            assert all(name in head for head in heads), name
        assert f"{number} " in count(opened)
    assert 0 in expected.values(), "this study shows a disabled one, too"


@full_page
def test_a_number_leads_to_its_replies(opened) -> None:
    """Gains and gates: as many replies as the link says, on a keyboard."""
    cells = (("td[data-label=gain]", "broken"), ("td[data-label^=ifeval]", "wrong"))
    for place, outcome in cells:
        link = opened.locator(f"#verdicts {place} a[href*='outcome={outcome}']").nth(1)
        number, word = link.inner_text().split()
        assert word == {"broken": "broken", "wrong": "failed"}[outcome]
        link.focus()
        follow(opened, lambda: opened.keyboard.press("Enter"))
        assert state(opened)["outcome"] == outcome
        assert outcomes(opened)[outcome] == int(number) > 0
        assert f"{number} of 200 replies: {outcome}" in count(opened)
        assert len(whole_list(opened)) == int(number)
        opened.keyboard.press("Tab")
        inside = "document.querySelector('#predictions').contains(document.activeElement)"
        assert opened.evaluate(inside), "reading goes on at the replies"


@full_page
def test_numbers_without_replies_are_no_links(opened) -> None:
    for words in opened.locator("#verdicts a[href^='#predictions']").all_text_contents():
        assert int(words.split()[0].replace(",", "")) > 0


@full_page
def test_a_gate_that_a_trial_fails_has_its_replies(opened, open_page, full: Path) -> None:
    gate = failed_gate(full)
    student, trained, trial = gate["student"], gate["task"], gate["trial"]
    place = address(student=student, trained=trained, trial=trial, evalset=CONTROL, outcome="wrong")
    page = open_page(full, place)
    items = metrics(full, student, f"{trained}/{trial}", CONTROL)
    failing = {item["id"] for item in items if not item["correct"]}
    assert outcomes(page)["wrong"] == len(failing) == round(gate["n"] * (1 - gate["value"]))
    assert set(whole_list(page)) == failing
    note = page.locator("#cell").text_content()
    assert "by safe_rate, the metric of the gate on simple_safety_tests" in note
    assert gate["rule"] in note and "this checkpoint fails it" in note
    assert not any(name.endswith(".test") for name in options(page, "evalset"))
    lead = page.locator("#predictions .lead").text_content()
    assert "Test splits of trials that were not chosen stay out of sight on purpose" in lead


@small_page
def test_the_page_says_by_which_metric_a_reply_is_right(opened) -> None:
    pick = opened.locator("#pick")
    pick.get_by_label("Trained on").select_option("tatqa")
    pick.get_by_label("Evaluated on").select_option("tatqa.test")
    assert "by em, the primary metric of tatqa" in opened.locator("#cell").text_content()
    pick.get_by_label("Evaluated on").select_option("ifeval")
    note = opened.locator("#cell").text_content()
    assert "by prompt_strict, the metric of the gate on ifeval" in note
    links = opened.locator("#cell a").evaluate_all("all => all.map((a) => a.getAttribute('href'))")
    trial = state(opened)["trial"]
    assert links == [
        "../predictions/smoke/base/ifeval.jsonl",
        f"../predictions/smoke/tatqa/{trial}/ifeval.jsonl",
        "../data/ifeval/test.jsonl",
    ]


# -- addresses -----------------------------------------------------------------------------------


@full_page
def test_every_state_is_an_address_that_opens_again(opened, open_page, full: Path) -> None:
    pick = opened.locator("#pick")
    pick.get_by_label("Student").select_option(GEMMA)
    pick.get_by_label("Trained on").select_option("nl2sql")
    pick.get_by_label("Trial").select_option(options(opened, "trial")[3])
    pick.locator("[value='both wrong']").check()
    pick.get_by_label("Search").fill("split? & #1")
    opened.wait_for_function("() => location.hash.includes('search')")
    wanted = state(opened)
    assert wanted["evalset"] == "nl2sql.val" and wanted["outcome"] == "both wrong"
    again = open_page(full, opened.evaluate("location.hash"))
    assert state(again) == wanted
    assert count(again) == count(opened)
    again.reload()
    again.locator("#pick").wait_for()
    assert state(again) == wanted


@full_page
def test_back_and_forward_restore_what_links_showed(opened) -> None:
    links = opened.locator("#verdicts a[href*='outcome=broken']")
    places = [links.nth(0).get_attribute("href"), links.nth(2).get_attribute("href")]
    seen = []
    for index in (0, 2):
        follow(opened, links.nth(index).click)
        seen.append(state(opened))
    assert seen[0] != seen[1] and places[0] != places[1]
    opened.go_back()
    assert state(opened) == seen[0]
    opened.go_forward()
    assert state(opened) == seen[1]


@small_page
def test_what_an_address_cannot_mean_is_ignored_with_a_sentence(opened, open_page, small) -> None:
    default = state(opened)
    assert opened.locator("#not-found").text_content() == ""
    strange = {
        "student": "Mistral-of-another-study",
        "trial": "__proto__",
        "evalset": "<img src=x onerror=window.attacked=1>",
        "outcome": "constructor",
        "row": "toString",
        "unheard-of": "1",
    }
    page = open_page(small, address(**strange))
    assert state(page) == default
    told = page.locator("#not-found").text_content()
    for name in ("student", "trial", "evalset", "outcome", "row"):
        assert f"“{strange[name]}”" in told
    for broken in ("#%E0%A4%A", "#predictions?%", "#predictions?student=%FF&search=(%5B*%5C"):
        page = open_page(small, broken)
        assert {**state(page), "search": ""} == default
    page.locator("#pick").get_by_label("Search").fill("")
    page.locator("#pick [value=wrong]").check()
    assert page.locator("#not-found").text_content() == "", "said until something is chosen"


@pytest.mark.slow
@small_page
def test_one_reply_can_be_linked(opened, open_page, request: pytest.FixtureRequest) -> None:
    ids = whole_list(opened)
    article = opened.locator("#samples article").nth(7)
    link = article.get_by_role("link", name=f"link to reply {ids[7]}")
    place = link.get_attribute("href")
    follow(opened, link.click)
    assert opened.evaluate("location.hash") == place
    file = request.getfixturevalue(request.node.callspec.params["opened"])
    for page in (opened, open_page(file, place)):
        page.wait_for_function("""() => {
            const { top, bottom } = document.querySelector(".linked").getBoundingClientRect();
            return top >= 0 && bottom <= innerHeight; }""")
        first = page.locator("#samples article").first
        assert "linked" in first.get_attribute("class")
        assert "the reply of this link" in first.locator("h3").text_content()
        assert whole_list(page) == [ids[7], *ids[:7], *ids[8:]]
        assert page.locator(".linked").count() == 1
    opened.locator("#pick [value=right]").check()
    assert opened.locator(".linked").count() == 0
    assert "row=" not in opened.evaluate("location.hash")


# -- trials and the page's filter ----------------------------------------------------------------


@full_page
def test_trials_are_told_by_their_hyperparameters_the_chosen_one_first(opened, full: Path) -> None:
    opened.locator("#pick").get_by_label("Trained on").select_option("nl2sql")
    found = opened.locator("#pick [name=trial] option").evaluate_all(
        "all => all.map(o => [o.value, o.title, o.textContent])"
    )
    [shown, *_] = json.loads((full.parents[1] / "tables/recommendations.json").read_text())
    word = "chosen" if shown["chosen"] else "least violating"
    assert found[0][0] == (shown["chosen"] or shown["least_violating"])
    assert [label for *_, label in found if f"({word})" in label] == [found[0][2]]
    assert len(found) == 11, "one of the twelve is missing"
    for value, title, label in found:
        assert title == value
        rate, epochs, size = re.fullmatch(r"lr(.+)_ep(\d+)_bs(\d+)", value).groups()
        expected = f"learning rate {float(rate):.0e}".replace("e-0", "e-")
        assert label.removesuffix(f" ({word})") == f"{expected}, epochs {epochs}, batch size {size}"


@full_page
def test_predictions_follow_the_filter_of_the_page(opened, open_page, full: Path) -> None:
    opened.locator("#filter [name=only]").select_option(SMOL)
    assert options(opened, "student") == [SMOL] == [state(opened)["student"]]
    opened.locator("#filter [name=task]").select_option("tatqa")
    assert options(opened, "trained") == ["tatqa"]
    opened.locator("#pick [value=wrong]").check()
    wanted = state(opened)
    again = open_page(full, opened.evaluate("location.hash"))
    assert state(again) == wanted and options(again, "student") == [SMOL]
    # A link keeps the filter, and so does one that goes elsewhere; the replies stay, too.
    follow(again, again.locator("#samples article h3 a").nth(1).click)
    assert again.locator(".linked").count() == 1
    assert again.locator("#filter [name=only]").input_value() == SMOL
    follow(again, again.locator("nav a[href='#data']").click)
    assert again.locator("#filter [name=only]").input_value() == SMOL
    assert state(again)["student"] == SMOL and again.locator(".linked").count() == 1
    again.locator("#filter [name=only]").select_option("")
    again.locator("#filter [name=task]").select_option("")
    assert len(options(again, "student")) == 5 and len(options(again, "trained")) == 4


# -- search and download -------------------------------------------------------------------------


@small_page
def test_search_marks_hits_in_all_texts_and_says_how_many(opened) -> None:
    pick, samples = opened.locator("#pick"), opened.locator("#samples")
    pick.get_by_label("Trained on").select_option("tatqa")
    pick.get_by_label("Evaluated on").select_option("tatqa.test")
    search = pick.get_by_label("Search")
    for wanted, where in (
        ("QUESTION 3", ".prompt"),
        ("27 MILLION", ".reference"),
        ("tatqa-test-2", "h3 code"),
        ("several answers", ".reply"),
    ):
        search.fill(wanted)
        opened.wait_for_function(
            "text => document.querySelector('#count').textContent.includes(text)",
            arg=f"“{wanted}”",
        )
        hits = samples.locator(f"article {where} mark")
        assert hits.count() > 0, where
        assert {text.lower() for text in samples.locator("mark").all_text_contents()} == {
            wanted.lower()
        }
        found = len(whole_list(opened))
        assert f"{found} of 40 in this page contain “{wanted}”" in count(opened)
        assert found == samples.locator("article:has(mark)").count() < 40
    assert "what only the files have is not searched" in count(opened)
    assert opened.locator("#cell a").count() == 3
    search.fill("no such text (")
    opened.wait_for_function("() => document.querySelectorAll('#samples article').length === 0")
    assert "0 of 40" in count(opened) and opened.locator("#download").is_disabled()


@small_page
def test_what_is_searched_is_text_and_unfolds_where_it_is(opened) -> None:
    search = opened.locator("#pick").get_by_label("Search")
    search.fill("<IMG SRC=X onerror=")
    opened.locator("#samples mark").first.wait_for()
    assert opened.locator("#samples :is(script, img, svg, iframe)").count() == 0
    assert opened.locator("#samples mark").first.text_content() == "<img src=x onerror="
    search.fill("characters cut")
    opened.locator("#samples mark", has_text="characters cut").first.wait_for()
    assert opened.locator("#samples .prompt mark").count() == 1
    assert opened.locator("#samples .reply mark").count() == 4, "of two rows"


@small_page
def test_download_holds_exactly_what_is_shown(opened, small: Path, tmp_path: Path) -> None:
    pick = opened.locator("#pick")
    for outcome, search in (("all", ""), ("right", ""), ("all", "split")):
        pick.locator(f"[value='{outcome}']").check()
        pick.get_by_label("Search").fill(search)
        opened.wait_for_function(
            "wanted => location.hash.includes('search') === wanted", arg=bool(search)
        )
        ids = whole_list(opened)
        button = opened.get_by_role("button", name=f"Download these {len(ids)} (JSONL)")
        with opened.expect_download() as waiting:
            button.click()
        now = state(opened)
        assert waiting.value.suggested_filename == "_".join(
            (now["student"], now["trained"], now["trial"], now["evalset"], f"{outcome}.jsonl")
        )
        waiting.value.save_as(tmp_path / "rows.jsonl")
        text = (tmp_path / "rows.jsonl").read_text(encoding="utf-8")
        rows = [json.loads(line) for line in text.splitlines()]
        assert [row["id"] for row in rows] == ids and len(ids) > 5
    keys = ["id", "outcome", "invalid", "prompt", "reference", "baseline", "tuned", "cut"]
    assert all(list(row) == keys for row in rows)
    results = small.parents[1]
    prompts = (results / "data/banking77/test.jsonl").read_text().splitlines()
    original = {row["id"]: row for row in map(json.loads, prompts)}
    whole = [row for row in rows if not row["cut"] and "⟦" not in row["prompt"]]
    assert len(whole) > 20
    for row in whole:
        assert row["prompt"] == original[row["id"]]["prompt"][0]["content"]
        assert row["reference"] == original[row["id"]]["completion"][0]["content"]
    [long] = [row for row in rows if row["id"] == "banking77-test-9"]
    assert long["cut"] == ["prompt", "baseline", "tuned"]
    assert "characters cut" in long["tuned"]


@small_page
def test_policy_of_the_page_is_as_strict_as_before(opened) -> None:
    policy = opened.locator("meta[http-equiv]").get_attribute("content")
    assert "default-src 'none'" in policy and "blob:" not in policy
    assert "connect-src" not in policy and "unsafe-eval" not in policy


# -- for everybody -------------------------------------------------------------------------------


@both_pages
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(opened, scheme: str) -> None:
    opened.emulate_media(color_scheme=scheme)
    assert serious(opened, "#predictions") == []
    pick = opened.locator("#pick")
    pick.locator("[value=right]").check()
    pick.get_by_label("Search").fill("question")
    opened.locator("#samples mark").first.wait_for()
    follow(opened, opened.locator("#samples article h3 a").first.click)
    assert opened.locator(".linked").count() == 1
    assert serious(opened, "#predictions") == []


@small_page
def test_everything_is_reached_by_tab_and_changes_are_announced(opened) -> None:
    opened.locator("#pick").get_by_label("Student").focus()
    reached = []
    for _ in range(14):
        reached.append(
            opened.evaluate("""() => {
                const one = document.activeElement;
                return one.name || one.id || one.textContent; }""")
        )
        opened.keyboard.press("Tab")
    fields = ["student", "trained", "trial", "evalset", "outcome", "search", "download"]
    files = ["baseline.jsonl", "tuned.jsonl", "prompts and references"]
    assert reached[:10] == [*fields, *files]
    assert "What all these prompts begin with" in reached and "link" in reached
    for name in ("#count", "#not-found"):
        assert opened.locator(name).get_attribute("role") == "status", "a polite live region"
    more = opened.locator("#more")
    assert opened.locator("#samples article").count() == 5
    assert more.text_content() == "Show more (35 left)"
    more.focus()
    opened.keyboard.press("Enter")
    assert opened.locator("#samples article").count() == 10
    focused = "[...document.querySelectorAll('#samples article')].indexOf(document.activeElement)"
    assert opened.evaluate(focused) == 5, "reading goes on at the first new one"


@small_page
def test_long_texts_are_folded_and_unfold(opened) -> None:
    ids = whole_list(opened)
    article = opened.locator("#samples article").nth(ids.index("banking77-test-9"))
    prompt = article.locator(".prompt")
    button = prompt.get_by_role("button")
    assert re.fullmatch(r"Whole prompt, \d+ characters", button.text_content())
    assert len(prompt.locator("pre").text_content()) < 450
    assert "Question 9" in prompt.text_content() and "Answer:" in prompt.text_content()
    button.click()
    assert button.get_attribute("aria-expanded") == "true"
    assert len(prompt.locator("pre").text_content()) > 1200
    button.click()
    assert len(prompt.locator("pre").text_content()) < 450
    assert article.locator(".reply h4").first.text_content().count("cut in this page") == 1


@small_page
def test_attack_strings_stay_text(opened) -> None:
    whole_list(opened)
    for button in opened.locator("#samples button.fold").all():
        button.click()
    assert opened.locator("#samples :is(script, img, svg, iframe)").count() == 0
    assert opened.locator("#samples a:not([href^='#predictions?'])").count() == 0
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


@both_pages
@pytest.mark.parametrize("width", [1400, 390])
def test_section_is_short_and_fits_its_window(opened, width: int, request) -> None:
    opened.set_viewport_size({"width": width, "height": 900})
    section = opened.locator("#predictions")
    box = section.bounding_box()
    assert box["height"] <= (2500 if width == 1400 else 4000)
    script = """width => [...document.querySelectorAll("#predictions *")]
        .filter(e => e.getBoundingClientRect().right > width).map(e => e.outerHTML.slice(0, 80))"""
    assert opened.evaluate(script, width) == []
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    size = request.node.callspec.params["opened"]
    section.screenshot(path=ARTEFACTS / f"predictions-{size}-{width}.png")


def test_without_javascript_nothing_empty_remains(browser: Any, small: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(small.as_uri())
    section = page.locator("#predictions")
    assert section.locator("select, input, button, #count").filter(visible=True).count() == 0
    assert "predictions/, a file for each" in section.inner_text()
    link = section.locator("noscript a").get_attribute("href")
    assert (small.parent / link).is_dir()
    context.close()
