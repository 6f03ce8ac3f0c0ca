"""Reading of YAML that people write: what YAML would take in silence is an error with its line.

That is a key that stands twice in a mapping, a key or a number that YAML 1.1 reads as something
else than what is written (``on`` as true, ``010`` as 8, ``1:30`` as 90), infinity and NaN. Dates
stay text.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sftstudy.errors import StudyError
from sftstudy.files.reading import read_text

Key = tuple[str | int, ...]  # names of keys and numbers of list items, from the top
_TAG = "tag:yaml.org,2002:"
_OCTAL = re.compile(r"[-+]?0[0-7_]+")
_MEND = "mend the file"


@dataclass(frozen=True)
class Document:
    """What a YAML file holds, and the line on which each key and list item stands."""

    value: Any
    lines: dict[Key, int]


def read_yaml(path: Path, enter: bool = True, advice: str = _MEND) -> Any:
    """Return what a YAML file holds; a `StudyError` names line and key.

    Where it is no YAML at all the error ends with `advice`.
    The file is entered in the ledger as an input of this job, unless `enter` says otherwise.
    """
    return parse_yaml(read_text(path, enter), str(path), advice).value


def parse_yaml(text: str, where: str, advice: str = _MEND) -> Document:
    """Return what a YAML text holds. Errors call it `where`; of broken YAML they add `advice`."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return Document(None, {})
        lines = _Check(where).lines(node)
        return Document(loader.construct_document(node), lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f" on line {mark.line + 1}" if mark else ""
        raise StudyError(f"{where}: not valid YAML{line} ({error.problem}); {advice}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        said = str(error).partition("\n")[0]
        line = ""
        if isinstance(error, yaml.reader.ReaderError):  # a control character
            line = f" on line {text.count(chr(10), 0, error.position) + 1}"
        raise StudyError(f"{where}: not valid YAML{line} ({said}); {advice}") from None


def dotted(key: Key) -> str:
    """Return a key as errors name it."""
    return ".".join(map(str, key)) or "the top level"


class _Loader(yaml.SafeLoader):
    """Loads plain data: no dates, and no ``=``, which stands for a default value."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        tag = str(super().resolve(kind, value, implicit))
        return _TAG + "str" if tag in (_TAG + "timestamp", _TAG + "value") else tag


class _Check:
    """Looks through a document before it is made of its nodes, where nothing is lost yet."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._lines: dict[Key, int] = {}
        self._around: list[yaml.Node] = []

    def lines(self, node: yaml.Node) -> dict[Key, int]:
        """Return the line of every key and item; `StudyError` for the first that is amiss."""
        self._visit(node, ())
        return self._lines

    def _visit(self, node: yaml.Node, key: Key) -> None:
        if node in self._around:
            raise self._amiss(node, key, "holds itself; write its values out")
        self._around.append(node)
        if isinstance(node, yaml.MappingNode):
            self._mapping(node, key)
        elif isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                self._enter(item, (*key, number))
                self._visit(item, (*key, number))
        elif isinstance(node, yaml.ScalarNode):
            self._scalar(node, key)
        self._around.pop()

    def _mapping(self, node: yaml.MappingNode, key: Key) -> None:
        first: dict[str, int] = {}
        for name, value in node.value:
            if name.tag == _TAG + "merge":
                for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    self._visit(merged, key)
        for name, value in node.value:
            if name.tag != _TAG + "merge":
                self._name(name, key)
                inner = (*key, name.value)
                if name.value in first:
                    raise self._amiss(
                        name, inner, f"the key stands on line {first[name.value]} too; keep one"
                    )
                first[name.value] = name.start_mark.line + 1
                self._enter(name, inner)
                self._visit(value, inner)

    def _name(self, name: yaml.Node, key: Key) -> None:
        if not isinstance(name, yaml.ScalarNode):
            raise self._amiss(name, key, "found a list or mapping as a key; expected text")
        if name.tag != _TAG + "str":
            raise self._amiss(
                name,
                key,
                f"the key {name.value} is no text to YAML ({name.tag.rpartition(':')[2]}); put it "
                f"in quotes: '{name.value}'",
            )

    def _scalar(self, node: yaml.ScalarNode, key: Key) -> None:
        written = node.value
        if node.tag == _TAG + "int" and _OCTAL.fullmatch(written):
            value = int(written.replace("_", ""), 8)
            plain = written.lstrip("+-0") or "0"
            raise self._amiss(
                node,
                key,
                f"{written} is octal in YAML and means {value}; write {plain} or {value}, or put "
                "it in quotes if it is text",
            )
        if node.tag in (_TAG + "int", _TAG + "float") and ":" in written:
            raise self._amiss(
                node,
                key,
                f"{written} is in YAML a number to the base 60; write it without a colon, or put "
                "it in quotes if it is text",
            )
        if node.tag == _TAG + "float" and not _is_finite(written):
            raise self._amiss(node, key, f"found {written}; expected a finite number")

    def _enter(self, node: yaml.Node, key: Key) -> None:
        self._lines[key] = node.start_mark.line + 1

    def _amiss(self, node: yaml.Node, key: Key, what: str) -> StudyError:
        return StudyError(f"{self._where}, line {node.start_mark.line + 1}: {dotted(key)}: {what}")


def _is_finite(written: str) -> bool:
    try:
        return math.isfinite(float(written.replace("_", "")))
    except ValueError:  # `.inf` and `.nan`, and text that is tagged as a number
        return False
