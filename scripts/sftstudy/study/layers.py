"""The layers of a study: its files, each laid over those before it, and ``--config`` over them all.

Snakemake merges them too, before any code of ours runs, but then it is lost what stood in which
file, which key stood there twice, and which of two alternatives came last. So they are read again.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sftstudy.errors import StudyError
from sftstudy.files.ledger import shown
from sftstudy.files.reading import read_text
from sftstudy.files.strict_yaml import Key, parse_yaml
from sftstudy.study.faults import Places
from sftstudy.study.schema import alternatives

# What a study is laid over that has no `study` in any of its layers.
SMOKE = Path("config/smoke.yaml")


@dataclass(frozen=True)
class Layers:
    """What the layers say together.

    Attributes:
        config: the keys and values.
        origin: what errors call the study: its files, and the keys given by ``--config``.
        places: the file and line of each key; of those given by ``--config`` None.
    """

    config: dict[str, Any]
    origin: str
    places: Places


def read_layers(files: Iterable[Path], overrides: Iterable[str]) -> Layers:
    """Return what study files and ``KEY=VALUE`` of ``--config`` say, from below to above.

    A layer replaces values key by key. Null takes a key away that a layer below has given, and a
    key of which only one alternative may stand (``hub`` or ``path``) takes the others away. Raises
    `StudyError` for a layer that is no YAML, or holds what `strict_yaml` refuses.
    """
    files = list(files)
    layers = [_read(file) for file in files]
    above = [_parse(override) for override in overrides]
    if not any("study" in config for config, _ in layers + above):
        files.insert(0, SMOKE)
        layers.insert(0, _read(SMOKE))
    merged, places = _Merged(), [name for config, _ in above for name in config]
    for config, where in layers + above:
        merged.lay(config, where)
    return Layers(merged.config, origin(files, places), merged.places)


def origin(files: Iterable[Path], overridden: Iterable[str]) -> str:
    """Return what errors call a study: its files, and the keys given by ``--config``."""
    parts = [shown(Path(file)) for file in files]
    if keys := " ".join(overridden):
        parts.append(f"--config {keys}")
    return " + ".join(parts)


def _read(file: Path) -> tuple[dict[str, Any], Places]:
    name = shown(file)
    document = parse_yaml(read_text(file, enter=False), name)
    if not isinstance(document.value, dict):
        raise StudyError(
            f"{name}: expected keys and values (`study: mine`), found "
            f"{'nothing' if document.value is None else type(document.value).__name__}"
        )
    return document.value, {key: f"{name}, line {n}" for key, n in document.lines.items()}


def _parse(override: str) -> tuple[dict[str, Any], Places]:
    name, found, text = override.partition("=")
    if not found:
        raise StudyError(f"--config: found {override!r}; expected KEY=VALUE")
    document = parse_yaml(text, f"--config {name}", "put text with signs in quotes")
    keys = [(), *document.lines]
    return {name: document.value}, {(name, *key): None for key in keys}


class _Merged:
    """The layers so far."""

    def __init__(self) -> None:
        self.config: dict[str, Any] = {}
        self.places: Places = {}

    def lay(self, config: dict[str, Any], places: Places) -> None:
        """Lay one more layer over them."""
        self._lay(self.config, config, (), places)

    def _lay(self, below: dict[str, Any], above: dict[str, Any], key: Key, places: Places) -> None:
        had = set(below)
        for name in _replaced(above, key) & had:
            self._take(below, key, name)
        for name, value in above.items():
            inner = (*key, name)
            if value is None and name in had:
                self._take(below, key, name)
            elif isinstance(value, dict) and isinstance(below.get(name), dict):
                self.places[inner] = places.get(inner)
                self._lay(below[name], value, inner, places)
            else:
                self._take(below, key, name)
                below[name] = _own(value)
                self.places |= {k: v for k, v in places.items() if k[: len(inner)] == inner}

    def _take(self, mapping: dict[str, Any], key: Key, name: str) -> None:
        """Take a key away from the mapping at `key`, if it is there."""
        inner = (*key, name)
        mapping.pop(name, None)
        self.places = {k: v for k, v in self.places.items() if k[: len(inner)] != inner}


def _own(value: Any) -> Any:
    """Return a copy without shared parts: what two aliases of YAML stand for is laid over apart."""
    if isinstance(value, dict):
        return {name: _own(child) for name, child in value.items()}
    return [_own(child) for child in value] if isinstance(value, list) else value


def _replaced(above: dict[str, Any], key: Key) -> set[str]:
    """Return the keys that may not stand beside what a layer gives in the mapping at `key`."""
    given = {name for name, value in above.items() if value is not None}
    groups = alternatives(key)
    chosen = [group for group in groups if group & given]
    # Both in one layer is an error, which validation tells.
    return set().union(*groups) - chosen[0] if len(chosen) == 1 else set()
