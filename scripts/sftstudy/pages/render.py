"""The template environment: escaping on, undefined names are errors, filters for numbers."""

import functools
from pathlib import Path
from typing import Any

from sftstudy.pages.numbers import counted, hours, near, number, p_value, percent, points
from sftstudy.pages.text import cut, place, visible
from sftstudy.records.explain import commit_line


def render(template: Path, **values: Any) -> str:
    """Return the template filled with `values`; it may include others of its folder."""
    return _environment(template.parent).get_template(template.name).render(**values)


def _coded(text: str) -> Any:
    """Return visible text as markup in which what stands between backticks is code."""
    from markupsafe import Markup, escape

    parts = visible(text).split("`")
    if len(parts) % 2 == 0:  # a backtick without its other one
        return escape(visible(text))
    coded = (
        Markup("<code>{}</code>").format(part) if index % 2 else escape(part)
        for index, part in enumerate(parts)
    )
    return Markup("").join(coded)


def _breakable(name: str) -> Any:
    """Return a name as markup that may be broken behind its underscores."""
    from markupsafe import Markup, escape

    return Markup("_<wbr>").join(escape(part) for part in visible(name).split("_"))


@functools.cache
def _environment(folder: Path) -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "visible": lambda value: visible(str(value)),
        "coded": _coded,
        "commit": commit_line,
        "cut": cut,
        "percent": percent,
        "points": points,
        "hours": hours,
        "number": number,
        "counted": counted,
        "near": near,
        "breakable": _breakable,
        "evalset": place,
        "p_value": p_value,
    }
    return environment
