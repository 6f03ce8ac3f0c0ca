"""Untrusted text is shown as what it is."""

import pytest

from sftstudy.pages.text import cut, in_words, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\n\ttext", "plain\n\ttext"),
        ("a\r\nb", "a\nb"),
        ("over\rwritten", "over⟦U+000D⟧written"),
        ("\x00\x1b[31m\x7f\x85", "⟦U+0000⟧⟦U+001B⟧[31m⟦U+007F⟧⟦U+0085⟧"),
        ("\u202egnp.exe\u202c", "⟦U+202E⟧gnp.exe⟦U+202C⟧"),
        ("\u2066\u2069\u061c\u200f", "⟦U+2066⟧⟦U+2069⟧⟦U+061C⟧⟦U+200F⟧"),
        ("a\u200bb\ufeff\u2028", "a⟦U+200B⟧b⟦U+FEFF⟧⟦U+2028⟧"),
        ("\U000e0041", "⟦U+E0041⟧"),
        ("\ud800", "⟦U+D800⟧"),
        ("é e\u0301 שלום 👩\u200d👧 naïve", "é e\u0301 שלום 👩\u200d👧 naïve"),
        ("Z" + "\u0336" * 300, "Z" + "\u0336" * 4 + "⟦…marks⟧"),
    ],
)
def test_characters_that_hide_or_reorder_become_visible(text: str, shown: str) -> None:
    assert visible(text) == shown
    visible(text).encode("utf-8")


def test_long_text_is_cut_with_the_number_of_missing_characters() -> None:
    assert cut("short", 10) == "short"
    text = "a" * 500 + "b" * 499_500 + "c" * 500_000
    shown = cut(text, 300, keep_end=100)
    assert shown.startswith("a" * 200) and shown.endswith("c" * 100)
    assert "999,700 characters cut" in shown and len(shown) < 400


def test_greedy_replies_need_no_words_and_drawn_ones_have_some() -> None:
    assert in_words(None) == ""
    one = in_words({"samples": 1, "temperature": 1.0, "top_p": 1.0})
    assert one == "1 reply a prompt, sampled at temperature 1"
    many = in_words({"samples": 8, "temperature": 0.75, "top_p": 0.9})
    assert many == "8 replies a prompt, sampled at temperature 0.75 from the top 0.9"
