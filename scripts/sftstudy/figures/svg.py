"""Matplotlib's SVG made fit for a page: small, in the page's colours and font, with named links."""

import html
import re
from collections.abc import Iterator
from itertools import groupby
from urllib.parse import parse_qs

# What text and shapes are drawn with unless they say otherwise.
_ROOT = (
    "fill:currentColor;font-size:9px;stroke-linejoin:round;stroke-linecap:butt;"
    "font-family:system-ui,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
)
_INHERITED = (
    "fill:currentColor",
    "font-size:9px",
    "stroke-linejoin:round",
    "stroke-linecap:butt",
    "text-anchor:start",
    "stroke-dashoffset:0",
)
_NUMBER = r"-?[\d.]+(?:e-?\d+)?"


def tidy(svg: str, stand_ins: dict[str, str]) -> str:
    """Return matplotlib's SVG without what a page does not need.

    `stand_ins` are colours, and what they become. Its style element would apply to the whole page
    around it, and its ids repeat in every figure. Coordinates are cut to a tenth of a point, which
    no eye can tell.
    """
    svg = svg[svg.index("<svg") :]
    for colour, name in stand_ins.items():
        svg = svg.replace(colour, name)
    svg = re.sub(r"\s*<(metadata|style).*?</\1>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' transform="rotate\(-?0 [^)]*\)"', "", svg)
    svg = re.sub(r' style="([^"]*)"', _style, svg)
    svg = re.sub(r' d="([^"]*)"', _path, svg)
    svg = re.sub(r'(?<= )(x|y|transform)="([^"]*)"', _shorten, svg)
    svg = re.sub(r'<path d="[^"]*"(?: clip-path="[^"]*")? style="fill:none"/>', "", svg)
    svg = _without_plain_groups(re.sub(r'<g id="[\w.]+"(/?)>', r"<g\1>", svg))
    svg = re.sub(r"\s*<defs>\s*</defs>", "", svg)
    svg = re.sub(r'<a xlink:href="([^"]*)" target="_blank">(.*?)</a>', _link, svg, flags=re.DOTALL)
    lines = (line.strip() for line in svg.splitlines())
    svg = "\n".join(_grouped(line for line in lines if line))
    return svg.replace("<svg", f'<svg {_role(svg)} style="{_ROOT}"', 1)


def _style(attribute: re.Match) -> str:
    """Leave out what is inherited from the root, and blanks."""
    declarations = re.sub(r"\s*([:;,])\s*", r"\1", attribute[1]).strip(";").split(";")
    kept = [
        one
        for one in declarations
        if one not in _INHERITED and not one.startswith("font-family:") and one
    ]
    if kept in (["text-anchor:middle"], ["text-anchor:end"]):
        return f' text-anchor="{kept[0][12:]}"'
    return f' style="{";".join(kept)}"' if kept else ""


def _shorten(attribute: re.Match) -> str:
    numbers = re.sub(_NUMBER, lambda found: _tenths(round(10 * float(found[0]))), attribute[2])
    return f'{attribute[1]}="{numbers}"'


def _tenths(count: int) -> str:
    """Return a number of tenths without what SVG does not need: -0.5 is ``-.5``."""
    sign, whole, rest = "-" if count < 0 else "", abs(count) // 10, abs(count) % 10
    if not rest:
        return f"{sign}{whole}"
    return f"{sign}{whole or ''}.{rest}"


def _path(attribute: re.Match) -> str:
    """Write a path relative to each last point: differences are shorter than places.

    Points that fall on the last one are left out of straight lines.
    """
    place, start, last, parts = (0, 0), (0, 0), "", []
    for letter, text in re.findall(r"([MLCQz])([^MLCQz]*)", attribute[1]):
        tenths = [round(10 * float(number)) for number in text.split()]
        pairs = list(zip(tenths[::2], tenths[1::2], strict=True))
        if letter == "L" and pairs[0] == place:
            continue
        steps = [part for x, y in pairs for part in (x - place[0], y - place[1])]
        if letter == "L" and 0 in steps:
            letter = "H" if steps[1] == 0 else "V"
            steps = [step for step in steps if step] or [0]
        parts.append(("" if letter == last and letter in "LHVCQ" else letter.lower(), steps))
        place, last = (pairs or [start])[-1], letter
        start = place if letter == "M" else start
    text = "".join(
        letter + (" " if not letter and _tenths(steps[0])[0] != "-" else "") + _joined(steps)
        for letter, steps in parts
    )
    return f' d="{text}"'


def _joined(steps: list[int]) -> str:
    """Return numbers with blanks only where a minus does not part them."""
    return re.sub(" -", "-", " ".join(map(_tenths, steps)))


def _without_plain_groups(svg: str) -> str:
    """Take away the groups that have no attributes, not what is in them."""
    svg = svg.replace("<g/>", "")
    kept: list[bool] = []

    def decide(tag: re.Match) -> str:
        if tag[0] == "</g>":
            return tag[0] if kept.pop() else ""
        kept.append(tag[0] != "<g>")
        return tag[0] if kept[-1] else ""

    return re.sub(r"</g>|<g\b[^>]*>", decide, svg)


def _grouped(lines: Iterator[str]) -> Iterator[str]:
    """Put attributes that neighbours share on a group around them."""
    shared = re.compile(
        r'(<(?:path|use|text)\b.*?)((?: clip-path="[^"]*")?(?: style="[^"]*"))(/>)$'
    )
    matched = ((line, shared.match(line)) for line in lines)
    for attributes, run in groupby(matched, lambda pair: pair[1] and pair[1][2]):
        members = list(run)
        if not attributes or len(members) < 2:
            yield from (line for line, _ in members)
            continue
        yield f"<g{attributes}>"
        yield from (match[1] + match[3] for _, match in members if match)
        yield "</g>"


def _link(anchor: re.Match) -> str:
    """Return an invisible link to replies, with a name, and what a mouse over it is told.

    It is no stop of the keyboard: there are hundreds, and tables lead to the same replies.
    """
    address = html.unescape(anchor[1])
    asked = {key: values[0] for key, values in parse_qs(address.partition("?")[2]).items()}
    name = html.escape(f"replies of {asked['trial']} to {asked['evalset']}")
    inside = re.sub(r' (?:style|clip-path)="[^"]*"', "", re.sub(r"\s*\n\s*", "", anchor[2]))
    return (
        f'<a xlink:href="{anchor[1]}" tabindex="-1" fill-opacity="0" aria-label="{name}">'
        f"<title>{html.escape(asked['trial'])}</title>{inside}</a>"
    )


def _role(svg: str) -> str:
    """An image has no parts to speak of; a figure that holds links is a group with a name."""
    if "<a " not in svg:
        return 'role="img"'
    title = re.search(r"<title>(.*?)</title>", svg)
    return f'role="group" aria-label="{title[1] if title else ""}"'
