r"""From a reply to the predictions that the official program scores: answers and their scale.

**Which boxes count.** Boxes with nothing but commas, semicolons, "and", list marks, blanks and
LaTeX's line ends and blanks between them form one run, a run is one answer with a part per box. Of
several runs the last is meant: what comes before it is working. A box within a box is part of the
outer one. A box that is never closed ends with its line. One box is one part: "2017, 2018" in one
box is no list. What stands outside of the boxes, a scale too, is no part of the answer.

**What a run says.** The program is given texts and their scale apart, a box holds both
(`readings`):

- A computed answer is a number in any notation: ``(1,234)`` is -1234, and so with a Unicode minus;
  ``4.%`` is 4 percent, ``.5`` is 0.5. Of an equation it is what stands last.
- Of a span, a scale behind a number is its scale: "12.5 million", with a dot behind it or not, is
  ("12.5", million).
- But there are gold texts that say their scale themselves, "$(9.8) million" without a scale. Beside
  such a gold the number is also taken as written, which to the program is -9.8.
- Any other text is taken as written, with the scale word that it ends in.
"""

import re
from dataclasses import dataclass

from sftstudy.tasks.tatqa.official import is_number

# No answer of the source is a third as long; more than this of a box is not read.
LONGEST = 2_000

_TOKEN = re.compile(r"\\boxed\s*\{|\\[{}]|[{}]")
_LATEX_SPACE = r"\\(?:[\\,;: ]|q?quad\b)"
_SEPARATOR = re.compile(
    rf"(?:[\s,;$*•·-]|{_LATEX_SPACE})*"
    rf"(?:(?:and|&|\\text\{{\s*and\s*\}})(?:[\s$*]|{_LATEX_SPACE})*"
    r"|(?<=\s)\(?\d{1,2}[.)][\s$*]*)?",
    re.IGNORECASE,
)
# LaTeX that wraps an answer without changing it.
_WRAPPER = re.compile(
    r"\\(?:boxed|text\w*|math(?:rm|bf|it|sf|tt|bb)|bm|boldsymbol|emph|underline|mbox|operatorname)\s*"
    r"(?=\{)|\\(?:display|text)style\b\s*"
)
_BRACE = re.compile(r"(?<!\\)[{}]")
_DIGIT_SPACE = re.compile(r"(?<=\d)\\[,!;:](?=\d)")
# LaTeX's tilde is a space; a report's says "about", and stands before an amount.
_SPACE = re.compile(r"\\(?:[,!;: ]|q?quad\b)|(?<=\w)~(?=[a-zA-Z])")
_ABOUT = re.compile(r"^\s*\\(?:approx|sim)\b\s*")
_ESCAPE = re.compile(r"\\([{}%$&#_])")
_SCALE = re.compile(r"(?:\s(thousand|million|billion|percent)s?|\s?%)\.?$", re.IGNORECASE)
_EQUALS = re.compile("[=≈]")
_MINUS = str.maketrans("\N{MINUS SIGN}\N{EN DASH}", "--")
_NUMBER = re.compile(
    r"(?:[=~≈]\s*)?(?P<before>[-+($€£¥\s]*)(?P<digits>\d[\d,]*(?:\.\d*)?|\.\d+)(?P<after>[)%$€£¥\s]*)"
    r"(?:(?P<word>thousand|million|billion|percent)s?)?\.?",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True)
class Answer:
    """A prediction: the parts of an answer and their common scale ('' for none)."""

    parts: list[str]
    scale: str

    def __str__(self) -> str:
        return ", ".join(self.parts) + (f" [{self.scale}]" if self.scale else "")


def boxed_parts(reply: str) -> list[str]:
    r"""Return what stands in the ``\boxed{}`` that count, cleaned; empty ones are left out."""
    return [part for part in map(clean, _last_run(reply)) if part]


def readings(parts: list[str], computed: bool, spelled: bool) -> list[Answer]:
    """Return the predictions that boxes can be, the likeliest first; none for no part.

    `computed` says that the answer is computed (arithmetic, count), `spelled` that the gold span
    says its scale in its text. The first prediction tells the scale: of numbers it is the word
    behind them, texts have none.
    """
    if not parts:
        return []
    number, scaled, written = as_number(parts), _scaled(parts), Answer(parts, "")
    if computed and (result := as_number([_EQUALS.split(part)[-1].strip() for part in parts])):
        return [result]
    if not scaled:
        return [written]
    if not number and not all(map(is_number, scaled.parts)):
        # The same to the program, but for the order of several parts.
        return [written] if all(part.endswith("%") for part in parts) else [written, scaled]
    if spelled and not any(map(says_scale, scaled.parts)):
        return [scaled, written]
    return [scaled]


def says_scale(text: str) -> bool:
    """Return whether a text ends in a scale word or a per cent sign."""
    return bool(_SCALE.search(text.strip()))


def as_number(parts: list[str]) -> Answer | None:
    """Return the parts in plain notation if each is a number of the same scale, else None."""
    numbers = [_plain(part) for part in parts]
    plain = [number for number in numbers if number]
    if not plain or len(plain) < len(parts) or len({scale for _, scale in plain}) > 1:
        return None
    return Answer([digits for digits, _ in plain], plain[0][1])


def _plain(part: str) -> tuple[str, str] | None:
    """Return a number as sign, digits and decimals, and its scale; None for any other text."""
    match = _NUMBER.fullmatch(part.translate(_MINUS))
    if not match:
        return None
    before, after, word = match["before"], match["after"], (match["word"] or "").lower()
    if before.count("-") + before.count("+") > 1 or ("%" in after and word not in ("", "percent")):
        return None
    whole, _, decimals = match["digits"].replace(",", "").partition(".")
    number = f"{whole or 0}.{decimals}" if decimals else whole
    negative = "-" in before or ("(" in before and ")" in after)
    if negative and number.strip("0."):
        number = f"-{number}"
    return number, "percent" if "%" in after else word


def _scaled(parts: list[str]) -> Answer | None:
    """Return the parts without the scale that all of them end in; None if they do not."""
    matches = [match for match in map(_SCALE.search, parts) if match]
    scales = {(match[1] or "percent").lower() for match in matches}
    if len(matches) < len(parts) or len(scales) > 1 or not all(m.start() for m in matches):
        return None
    return Answer([match.string[: match.start()] for match in matches], scales.pop())


def clean(content: str) -> str:
    """Return the content of a box without LaTeX wrappers, escapes and superfluous blanks."""
    content = _ABOUT.sub("", _BRACE.sub("", _WRAPPER.sub("", content)))
    content = _SPACE.sub(" ", _DIGIT_SPACE.sub("", content))
    return " ".join(_ESCAPE.sub(r"\1", content).split())


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
