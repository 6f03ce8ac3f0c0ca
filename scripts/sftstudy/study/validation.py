"""Reading the study file: defaults filled in, and errors that say what to change.

The schema is ``config/schema.yaml`` (JSON Schema 2020-12), its prose ``config/README.md``.
"""

import copy
import difflib
import functools
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from sftstudy.errors import StudyError
from sftstudy.files.repository import ROOT
from sftstudy.tasks import registry

SCHEMA_FILE = Path("config/schema.yaml")
SPACES = ("space", "lora_space")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_WITHOUT = {
    "controls": "take it out of 'controls' (`controls: []` for a study without controls)",
    "judge": "leave 'judge' out",
}
_TYPES = {
    "array": "a list, such as [a, b]",
    "boolean": "true or false",
    "integer": "an integer",
    "null": "null",
    "number": "a number",
    "object": "a mapping of keys to values",
    "string": "text",
}
_FREE_TEXT = ("chat_template_kwargs", "serve")
_EXPONENT = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")


@functools.cache
def schema() -> dict[str, Any]:
    """Return the schema, with ``overrides`` completed from the fields of ``training``.

    A task or control may have the options that it declares beside the keys that all have.
    """
    path = ROOT / SCHEMA_FILE
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    fields = copy.deepcopy(document["$defs"]["training"]["properties"])
    for field in fields.values():
        del field["default"]
    document["$defs"]["overrides"] |= {"properties": fields, "additionalProperties": False}
    _add_options(document, "task", registry.TASKS)
    _add_options(document, "control", registry.CONTROLS)
    return document


def _add_options(document: dict[str, Any], kind: str, names: Iterable[str]) -> None:
    common = document["$defs"][kind]
    blocks = document["properties"]["catalog"]["properties"][f"{kind}s"].setdefault(
        "properties", {}
    )
    for name in names:
        if own := option_schemas(name):
            document["$defs"][name] = common | {"properties": own | common["properties"]}
            blocks[name] = {"$ref": f"#/$defs/{name}"}


def option_schemas(name: str) -> dict[str, dict[str, Any]]:
    """Return the schema of each option of a task, with its meaning."""
    return {
        option.name: {**option.schema, "description": option.meaning}
        for option in registry.options(name)
    }


def validate(config: dict[str, Any], file: str) -> dict[str, Any]:
    """Return a copy of `config` with every default filled in.

    `file` is what error messages name. Raises `StudyError` for the first offending key: unknown,
    missing, of a wrong type or value, or a name without its block in the catalog.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    config = copy.deepcopy(config)
    _refuse_control_characters(config, "", file)
    for block in _hyperparameter_blocks(config):
        _read_yaml_surprises(block)
    error = best_match(Draft202012Validator(schema()).iter_errors(config))
    if error is not None:
        raise StudyError(f"{file}: {_explain(error)}")
    _fill_defaults(schema(), config)
    _check_names(config, file)
    _check_space_values(config, file)
    return config


def _refuse_control_characters(value: Any, key: str, file: str) -> None:
    """Raise `StudyError` for a line end, NUL or the like in any name, path or pattern.

    What a student's chat template is given may hold them, and so may a server's command.
    """
    if isinstance(value, dict):
        for name, child in value.items():
            _refuse_control_characters(str(name), key or "the top level", file)
            if name not in _FREE_TEXT:
                _refuse_control_characters(child, f"{key}.{name}".lstrip("."), file)
    elif isinstance(value, list):
        for child in value:
            _refuse_control_characters(child, key, file)
    elif isinstance(value, str) and any(unicodedata.category(c) == "Cc" for c in value):
        raise StudyError(
            f"{file}: {key}: found {value!r}; control characters, line ends among them, are not "
            "allowed"
        )


def _hyperparameter_blocks(config: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every space and ``training`` mapping of a study file not yet validated."""
    found, stack = [], [config]
    while stack:
        for key, value in stack.pop().items():
            if isinstance(value, dict):
                found += [value] if key in (*SPACES, "training") else []
                stack.append(value)
    return found


def _read_yaml_surprises(block: dict[str, Any]) -> None:
    """Mend what YAML 1.1 misreads: ``1e-5`` is text for want of a dot, ``off`` is false."""
    for key in ("prefix_sharing", "group_batches"):
        if block.get(key) is False:
            block[key] = "off"
    for key, value in block.items():
        if isinstance(value, list):
            block[key] = [_number(item) for item in value]
        else:
            block[key] = _number(value)


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, str) and _EXPONENT.fullmatch(value) else value


def _explain(error: Any) -> str:
    """Say in one sentence which key is wrong, what was found and what is allowed."""
    key = ".".join(str(part) for part in error.absolute_path) or "the top level"
    if error.validator == "additionalProperties":
        allowed = sorted(error.schema.get("properties", {}))
        unknown = min(set(error.instance) - set(allowed))
        hint = did_you_mean(unknown, allowed)
        return f"unknown key '{unknown}' in {key}; allowed are {', '.join(allowed)}.{hint}"
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        return f"{key}: the key '{missing[0]}' is missing"
    if error.validator == "oneOf":
        wanted = [" and ".join(option.get("required", [])) for option in error.validator_value]
        choices = ", ".join(filter(None, wanted)) or str(error.validator_value)
        return f"{key}: found {error.instance!r}; give exactly one of {choices}"
    if error.validator == "enum":
        values = ", ".join(repr(value) for value in error.validator_value)
        return f"{key}: found {error.instance!r}; allowed are {values}"
    return f"{key}: found {error.instance!r}; {_expectation(error)}"


def did_you_mean(found: object, allowed: Iterable[str]) -> str:
    """Return a question, after a blank, that names what `found` may have been meant to be."""
    close = difflib.get_close_matches(str(found), list(allowed), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""


def _expectation(error: Any) -> str:
    words = {
        "type": "expected {}",
        "minimum": "expected at least {}",
        "maximum": "expected at most {}",
        "exclusiveMinimum": "expected more than {}",
        "exclusiveMaximum": "expected less than {}",
        "minItems": "expected at least {} item(s)",
        "uniqueItems": "every value may occur only once",
        "pattern": "expected text that matches {}",
    }
    value = error.validator_value
    if error.validator == "type":
        types = [value] if isinstance(value, str) else value
        value = " or ".join(_TYPES[name] for name in types)
    return words.get(error.validator, error.message).format(value)


def _fill_defaults(node: dict[str, Any], value: Any) -> None:
    """Write the schema's defaults into `value`, at every depth, in place."""
    node = _resolve(node, value)
    if not isinstance(value, dict):
        return
    for key, child in node.get("properties", {}).items():
        # A sibling of $ref (here: a description) does not replace the default behind it.
        default = child.get("default", _resolve(child, value.get(key)).get("default", ...))
        if key not in value and default is not ...:
            value[key] = copy.deepcopy(default)
        if key in value:
            _fill_defaults(child, value[key])
    extra = node.get("additionalProperties")
    if isinstance(extra, dict):
        for key in set(value) - set(node.get("properties", {})):
            _fill_defaults(extra, value[key])


def _resolve(node: dict[str, Any], value: Any) -> dict[str, Any]:
    while "$ref" in node:
        node = schema()["$defs"][node["$ref"].rsplit("/", 1)[1]]
    if "oneOf" in node and isinstance(value, dict):
        for option in node["oneOf"]:
            if "properties" in option and set(option.get("required", [])) <= set(value):
                return option
    return node


def _check_names(config: dict[str, Any], file: str) -> None:
    """Hold every name that the study file gives or uses to what there is."""
    for kind in ("students", "tasks", "controls"):
        _check_catalog(config, kind, file)
        for name in config[kind]:
            _require_block(config, kind, kind, name, file)
    if config["judge"] is not None:
        _require_block(config, "judge", "students", config["judge"], file)
    if ".." in Path(config["results"]).parts:
        raise StudyError(f"{file}: results: found {config['results']!r}; '..' is not allowed")
    for control in config["gates"]:
        if control not in registry.CONTROLS:
            raise StudyError(
                f"{file}: gates.{control}: no such control; there are "
                f"{', '.join(registry.CONTROLS)}."
                f"{did_you_mean(control, registry.CONTROLS)}"
            )
    for name, student in config["catalog"]["students"].items():
        for task in set(student["tasks"]) - set(config["catalog"]["tasks"]):
            raise StudyError(
                f"{file}: catalog.students.{name}.tasks: '{task}' has no block under "
                f"catalog.tasks; described there are {', '.join(config['catalog']['tasks'])}"
            )


def _check_catalog(config: dict[str, Any], kind: str, file: str) -> None:
    known = {"tasks": registry.TASKS, "controls": registry.CONTROLS}
    for name in config["catalog"][kind]:
        if not _NAME.fullmatch(name):
            raise StudyError(
                f"{file}: catalog.{kind}: the name {name!r} becomes a folder; use only "
                "letters, digits, '.', '_' and '-', beginning with a letter or digit"
            )
        if kind in known and name not in known[kind]:
            raise StudyError(
                f"{file}: catalog.{kind}.{name}: not in scripts/sftstudy/tasks/registry.py; "
                f"there are {', '.join(known[kind])}.{did_you_mean(name, known[kind])} A new "
                "one is made as docs/adding_a_task.md says"
            )


def _require_block(config: dict[str, Any], key: str, kind: str, name: str, file: str) -> None:
    """Raise `StudyError` unless the name that `key` gives has its block in the catalog."""
    catalog = config["catalog"][kind]
    if name not in catalog:
        raise StudyError(
            f"{file}: {key}: '{name}' has no block under catalog.{kind}; described there "
            f"are {', '.join(catalog) or 'none'}.{did_you_mean(name, catalog)} Describe it "
            f"there, or {_WITHOUT.get(key) or f'take it out of {key!r}'}"
        )


def _check_space_values(config: dict[str, Any], file: str) -> None:
    """Hold each value of each search space to the schema of the training field it sets."""
    from jsonschema import Draft202012Validator

    blocks = {"": config}
    for name, student in config["catalog"]["students"].items():
        blocks[f"catalog.students.{name}."] = student
        for task, pair in student["tasks"].items():
            blocks[f"catalog.students.{name}.tasks.{task}."] = pair
    spaces = {
        f"{where}{key}": block.get(key, {}) for where, block in blocks.items() for key in SPACES
    }
    if not any(key in config for key in SPACES):
        raise StudyError(f"{file}: no search space: give 'space', 'lora_space' or both")
    fields = schema()["$defs"]["training"]["properties"]
    for key, space in spaces.items():
        for axis, values in space.items():
            for value in values:
                for error in Draft202012Validator(fields[axis]).iter_errors(value):
                    raise StudyError(
                        f"{file}: {key}.{axis}: found {value!r}; {_expectation(error)}"
                    )
