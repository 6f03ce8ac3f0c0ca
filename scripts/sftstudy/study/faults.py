"""Faults of a study file, each in one sentence that says what to change."""

import difflib
import math
import re
from collections.abc import Iterable
from typing import Any

from sftstudy.errors import StudyError
from sftstudy.files.strict_yaml import Key, dotted

EXPONENT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+")
_TYPES = {
    "array": "a list, such as [a, b]",
    "boolean": "true or false",
    "integer": "an integer",
    "null": "null",
    "number": "a number",
    "object": "a mapping of keys to values",
    "string": "text",
}

Places = dict[Key, str | None]  # of a key: file and line; None where no file gives it


class Origin:
    """Where the keys of a study come from: what errors begin with."""

    def __init__(self, study: str, places: Places | None = None) -> None:
        self._study = study
        self._places = places or {}

    def error(self, key: Key, what: str, named: bool = True) -> StudyError:
        """Return the error that says of a key, by file and line, `what` is wrong with it.

        A key that is missing is looked for where what should hold it stands. `named` is false
        where the text names the key itself.
        """
        text = f"{dotted(key)}: {what}" if named else what
        while key and key not in self._places:
            key = key[:-1]
        return StudyError(f"{self._places.get(key) or self._study}: {text}")


def did_you_mean(found: object, allowed: Iterable[str]) -> str:
    """Return a question, after a blank, that names what `found` may have been meant to be."""
    close = difflib.get_close_matches(str(found), list(allowed), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""


def explained(error: Any, origin: Origin) -> StudyError:
    """Say in one sentence which key is wrong, what was found and what is allowed."""
    key = tuple(error.absolute_path)
    if error.validator == "additionalProperties":
        allowed = sorted(error.schema.get("properties", {}))
        unknown = min(set(error.instance) - set(allowed))
        hint = did_you_mean(unknown, allowed)
        found = f"unknown key '{unknown}' in {dotted(key)}; allowed are {', '.join(allowed)}.{hint}"
        return origin.error((*key, unknown), found, named=False)
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        return origin.error(key, f"the key '{missing[0]}' is missing")
    if error.validator == "oneOf":
        return origin.error(key, f"found {error.instance!r}; {_one_of(error)}")
    if error.validator == "enum":
        values = ", ".join(repr(value) for value in error.validator_value)
        hint = _hint(error.instance, ["string"])
        return origin.error(key, f"found {error.instance!r}; allowed are {values}{hint}")
    return origin.error(key, f"found {error.instance!r}; {expectation(error)}")


def _one_of(error: Any) -> str:
    """Say which keys exclude each other, or which values of several kinds there may be."""
    options = error.validator_value
    keys = [" and ".join(option["required"]) for option in options if "required" in option]
    if keys:
        return f"give exactly one of {', '.join(keys)}"
    values = [repr(o["const"]) if "const" in o else _TYPES[o["type"]] for o in options]
    hint = _hint(error.instance, [o["type"] for o in options if "type" in o])
    return f"expected {' or '.join(values)}{hint}"


def expectation(error: Any) -> str:
    words = {
        "type": "expected {}",
        "minimum": "expected at least {}",
        "maximum": "expected at most {}",
        "exclusiveMinimum": "expected more than {}",
        "exclusiveMaximum": "expected less than {}",
        "minItems": "expected at least {} item(s)",
        "minProperties": "expected at least {} key(s)",
        "uniqueItems": "every value may occur only once",
        "pattern": "expected text that matches {}",
    }
    value, hint = error.validator_value, ""
    if error.validator == "type":
        types = [value] if isinstance(value, str) else value
        value, hint = " or ".join(_TYPES[name] for name in types), _hint(error.instance, types)
    return words.get(error.validator, error.message).format(value) + hint


def _hint(found: Any, types: list[str]) -> str:
    """Return what to write where YAML has read something else than was meant."""
    if "string" in types and isinstance(found, bool):
        return " (YAML reads on, yes, off and no as true and false: put the word in quotes)"
    if "string" in types and isinstance(found, int | float):
        return f": put it in quotes, '{found}'"
    if "integer" in types and isinstance(found, float) and found.is_integer():
        return f": write {found:.0f}"
    if {"number", "integer"} & set(types) and isinstance(found, str) and EXPONENT.fullmatch(found):
        return f" (YAML reads {found} as text, for want of a dot or sign{_instead(found, types)})"
    return ""


def _instead(found: str, types: list[str]) -> str:
    """Return how to write an exponent without a dot so that YAML reads the number."""
    value = float(found)
    if not math.isfinite(value):
        return ""
    if "number" not in types:
        return f": write {value:.0f}" if value.is_integer() else ""
    digits, e, power = repr(value).partition("e")
    return f": write {digits if '.' in digits else f'{digits}.0'}{e}{power}"
