"""The template environment: escaping on, undefined names are errors, filters for numbers."""

import functools
from pathlib import Path
from typing import Any

from sftstudy.lineage import commit_line
from sftstudy.report.numbers import hours, number, p_value, percent, points
from sftstudy.report.text import cut, visible

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **values: Any) -> str:
    """Return the named template filled with `values`."""
    return _environment().get_template(template).render(**values)


@functools.cache
def _environment() -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "visible": lambda value: visible(str(value)),
        "commit": commit_line,
        "cut": cut,
        "percent": percent,
        "points": points,
        "hours": hours,
        "number": number,
        "p_value": p_value,
    }
    return environment
