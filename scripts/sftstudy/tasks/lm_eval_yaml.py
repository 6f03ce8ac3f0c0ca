"""The task files of lm-eval, read as YAML: importing lm-eval and indexing its tasks takes seconds.

A task file says ``task`` or ``group``, may ``include`` others, and names functions of modules
beside it (``!function utils.process``). What it says is read here, nothing of it is run.
"""

import difflib
import functools
import importlib.util
import os
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sftstudy.errors import StudyError
from sftstudy.files.hashing import sha256_file, sha256_json

PACKAGE = "lm_eval"
SUFFIXES = (".yaml", ".yml")
SHOWN = 8  # tasks of a group that an error names
_NAMED = re.compile(rb"^['\"]?(task|group)['\"]? *: *['\"]?([^'\"\s#]+)", re.MULTILINE)
# What lm-eval measures where a task file names no metric (its DEFAULT_METRIC_REGISTRY).
_BY_DEFAULT = {
    "generate_until": ["exact_match"],
    "loglikelihood": ["perplexity", "acc"],
    "loglikelihood_rolling": ["word_perplexity", "byte_perplexity", "bits_per_byte"],
    "multiple_choice": ["acc", "acc_norm"],
}
MEANS = ("mean", "nanmean")
# Those of lm-eval's own metrics that are computed over all documents at once.
_AGGREGATED = {
    *("bits_per_byte", "byte_perplexity", "perplexity", "word_perplexity"),
    *("bleu", "brier_score", "chrf", "chrf++", "f1", "mcc", "ter"),
}


def is_path(name: str) -> bool:
    """Return whether a task is named by its file."""
    return name.endswith(SUFFIXES)


def installed_version() -> str:
    """Return the version of lm-eval; a `StudyError` where it is not installed."""
    _folder()
    return version("lm-eval")


def find(name: str) -> Path:
    """Return the file of a task, which is installed with lm-eval or a path.

    Raises `StudyError` where there is none, with names that are near, and for a group or tag, with
    the tasks that it stands for.
    """
    if is_path(name):
        file = Path(name)
        if not file.is_file():
            raise StudyError(
                f"{name}: no such task file; a relative path starts where Snakemake runs"
            )
        if "task" not in (config := read(file)) or isinstance(config["task"], list):
            raise StudyError(f"{name}: names no task (`task: name`); a group is no control")
        return file
    tasks, groups = _named()
    if name in tasks:
        return tasks[name]
    if members := _members(name, tasks, groups):
        more = f" and {len(members) - SHOWN} more" if len(members) > SHOWN else ""
        raise StudyError(
            f"{name!r} is a group of lm-eval, no task; make each of its tasks a control "
            f"({', '.join(members[:SHOWN])}{more}), or one of a task file of your own over all "
            "their documents"
        )
    close = difflib.get_close_matches(name, tasks, n=3)
    hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    raise StudyError(
        f"lm-eval {installed_version()} has no task {name!r}.{hint} `lm_eval ls tasks` lists "
        "all; a task file of your own is named by its path, which ends in .yaml"
    )


def read(file: Path) -> dict[str, Any]:
    """Return what a task file says, with what it includes; a function is its name as text."""
    merged: dict[str, Any] = {}
    for _, part in reversed(list(_parts(file))):
        merged |= part
    return merged


def files(file: Path) -> list[Path]:
    """Return a task file, those that it includes, and the modules beside them whose functions they
    name, each once."""
    found: dict[Path, None] = {}
    for place, part in _parts(file):
        found[place] = None
        for name in _functions(part):
            module = place.parent / f"{name.rpartition('.')[0].replace('.', '/')}.py"
            if module.is_file():
                found[module] = None
    return list(found)


def config_sha256(file: Path) -> str:
    """Return a hash of what a task file and its modules say, wherever they lie."""
    modules = [sha256_file(each) for each in files(file) if each.suffix == ".py"]
    return sha256_json([read(file), modules])


def no_means(config: dict[str, Any]) -> set[str]:
    """Return the metrics that the file says are computed over all documents at once.

    Where it does not say it, and names no function, they are those of lm-eval's own that are.
    """
    stated = {_metric(e["metric"]): e.get("aggregation") for e in config.get("metric_list") or ()}

    def is_mean(metric: str) -> bool:
        how = stated.get(metric)
        return metric not in _AGGREGATED if how is None else how in MEANS

    return {name for name in metric_names(config) if not is_mean(name.partition(",")[0])}


def metric_names(config: dict[str, Any]) -> list[str]:
    """Return the names of a task's metrics as metrics files have them, in its order."""
    listed = config.get("metric_list")
    if listed is None:
        names = _BY_DEFAULT.get(str(config.get("output_type")), [])
    else:
        names = [_metric(entry["metric"]) for entry in listed]
    filters = [entry["name"] for entry in config.get("filter_list") or ()] or ["none"]
    return [metric_name(name, each, filters[0]) for each in filters for name in names]


def _metric(name: str) -> str:
    """Return the name of a metric; one that is computed by a function has the function's."""
    return name.rpartition(".")[2] if isinstance(name, _Function) else str(name)


def metric_name(metric: str, by_filter: str, first: str) -> str:
    """Return what a metric is called: as lm-eval does, and the first filter's by itself."""
    return metric if by_filter == first else f"{metric},{by_filter}"


def _folder() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise StudyError(
            "lm-eval is not installed where this runs; a study with a control from lm-eval needs "
            "it where Snakemake is started, too: `make` installs it"
        )
    return Path(spec.submodule_search_locations[0], "tasks")


@functools.cache
def _named() -> tuple[dict[str, Path], dict[str, Path]]:
    """Return the files of all tasks and of all groups that are installed, by name.

    Where two have one name lm-eval takes the first.
    """
    found: dict[bytes, dict[str, Path]] = {b"task": {}, b"group": {}}
    for file in sorted(_folder().rglob("*.yaml")):
        names = dict(_NAMED.findall(file.read_bytes()))
        for kind in (b"group", b"task"):
            if kind in names:
                found[kind].setdefault(names[kind].decode(), file)
                break
    return found[b"task"], found[b"group"]


def _members(name: str, tasks: dict[str, Path], groups: dict[str, Path]) -> list[str]:
    """Return the tasks that an installed group or tag stands for, those of its groups included."""
    if name not in groups:
        return _tagged(name, tasks)
    listed = read(groups[name]).get("task") or []
    each = (m if isinstance(m, str) else str(m.get("task") or m.get("group")) for m in listed)
    return [t for m in each for t in ([m] if m in tasks else _members(m, tasks, groups))]


def _tagged(name: str, tasks: dict[str, Path]) -> list[str]:
    """Return the installed tasks that have a tag, which they may have from a file beside them."""
    folders = {file.parent for file in tasks.values() if name.encode() in file.read_bytes()}
    near = [task for task, file in tasks.items() if file.parent in folders]
    tags = ((task, read(tasks[task]).get("tag") or []) for task in near)
    return [task for task, tag in tags if name in ([tag] if isinstance(tag, str) else tag)]


def _parts(file: Path, seen: tuple[Path, ...] = ()) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield a file and those that it includes, what prevails first."""
    import yaml

    if file in seen:
        raise StudyError(f"{file}: includes itself")
    try:
        # Of YAML's safe kinds, and functions, which stay text.
        content = yaml.load(file.read_text(encoding="utf-8"), _loader())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StudyError(f"{file}: cannot be read as a task file of lm-eval ({error})") from error
    if not isinstance(content, dict):
        raise StudyError(f"{file}: expected keys and values of a task of lm-eval")
    included = content.pop("include", None) or []
    yield file, content
    for name in reversed(included if isinstance(included, list) else [included]):
        yield from _parts(Path(os.path.normpath(file.parent / name)), (*seen, file))


def _functions(value: Any) -> Iterator[str]:
    if isinstance(value, _Function):
        yield str(value)
    elif isinstance(value, dict):
        for child in value.values():
            yield from _functions(child)
    elif isinstance(value, list):
        for child in value:
            yield from _functions(child)


class _Function(str):
    """The name of a function."""


@functools.cache
def _loader() -> Any:
    import yaml

    class Loader(yaml.CSafeLoader): ...

    Loader.add_constructor("!function", lambda loader, node: _Function(node.value))
    return Loader
