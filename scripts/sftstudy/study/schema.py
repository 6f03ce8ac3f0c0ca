"""The schema of the study file, ``config/schema.yaml``: which keys there are, and their defaults.

It is JSON Schema 2020-12; its prose is ``config/README.md``.
"""

import copy
import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sftstudy.files.repository import ROOT
from sftstudy.files.strict_yaml import Key, read_yaml
from sftstudy.tasks import registry

_FILE = Path("config/schema.yaml")


@functools.cache
def schema() -> dict[str, Any]:
    """Return the schema, with ``overrides`` completed from the fields of ``training``.

    A task or control may have the options that it declares beside the keys that all have.
    """
    path = ROOT / _FILE
    document = read_yaml(path, enter=False)
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


def alternatives(key: Key) -> list[frozenset[str]]:
    """Return the groups of keys of which only one may stand in the mapping at `key`.

    That of a source are `hub` with its revision and files, `path`, `gguf` and `smoke`. Where all
    keys may stand together there are none.
    """
    node: Any = schema()
    for name in key:
        node = _either(_behind_reference(node))
        node = node.get("properties", {}).get(name) or node.get("additionalProperties")
        if not isinstance(node, dict):
            return []
    options = _behind_reference(node).get("oneOf", [])
    groups = [frozenset([*o.get("properties", {}), *o.get("required", [])]) for o in options]
    return [group for group in groups if group]


def strict_validator(node: dict[str, Any]) -> Any:
    """Return a validator to which 4096.0 is no integer: programs would not take it for one."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    types = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: type(value) is int
    )
    return extend(Draft202012Validator, type_checker=types)(node)


def fill_defaults(node: dict[str, Any], value: Any) -> None:
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
            fill_defaults(child, value[key])
    extra = node.get("additionalProperties")
    if isinstance(extra, dict):
        for key in set(value) - set(node.get("properties", {})):
            fill_defaults(extra, value[key])


def _behind_reference(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        node = schema()["$defs"][node["$ref"].rsplit("/", 1)[1]]
    return node


def _either(node: dict[str, Any]) -> dict[str, Any]:
    """Return a node with the keys of both branches, where its keys decide between two."""
    if "if" not in node:
        return node
    branches = [_behind_reference(node[name])["properties"] for name in ("then", "else")]
    return {"properties": branches[0] | branches[1]}


def _resolve(node: dict[str, Any], value: Any) -> dict[str, Any]:
    node = _behind_reference(node)
    if "if" in node and isinstance(value, dict):
        taken = set(node["if"]["required"]) <= set(value)
        node = _behind_reference(node["then" if taken else "else"])
    if "oneOf" in node and isinstance(value, dict):
        for option in node["oneOf"]:
            if "properties" in option and set(option.get("required", [])) <= set(value):
                return option
    return node
