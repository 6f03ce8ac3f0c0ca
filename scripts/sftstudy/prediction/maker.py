"""Who makes replies: an engine, in a version of its code and of the packages that compute."""

import importlib
from collections.abc import Iterable
from datetime import UTC, datetime
from types import ModuleType
from typing import Any, TypedDict

from sftstudy.prediction.engine import Machine
from sftstudy.records.record import code_state, hardware, installed
from sftstudy.run.code import code_sha256

DEFAULT_ENGINE = "hf"


class Maker(TypedDict):
    """What determines a reply beside the question: another maker may reply otherwise."""

    engine: str
    code: str  # version of the engine's code, style excluded
    packages: dict[str, str]  # versions of those that compute
    serve: str | None  # the command of its own server, which may say how to compute


class Made(TypedDict):
    """What is known of the making of a reply."""

    maker: Maker
    commit: str
    device: str
    when: str  # UTC: when its job began to generate


def engine_name(generation: dict[str, Any]) -> str:
    """Return the name of the engine that a study's parameters ask for."""
    return str(generation.get("engine", DEFAULT_ENGINE))


def engine_module(name: str) -> ModuleType:
    """Return an engine's module; by name, so that a rule declares only the one that it uses."""
    return importlib.import_module(f"sftstudy.prediction.{name}")


def engine_code(name: str) -> str:
    """Return the version of all code that an engine is made of."""
    return code_sha256(f"scripts/sftstudy/prediction/{name}.py")[:16]


def maker(generation: dict[str, Any], machine: Machine) -> Maker:
    """Return who would make replies now."""
    name = engine_name(generation)
    return {
        "engine": name,
        "code": engine_code(name),
        "packages": installed(engine_module(name).COMPUTES_WITH),
        "serve": machine.serve if name == "openai" else None,
    }


def made_now(maker: Maker) -> Made:
    """Return what is known of replies that this process makes from now on."""
    return {
        "maker": maker,
        "commit": code_state()["commit"],
        "device": hardware()["device"],
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def differences(replaced: Iterable[Made], now: Maker) -> str:
    """Say in what the makers of replaced replies differ from the present one, for people."""
    told = {change for made in replaced for change in _changes(made["maker"], now)}
    return "; ".join(sorted(told)) or "the run was forced"


def _changes(before: Maker, now: Maker) -> list[str]:
    if before["engine"] != now["engine"]:
        return [f"engine {before['engine']}, now {now['engine']}"]
    found = [] if before["serve"] == now["serve"] else ["another command of `serve`"]
    versions, present = _told_versions(before), _told_versions(now)
    return found + [
        f"{name} {versions.get(name, 'absent')}, now {present.get(name, 'absent')}"
        for name in sorted({*versions, *present})
        if versions.get(name) != present.get(name)
    ]


def _told_versions(maker: Maker) -> dict[str, str]:
    return maker["packages"] | {"code": maker["code"]}
