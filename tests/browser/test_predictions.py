"""The browser of replies in a real browser."""

from report_in_browser import full_page, small_page


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
