r"""From a reply to its answers: the boxes, what is in them, and the scale they end with.

**Which boxes count.** Boxes with nothing but commas, semicolons, "and", list marks and blanks
between them form one run, a run is one answer with a part per box. Of several runs the last is
meant: what comes before it is working. A box within a box is part of the outer one. A box that is
never closed ends with its line.
"""

import re
from dataclasses import dataclass

from sftstudy.tasks.tatqa.official import is_number

# No answer of the source is a third as long; more than this of a box is not read.
LONGEST = 2_000

_TOKEN = re.compile(r"\\boxed\s*\{|\\[{}]|[{}]")
_SEPARATOR = re.compile(
    r"[\s,;$*•·-]*(?:(?:and|&)[\s$*]*|(?<=\s)\(?\d{1,2}[.)][\s$*]*)?", re.IGNORECASE
)
# LaTeX that wraps an answer without changing it.
_WRAPPER = re.compile(r"\\(?:boxed|text\w*|mathrm|mathbf|mathit|mbox|operatorname)\s*(?=\{)")
_BRACE = re.compile(r"(?<!\\)[{}]")
_DIGIT_SPACE = re.compile(r"(?<=\d)(?:\\[,!;:]|~)(?=\d)")
_SPACE = re.compile(r"\\(?:[,!;: ]|q?quad\b)|~")
_ABOUT = re.compile(r"^\s*(?:\\approx\b|\\sim\b|≈|=)\s*")
_ESCAPE = re.compile(r"\\([{}%$&#_])")
_SCALE_WORD = re.compile(r"\s(thousand|million|billion|percent)s?\.?$", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """The parts of an answer and their common scale ('' where they have none in common)."""

    parts: list[str]
    scale: str

    def __str__(self) -> str:
        return ", ".join(self.parts) + (f" [{self.scale}]" if self.scale else "")


def read_answer(reply: str) -> Answer | None:
    r"""Return the answer that a reply puts into ``\boxed{}``, or None.

    The scale is read from the box of a *number* only: the word is then taken off, while a per cent
    sign stays (the official definition treats it apart). Where the boxes of a run disagree, each
    keeps its own word and the answer has no common scale.
    """
    parts = [part for part in map(clean, _last_run(reply)) if part]
    if not parts:
        return None
    split = [split_scale(part) for part in parts]
    scales = {scale for _, scale in split}
    if len(scales) == 1:
        return Answer([part for part, _ in split], scales.pop())
    return Answer(parts, "")


def clean(content: str) -> str:
    """Return the content of a box without LaTeX wrappers, escapes and superfluous blanks."""
    content = _ABOUT.sub("", _BRACE.sub("", _WRAPPER.sub("", content)))
    content = _SPACE.sub(" ", _DIGIT_SPACE.sub("", content))
    return " ".join(_ESCAPE.sub(r"\1", content).split())


def split_scale(part: str) -> tuple[str, str]:
    """Return a number without its scale word, and the scale; any other text with ''."""
    word = _SCALE_WORD.search(part)
    if word and is_number(part[: word.start()]):
        return part[: word.start()].rstrip(), word.group(1).lower()
    if part.endswith("%") and is_number(part):
        return part, "percent"
    return part, ""


def _last_run(text: str) -> list[str]:
    """Return the contents of the last boxes that follow each other, in order."""
    run: list[str] = []
    previous = None
    for start, inner, end, after in _boxes(text):
        if previous is not None and not _SEPARATOR.fullmatch(text, previous, start):
            run = []
        run.append(text[inner : min(end, inner + LONGEST)])
        previous = after
    return run


def _boxes(text: str) -> list[tuple[int, int, int, int]]:
    """Return (start, start of content, end of content, end) of the outermost boxes, in order.

    One pass with a stack, so that a megabyte of open braces costs no more than any other text.
    """
    boxes: list[tuple[int, int, int, int]] = []
    open_braces: list[re.Match[str]] = []
    first = text.find(r"\boxed")
    for token in _TOKEN.finditer(text, first) if first >= 0 else ():
        symbol = token.group()
        if symbol == "{" or symbol.startswith(r"\boxed"):
            open_braces.append(token)
        elif symbol == "}" and open_braces:
            opening = open_braces.pop()
            if opening.group() != "{":
                boxes.append((opening.start(), opening.end(), token.start(), token.end()))
    line_end = -1
    for opening in open_braces:
        if opening.group() != "{":
            if line_end < opening.end():
                line_end = text.find("\n", opening.end())
                line_end = len(text) if line_end < 0 else line_end
            boxes.append((opening.start(), opening.end(), line_end, line_end))
    outermost: list[tuple[int, int, int, int]] = []
    for box in sorted(boxes):
        if not outermost or box[0] >= outermost[-1][3]:
            outermost.append(box)
    return outermost
