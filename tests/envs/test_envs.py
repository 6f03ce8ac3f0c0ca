"""The environments are exactly pinned and complete, and hold what their rules import."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import check_envs
import pytest
from lock_envs import PIP, normalized, pins, pip_section

from envs.rule_programs import ROOT, Rule, distributions, imported, rules, third_party_imports

ENVIRONMENTS = sorted(path.stem for path in (ROOT / "envs").glob("*.yaml"))
WITHOUT_TORCH = {"fetch", "score", "report"}


def closure(environment: str) -> dict[str, str]:
    return pins(pip_section(ROOT / "envs" / f"{environment}.yaml"))


def test_the_repository_passes_its_own_check() -> None:
    assert list(check_envs.check_root(ROOT)) == []


def test_every_rule_has_an_environment_and_every_environment_a_rule() -> None:
    used = {name for rule in rules() for name in (rule.environment, *rule.instead)}
    declared = sum(
        line == "    shell:"
        for file in (ROOT / "rules").glob("*.smk")
        for line in file.read_text(encoding="utf-8").splitlines()
    )
    assert len(rules()) == declared
    assert used == set(ENVIRONMENTS)


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
def test_the_environment_of_a_rule_holds_what_its_program_imports(rule: Rule) -> None:
    assert not lacking(rule.environment, rule.modules())


ENGINES = {"hf": "predict", "openai": "predict", "vllm": "predict-vllm"}


@pytest.mark.parametrize("engine", ENGINES)
def test_the_environment_of_an_engine_holds_what_it_imports(engine: str) -> None:
    modules = imported("scripts/predict.py", f"scripts/sftstudy/prediction/{engine}.py")
    assert not lacking(ENGINES[engine], modules)
    assert "transformers" in {name for module in modules for name in third_party_imports(module)}


@pytest.mark.parametrize(("backend", "environment"), [("hf", "predict"), ("vllm", "predict-vllm")])
def test_the_environment_of_lm_eval_s_controls_holds_it(backend: str, environment: str) -> None:
    backend = f"scripts/sftstudy/lm_eval_controls/{backend}.py"
    assert not lacking(environment, imported("scripts/predict_lm_eval.py", backend))
    assert "lm-eval" in closure(environment)


def lacking(environment: str, modules: list[str]) -> set[str]:
    """Return what modules import and an environment does not hold."""
    provided, providers = closure(environment), distributions()
    return {
        f"{module}: import {name}"
        for module in modules
        for name in third_party_imports(module)
        if not any(normalized(provider) in provided for provider in providers.get(name, [name]))
    }


@pytest.mark.parametrize("environment", sorted(WITHOUT_TORCH))
def test_environments_of_data_scores_and_reports_hold_no_torch(environment: str) -> None:
    assert not {"torch", "torchvision", "vllm"} & closure(environment).keys()


def test_no_two_environments_are_the_same() -> None:
    closures = {environment: frozenset(closure(environment)) for environment in ENVIRONMENTS}
    assert len(set(closures.values())) == len(closures)


def replace(file: str, old: str, new: str) -> Callable[[Path], None]:
    def edit(root: Path) -> None:
        path = root / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return edit


def append(file: str, line: str) -> Callable[[Path], None]:
    def edit(root: Path) -> None:
        with (root / file).open("a", encoding="utf-8") as handle:
            handle.write(line + "\n")

    return edit


NUMPY = f"numpy=={closure('score')['numpy']}"

DAMAGE = {
    "range": (replace("envs/score.yaml", NUMPY, "numpy>=1"), "'numpy>=1' is not an exact pin"),
    "hash": (
        replace("envs/score.yaml", NUMPY, NUMPY + " --hash=sha256:00"),
        "--hash=sha256:00' is not an exact pin",
    ),
    "python": (
        replace("envs/score.yaml", "python=3.11", "python=3.12"),
        "score.yaml: is not what `make lock` writes",
    ),
    "unpinned pip": (
        replace("envs/score.yaml", f"pip={PIP}", "pip"),
        "score.yaml: is not what `make lock` writes",
    ),
    "pin file": (append("envs/score.linux-64.pin.txt", "@EXPLICIT"), "skip the pip section"),
    "empty": (lambda root: (root / "envs/score.yaml").write_text(""), "no environment"),
    "no source": (lambda root: (root / "envs/score.in").unlink(), "only one of .in and .yaml"),
    "other version": (
        replace("envs/score.yaml", NUMPY, "numpy==1.0"),
        f"numpy==1.0, but requirements.txt has {NUMPY.removeprefix('numpy==')}",
    ),
    "lost pin": (
        replace("envs/score.yaml", f"      - {NUMPY}\n", ""),
        "score.yaml: numpy None, but score.in asks for numpy",
    ),
    "incomplete closure": (
        lambda root: drop_pin(root / "envs/score.yaml", "immutabledict"),
        "immutabledict is missing from the closure of score.in",
    ),
    "of its own, other version": (
        replace("envs/predict-vllm.yaml", "      - vllm==", "      - vllm==0."),
        "but predict-vllm.in asks for vllm==",
    ),
    "superfluous pin": (
        replace("envs/score.yaml", f"      - {NUMPY}\n", f"      - nose==1.3.7\n      - {NUMPY}\n"),
        "nothing in score.in needs nose",
    ),
    "new direct dependency": (
        append("envs/score.in", "pandas<3"),
        "but score.in asks for pandas<3",
    ),
    "local environment": (
        append("requirements.txt", "nose==1.3.7"),
        "local environment: nose None, but requirements.txt has 1.3.7",
    ),
    "range in requirements": (append("requirements.txt", "nose"), "'nose' is not an exact pin"),
    "disagreement": (
        replace("envs/train.yaml", "cuda-pathfinder==", "cuda-pathfinder==0."),
        "train.yaml: cuda-pathfinder==0.",
    ),
}


def drop_pin(path: Path, name: str) -> None:
    kept = [
        line
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True)
        if not line.strip().startswith(f"- {name}==")
    ]
    path.write_text("".join(kept), encoding="utf-8")


@pytest.mark.parametrize("damage", DAMAGE)
def test_the_check_finds(damage: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "envs", tmp_path / "envs")
    for file in ("requirements.in", "requirements.txt"):
        shutil.copy(ROOT / file, tmp_path)
    edit, finding = DAMAGE[damage]
    edit(tmp_path)
    assert finding in "\n".join(check_envs.check_root(tmp_path))


def check(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "tools/check_envs.py", "--resolve"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_network_the_index_check_says_that_it_was_skipped() -> None:
    done = check(UV_DEFAULT_INDEX="http://127.0.0.1:9/simple", UV_HTTP_RETRIES="0")
    assert done.returncode == 0
    assert "skipped: the package index cannot be reached" in done.stderr


@pytest.mark.slow
def test_every_closure_resolves_on_the_package_index() -> None:
    done = check()
    if "skipped" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stdout
