"""Making untrusted text fit to be shown: what cannot be seen, or deceives, becomes visible.

Escaping for HTML is the template's work (autoescape) or the browser's (``textContent``). What is
left is text that is harmless as markup and still lies to its reader.
"""

import re

from sftstudy.documents.decoding import Decoding

# Control characters other than tab and line feed; formatting characters that reorder or hide text
# (Unicode 16, section 23.2, and UAX #9 for the bidirectional ones); tags, which hide whole
# sentences; lone surrogates, which cannot be written as UTF-8.
_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e"
    r"\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
# More marks than any script needs pile up on one letter and cover the lines around it.
_MARK = r"[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u20d0-\u20ff]"
_PILED_MARKS = re.compile(rf"({_MARK}{{4}}){_MARK}+")


def visible(text: str) -> str:
    """Return `text` with a name in place of every character that hides, reorders or breaks.

    The name is the code point, ``⟦U+202E⟧``, which needs no font with control pictures. Line feeds
    and tabs stay; CR LF counts as one line feed.
    """
    text = text.replace("\r\n", "\n")
    return _PILED_MARKS.sub(r"\1⟦…marks⟧", _UNSEEN.sub(_symbol, text))


def cut(text: str, limit: int, keep_end: int = 0) -> str:
    """Return at most about `limit` characters of `text`, with a note of how many are missing.

    `keep_end` of them are the last ones: a prompt's question stands at its end.
    """
    if len(text) <= limit:
        return visible(text)
    start = text[: limit - keep_end]
    end = text[len(text) - keep_end :]
    missing = len(text) - limit
    return f"{visible(start)} ⟦… {missing:,} characters cut …⟧ {visible(end)}".rstrip()


def place(evalset: str) -> str:
    """Return an eval set as people say it: a test split by its task, others by their name."""
    return evalset.removesuffix(".test")


def _symbol(match: re.Match) -> str:
    return f"⟦U+{ord(match[0]):04X}⟧"


def in_words(decoding: Decoding | None) -> str:
    """Return how replies were drawn; nothing where each row got one greedy reply."""
    if not decoding:
        return ""
    number = decoding["samples"]
    of = f" from the top {decoding['top_p']:g}" if decoding["top_p"] < 1 else ""
    return (
        f"{number} {'reply' if number == 1 else 'replies'} a prompt, sampled at temperature "
        f"{decoding['temperature']:g}{of}"
    )
